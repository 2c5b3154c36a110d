"""Whether a class has the shape that its kind asks for, judged without making one and without data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from automation.contracts.channel import Channel, DeclaresLive, ResolvingChannel
from automation.contracts.model import JudgedModel
from automation.contracts.offer_policy import OfferPolicy
from automation.contracts.reasons import reason_texts
from automation.contracts.recommender import Recommender
from automation.contracts.rule import ComplementRule, PredicateRule, ReadsTables, Rule, TallyRule
from automation.contracts.segmenter import Segmenter
from automation.contracts.snapshot import TABLES
from automation.contracts.source import Source
from automation.contracts.suppression import Suppression
from automation.errors import ContractError
from automation.types.message import KINDS

BY_KIND: Mapping[str, type] = MappingProxyType(
    {
        "sources": Source,
        "rules": Rule,
        "segmenters": Segmenter,
        "recommenders": Recommender,
        "offer_policies": OfferPolicy,
        "suppressions": Suppression,
        "channels": Channel,
    }
)
"""The contract of each kind of component, by the name of its registering hook."""

OPTIONAL: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "rules": (PredicateRule, ComplementRule, TallyRule, ReadsTables),
        "segmenters": (JudgedModel,),
        "recommenders": (JudgedModel,),
        "offer_policies": (JudgedModel,),
        "channels": (ResolvingChannel, DeclaresLive),
    }
)
"""What a component of each kind may have beside its contract."""

HEAVY = (
    *("duckdb", "ibis", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "sqlalchemy"),
    *("surprise", "torch"),
)
"""Libraries that a plugin must import inside its functions: every start of the command line imports its modules."""

_Value = tuple[Callable[[Any], bool], str]
"""A test of a class attribute's value, and what it must be, in words."""


def lacking(kind: str, component: Any) -> str | None:
    """Why the class can't be a component of the kind at all, or None."""
    if not inspect.isclass(component):
        return "expected a class"
    options = getattr(component, "Options", None)
    if not (inspect.isclass(options) and issubclass(options, BaseModel)):
        return "the class needs `Options`, a pydantic model (contracts.Options is one)"
    if not is_strict(options):
        return 'its Options must be frozen and extra="forbid" (inherit contracts.Options)'
    missing = sorted(name for name in members(BY_KIND[kind]) if not hasattr(component, name))
    return f"the class lacks {', '.join(missing)}" if missing else None


def is_strict(options: type[BaseModel]) -> bool:
    """Whether the options are frozen and refuse an unknown key."""
    return bool(options.model_config.get("frozen")) and options.model_config.get("extra") == "forbid"


def shape_problems(kind: str, name: str, component: Any) -> Iterator[str]:
    """What is wrong with a class that is registered as `name` and lacks nothing: parameters, and values of attributes.

    Optional members are checked where the class has them.
    """
    contract = BY_KIND[kind]
    yield from _method_problems(contract, members(contract), component)
    for optional in OPTIONAL.get(kind, ()):
        further = {member for member in members(optional) - members(contract) if hasattr(component, member)}
        yield from _method_problems(optional, further, component)
    for attribute, (sound, wanted) in _values(kind, name).items():
        if hasattr(component, attribute) and not sound(getattr(component, attribute)):
            yield f"its {attribute} is {getattr(component, attribute)!r}; it must be {wanted}"
    try:
        reason_texts(component)
    except ContractError as error:
        yield str(error)


def members(contract: type) -> set[str]:
    """The public methods and attributes that the contract asks for, those that it inherits among them."""
    return {
        name
        for base in contract.__mro__
        if base.__module__.startswith("automation.contracts.")
        for name in (*vars(base), *getattr(base, "__annotations__", {}))
        if not name.startswith("_")
    }


def _method_problems(contract: type, names: set[str], component: Any) -> Iterator[str]:
    for name, wanted in inspect.getmembers(contract, inspect.isfunction):
        if name not in names:
            continue
        method = getattr(component, name)
        if not callable(method):
            yield f"{name} must be a method"
            continue
        has = inspect.signature(method).parameters
        anything = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in has.values())
        missing = [] if anything else [each for each in inspect.signature(wanted).parameters if each not in has]
        if missing:
            yield f"{name}() lacks the parameter{'' if len(missing) == 1 else 's'} {', '.join(missing)}"
        if name == "deliver" and inspect.iscoroutinefunction(method):
            yield "deliver() must be an async generator: async def with yield"
        if inspect.iscoroutinefunction(wanted) and not inspect.iscoroutinefunction(method):
            yield f"{name}() must be a coroutine: async def"


def _values(kind: str, name: str) -> Mapping[str, _Value]:
    """What the class attributes of a kind must hold."""
    found: Mapping[str, Mapping[str, _Value]] = {
        "rules": {
            "key": (lambda key: key == name, f"{name!r}, the name that it is registered as"),
            "reads": (_are_tables, f"a set of {', '.join(sorted(TABLES))}"),
        },
        "channels": {
            "kind": (lambda kind: kind in KINDS, f"one of {', '.join(KINDS)}"),
            "live": (lambda live: isinstance(live, bool), "True or False"),
        },
        "sources": {"suffixes": (_are_suffixes, "a tuple of lower-case suffixes, each beginning with a dot")},
        "suppressions": {"codes": (_are_codes, "a mapping of reason code to its meaning")},
    }
    models: Mapping[str, _Value] = {"judged_by": (_are_two_texts, 'two texts, such as ("AUC", "recency alone")')}
    return found.get(kind, models)


def _are_tables(reads: Any) -> bool:
    return isinstance(reads, frozenset | set) and reads <= TABLES


def _are_suffixes(suffixes: Any) -> bool:
    return isinstance(suffixes, tuple | list) and all(
        isinstance(suffix, str) and suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes
    )


def _are_codes(codes: Any) -> bool:
    return isinstance(codes, Mapping) and all(isinstance(text, str) for pair in codes.items() for text in pair)


def _are_two_texts(judged_by: Any) -> bool:
    return isinstance(judged_by, tuple) and len(judged_by) == 2 and all(isinstance(text, str) for text in judged_by)
