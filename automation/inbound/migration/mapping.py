"""How another sender's export becomes suppressions, consents and sends: presets, or a YAML file of the same form."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from automation.config.problems import did_you_mean
from automation.config.source_map import Source, read_file, read_source
from automation.errors import ConfigurationError, SourceError
from automation.types.grammar import Grammar

Kind = Literal["suppressions", "consents", "sends"]
PRESETS = ("klaviyo", "braze", "plain")


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]


class Value(Grammar):
    """Where a value comes from: a `column`, the `first` of several that has one, or a `constant`.

    `values` replaces whole words (whatever their case), `otherwise` any other word. `optional`: the file may lack it.
    """

    column: str | None = None
    first: tuple[str, ...] = ()
    constant: Text | None = None
    values: Mapping[str, Text] = Field(default_factory=dict)
    otherwise: Text | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("column", "first", "constant") if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            raise ValueError("needs exactly one of column, first and constant")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column is not None else self.first

    @property
    def needs(self) -> Iterator[str]:
        """The file's columns that it can't do without."""
        if self.column is not None and not self.optional:
            yield self.column


def _as_value(written: object) -> object:
    return {"column": written} if isinstance(written, str) else written


Given = Annotated[Value, BeforeValidator(_as_value)]


class Granted(Grammar):
    """A column's words for yes and for no; `anything` means any value at all, `nothing` skips the row silently."""

    column: str
    yes: tuple[Text, ...] = ()
    no: tuple[Text, ...] = ()
    nothing: tuple[Text, ...] = ()


class Entry(Grammar):
    """One reading of a file's rows; what is not given is empty, and `where` leaves out rows without these columns."""

    address: Given
    channel: Given
    topic: Given | None = None
    at: Given | None = None
    customer_id: Given | None = None
    reason: Given | None = None
    granted: Granted | bool | None = None
    source: Given | None = None
    method: Given | None = None
    text_version: Given | None = None
    campaign: Given | None = None
    where: Mapping[str, tuple[Text, ...]] = Field(default_factory=dict)
    """Column → the words of which it must have one; an empty list: any value."""
    timezone: str | None = None

    @property
    def needs(self) -> list[str]:
        """The columns that a file for this entry has."""
        values = [value for value in vars(self).values() if isinstance(value, Value)]
        named = [name for value in values for name in value.needs] + list(self.where)
        return [*dict.fromkeys([*named, *([self.granted.column] if isinstance(self.granted, Granted) else [])])]

    @property
    def uses(self) -> set[str]:
        """Every column that it looks at."""
        values = [value for value in vars(self).values() if isinstance(value, Value)]
        return {*self.needs, *(name for value in values for name in value.columns)}


class MigrationMapping(Grammar):
    """What one export of another sender holds; each entry is tried on every row."""

    name: str = ""
    suppressions: tuple[Entry, ...] = ()
    consents: tuple[Entry, ...] = ()
    sends: tuple[Entry, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for entry in self.consents:
            if entry.granted is None:
                raise ValueError("consents: an entry needs `granted`: true, false, or a column with its words")
        for entry in self.sends:
            if entry.at is None:
                raise ValueError("sends: an entry needs `at`, when the message was sent")
        return self


@dataclass(frozen=True)
class Chosen:
    """The entries that fit a file."""

    name: str
    entries: tuple[Entry, ...]


def choose(mapping: MigrationMapping, kind: Kind, columns: Collection[str], path: Path) -> Chosen:
    """The entries whose columns the file has. Raises `SourceError`, naming what it lacks."""
    entries: tuple[Entry, ...] = getattr(mapping, kind)
    if not entries:
        known = ", ".join(name for name in ("suppressions", "consents", "sends") if getattr(mapping, name))
        raise SourceError(path, None, f"the mapping {mapping.name} is for {known}, not for {kind}")
    lacking = [[name for name in entry.needs if name not in columns] for entry in entries]
    fitting = tuple(entry for entry, missing in zip(entries, lacking, strict=True) if not missing)
    if fitting:
        return Chosen(mapping.name, fitting)
    listed = ", ".join(f"{name!r}{did_you_mean(name, columns)}" for name in min(lacking, key=len))
    shown = ", ".join(map(repr, list(columns)[:20]))
    raise SourceError(
        path, None, f"the mapping {mapping.name} needs columns that the file doesn't have: {listed}; it has {shown}"
    )


def load(wanted: str | Path) -> MigrationMapping:
    """A preset by its name, or a YAML file. Raises `ConfigurationError` with every problem of the file."""
    if str(wanted) in PRESETS:
        text = resources.files("automation.inbound.migration").joinpath(f"presets/{wanted}.yaml").read_text("utf-8")
        return _parsed(read_source(text, f"preset {wanted}"), str(wanted))
    if not Path(wanted).is_file():
        raise ConfigurationError(f"{wanted}: there is no such mapping file; presets: {', '.join(PRESETS)}")
    return _parsed(read_file(Path(wanted), str(wanted))[1], str(wanted))


def _parsed(source: Source, name: str) -> MigrationMapping:
    if source.problems:
        raise ConfigurationError("\n".join(map(str, source.problems)))
    try:
        return MigrationMapping.model_validate({"name": name, **source.value})
    except ValidationError as error:
        raise ConfigurationError("\n".join(_problem(source, fault) for fault in error.errors())) from error


def _problem(source: Source, fault: Any) -> str:
    path: tuple[str | int, ...] = ()
    for part in fault["loc"]:  # what pydantic names but nobody wrote is left out
        path = (*path, part) if (*path, part) in source.values else path
    what = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        what = f"the key {fault['loc'][-1]!r} is not known here{did_you_mean(fault['loc'][-1], _KEYS)}"
    elif fault["type"] == "missing":
        what = f"{fault['loc'][-1]!r} is missing"
    return str(source.problem(path, what, key=fault["type"] == "extra_forbidden"))


_KEYS = tuple({*Entry.model_fields, *Value.model_fields, *Granted.model_fields, *MigrationMapping.model_fields})
