"""JSON Schema 2020-12 for campaign files and config.yaml, plugins' options included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from automation.config.audiences import FIGURES, TESTS
from automation.config.campaigns import known_names
from automation.config.conditions import GROUPS
from automation.config.entries import ChannelEntry, ModelEntry, OfferEntry
from automation.config.reading import Form, field_forms, is_model, list_forms, model_fields
from automation.config.schema_parts import Json, all_of, any_of, closed_object, described, lengths, pattern, when
from automation.config.settings import MODEL_KINDS, ModelSettings, Settings
from automation.plugin_manager import Registry
from automation.types.campaign import Campaign
from automation.types.channel_settings import ChannelSettings
from automation.types.condition import Audience, Group, Leaf, Using, Where
from automation.types.grammar import Text
from automation.types.offer import Offer
from automation.types.offer_plan import OfferPlan
from automation.types.schedule import Schedule
from automation.types.secret import Secret

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LISTS = (tuple, list, set, frozenset, Sequence)
_EXACTLY_ONE: Mapping[type[BaseModel], Sequence[tuple[str, ...]]] = {
    Campaign: (("schedule", "starts_when"), ("send", "steps")),
    Schedule: (("every", "at", "cron"),),
    OfferPlan: (("fixed", "using"),),
}


def campaign_schema(registry: Registry, settings: Settings | None = None) -> Json:
    """The schema of a campaign file; with settings, names are those that config.yaml has."""
    if settings is None:
        return _Writer(registry, {}, None).document(Campaign, "A campaign")
    known = known_names(settings)
    return _Writer(registry, known.names, known.models).document(Campaign, "A campaign")


def settings_schema(registry: Registry) -> Json:
    """The schema of config.yaml."""
    return _Writer(registry, {}, None).document(Settings, "config.yaml")


class _Writer:
    """Writes one schema document; what is used more than once goes to `$defs`."""

    def __init__(
        self, registry: Registry, names: Mapping[str, Collection[str]], models: Mapping[str, str] | None
    ) -> None:
        self.registry = registry
        self.names = names
        self.models = models
        self.definitions: Json = {}

    def document(self, model: type[BaseModel], title: str) -> Json:
        schema = self.model(model)
        return {"$schema": DIALECT, "title": title, **schema, "$defs": self.definitions}

    def define(self, name: str, write: Any) -> Json:
        """A reference to a definition, written once; the name is reserved first, so that it may refer to itself."""
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = write()
        return {"$ref": f"#/$defs/{name}"}

    def model(self, model: type[BaseModel]) -> Json:
        """A closed object, with `options` dispatched by `using` if it has both."""
        properties: Json = {}
        rules: list[Json] = []
        for key, info in model_fields(model).items():
            using = next((form for form in field_forms(info) if form.type is Using), None)
            if key == "using" and using is not None and using.names is not None:
                dispatch = self.dispatch([using.names.what])
                properties |= dispatch["properties"]
                rules += dispatch["allOf"]
            else:
                properties[key] = self.field(info)
        required = [key for key, info in model_fields(model).items() if info.is_required()]
        rules += [{"oneOf": [{"required": [key]} for key in keys]} for keys in _EXACTLY_ONE.get(model, ())]
        return {**closed_object(properties, required), **all_of(rules)}

    def field(self, info: FieldInfo) -> Json:
        return self.alternatives(field_forms(info))

    def alternatives(self, alternatives: Sequence[Form]) -> Json:
        """Without null, since an empty key in a file is a mistake."""
        written = [form for form in alternatives if form.type is not type(None)]
        return any_of([self.form(form) for form in written])

    def form(self, form: Form) -> Json:
        if form.type in (Leaf, Group):
            return self.define("condition", self.condition)
        if form.type is Audience:
            return self.define("audience", self.audience)
        if form.type is Where:
            return self.where()
        if form.type is Using:
            return self.using(form)
        return self.entry(form)

    def entry(self, form: Form) -> Json:
        """A named entry of config.yaml."""
        if form.type is Offer:
            return self.define("Offer", lambda: self.model(OfferEntry))
        if form.type is ChannelSettings:
            return any_of([self.name(["channels"]), self.define("Channel", lambda: self.model(ChannelEntry))])
        if form.type is ModelSettings:
            return self.define("Model", self.model_entry)
        return self.ordinary(form)

    def ordinary(self, form: Form) -> Json:
        """A type without a reader of its own."""
        own = not any(isinstance(mark, BeforeValidator) for mark in form.metadata)
        if own and is_model(form) and not issubclass(form.type, Secret):
            return self.nested(form.type)
        if own and form.origin in _LISTS and self.uniform(form):
            return {**self.items(form), **lengths(form)}
        if own and form.origin in (dict, Mapping) and len(get_args(form.type)) == 2:
            values = self.alternatives(list(list_forms(get_args(form.type)[1])))
            return {"type": "object", "additionalProperties": values, **lengths(form, "Properties")}
        return self.scalar(form)

    def uniform(self, form: Form) -> bool:
        types = get_args(form.type)
        return bool(types) and (form.origin is not tuple or types[-1] is Ellipsis)

    def items(self, form: Form) -> Json:
        return {"type": "array", "items": self.alternatives(list(list_forms(get_args(form.type)[0])))}

    def nested(self, model: type[BaseModel]) -> Json:
        reference = self.define(
            f"{model.__module__.rsplit('.', 1)[-1]}.{model.__qualname__}", lambda: self.model(model)
        )
        text = getattr(model, "text_form", None)
        return {"anyOf": [pattern(text), reference]} if isinstance(text, Text) else reference

    def scalar(self, form: Form) -> Json:
        text = next((mark for mark in form.metadata if isinstance(mark, Text)), None)
        if text is not None:
            return pattern(text)
        if form.names is not None and form.names.what in self.names:
            return {"type": "string", "enum": sorted(self.names[form.names.what])}
        annotation: Any = Annotated[form.type, *form.metadata] if form.metadata else form.type
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        schema: Json = adapter.json_schema(by_alias=True, ref_template="#/$defs/{model}")
        self.definitions |= schema.pop("$defs", {})
        return schema

    # Conditions

    def condition(self) -> Json:
        """Dispatched by the rule's key, so that an editor shows one error and not one for each rule."""
        several = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
        groups = {"all": several, "any": several, "not": {"$ref": "#/$defs/condition"}}
        keys = [*GROUPS, *self.registry.names("rules")]
        choices = [when({"required": [kind]}, closed_object({kind: part}, [kind])) for kind, part in groups.items()]
        choices += [when(self.is_rule(key), self.rule(key)) for key in self.registry.names("rules")]
        written = {"type": "object", "anyOf": [{"required": [key]} for key in keys], "allOf": choices}
        return {"if": {"type": "object"}, "then": written, "else": {"const": "everyone"}}

    def rule(self, key: str) -> Json:
        component = self.registry.find("rules", key)
        return self.define(f"rule.{key}", lambda: described(self.model(component.Options), component))

    def where(self) -> Json:
        """As the rule `did` has it."""
        if "did" not in self.registry.names("rules"):
            return {"type": "object"}
        found: Json = self.model(self.registry.find("rules", "did").Options)["properties"]["where"]
        return found

    def is_rule(self, key: str) -> Json:
        """A mapping with this key, unless another rule has the key as an option."""
        owners = [
            other
            for other in self.registry.names("rules")
            if other != key and key in model_fields(self.registry.find("rules", other).Options)
        ]
        test: Json = {"required": [key]}
        return {**test, "not": {"anyOf": [{"required": [other]} for other in owners]}} if owners else test

    def audience(self) -> Json:
        """A condition with `top`, `by` or `sample`; `unevaluatedProperties` makes each part accept the other's keys."""
        condition = self.define("condition", self.condition)
        narrowing = {
            "top": {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"},
                    {"type": "string", "pattern": "^[0-9]+ per piece in stock$"},
                ]
            },
            "by": self.ranking(),
            "top_of": {"enum": ["reachable", "everyone"]},
            "sample": {"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"},
        }
        return {
            "if": {"type": "object", "anyOf": [{"required": [key]} for key in narrowing]},
            "then": self.narrowed(narrowing),
            "else": condition,
        }

    def ranking(self) -> Json:
        """A name, or a figure of the events that the options of `did` choose."""
        if "did" not in self.registry.names("rules"):
            return {"type": "string"}
        chosen: Json = self.model(self.registry.find("rules", "did").Options)["properties"]
        events = {key: part for key, part in chosen.items() if key not in (*TESTS, *FIGURES)}
        figure = {**closed_object({**events, **{key: {"type": "string"} for key in FIGURES}}, ["did"])}
        several = [{"required": [one, other]} for one, other in combinations(FIGURES, 2)]
        return {"if": {"type": "object"}, "then": {**figure, "not": any_of(several)}, "else": {"type": "string"}}

    def narrowed(self, narrowing: Json) -> Json:
        several = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
        groups = {"all": several, "any": several, "not": {"$ref": "#/$defs/condition"}}
        choices = [when({"required": [kind]}, {"properties": {kind: part}}) for kind, part in groups.items()]
        choices += [when(self.is_rule(key), self.open_rule(key)) for key in self.registry.names("rules")]
        return {
            "properties": narrowing,
            "allOf": choices,
            "dependentRequired": {"top": ["by"], "by": ["top"], "top_of": ["top"]},
            "not": {"required": ["top", "sample"]},
            "unevaluatedProperties": False,
        }

    def open_rule(self, key: str) -> Json:
        rule = self.model(self.registry.find("rules", key).Options)
        return {name: part for name, part in rule.items() if name != "additionalProperties"}

    # Components

    def using(self, form: Form) -> Json:
        """A bare name, or a name with options."""
        assert form.names is not None
        kind = form.names.what
        dispatch = self.dispatch([kind])
        nested = {**closed_object(dispatch["properties"], ["using"]), **all_of(dispatch["allOf"])}
        return self.define(
            f"using.{kind}", lambda: {"if": {"type": "object"}, "then": nested, "else": self.name([kind])}
        )

    def dispatch(self, kinds: Sequence[str]) -> Json:
        """`using`, and `options` with the schema of the named component."""
        choices = []
        for kind in kinds:
            for name in self.registry.names(kind):
                options = self.registry.find(kind, name).Options
                reference = self.define(f"options.{kind}.{name}", lambda options=options: self.model(options))
                then: Json = {"properties": {"options": reference}}
                if any(info.is_required() for info in model_fields(options).values()):
                    then["required"] = ["options"]
                choices.append(when({"properties": {"using": {"const": name}}, "required": ["using"]}, then))
        return {"properties": {"using": self.name(kinds), "options": {"type": "object"}}, "allOf": choices}

    def name(self, kinds: Sequence[str]) -> Json:
        registered = {name for kind in kinds for name in self.registry.names(kind)}
        if self.models is None:
            return {"type": "string", "examples": sorted(registered)}
        return {"enum": sorted(registered | {name for name, kind in self.models.items() if kind in kinds})}

    def model_entry(self) -> Json:
        entry = self.model(ModelEntry)
        dispatch = self.dispatch(MODEL_KINDS)
        known = sorted({name for kind in MODEL_KINDS for name in self.registry.names(kind)})
        properties = {**entry["properties"], **dispatch["properties"], "using": {"enum": known}}
        return {**entry, "properties": properties, **all_of(dispatch["allOf"])}
