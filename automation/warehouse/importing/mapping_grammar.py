"""How a file's columns become a table's: the mapping that a person writes in YAML, as frozen values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as Map
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from automation.types.grammar import Grammar
from automation.types.schema import TABLES, ColumnType, TableName

Missing = Literal["quarantine", "empty", "default"]
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SOURCES = ("column", "first", "template", "constant", "multiply")
_TESTS = ("empty", "is_", "in_", "matches", "does_not_match", "at_most", "at_least", "less_than", "more_than")


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]


def _valid_regex(pattern: str) -> str:
    import polars as pl

    try:
        pl.Series(["x"]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"{pattern!r} is not a regular expression") from error
    return pattern


class Value(Grammar):
    """Where a column's values come from: exactly one of `column`, `first`, `template`, `constant`, `multiply`.

    `first`: the first of these columns that isn't empty. `template`: text with {column} in it, empty where one of them
    is. `multiply`: the product of two columns, less the column `minus`.
    Then, in this order: `until`: the text before this one. `lower`: in small letters. `values`: replaces whole values;
    `find`: the id of the customer or product whose column (`customers.name`) has this value, where exactly one has.
    `otherwise`: what any other value becomes; `same` keeps it, which `values` does anyway.
    `missing`: what an empty value means; by default a row without a required value is quarantined, others are empty.
    `optional`: the file may lack the column altogether.
    """

    column: str | None = None
    first: tuple[str, ...] = ()
    template: str | None = None
    constant: Text | None = None
    multiply: tuple[str, str] | None = None
    minus: str | None = None
    until: str | None = None
    lower: bool = False
    values: Map[str, Text] = Field(default_factory=dict)
    find: str | None = None
    otherwise: Text | None = None
    missing: Missing | None = None
    default: Text | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "has none of them"
            raise ValueError(f"needs exactly one of {', '.join(_SOURCES)}; it {said}")
        if (self.default is not None) != (self.missing == "default"):
            raise ValueError("`missing: default` and `default: VALUE` go together")
        if self.minus and self.multiply is None:
            raise ValueError("`minus` goes with `multiply`")
        if self.otherwise is not None and not self.values and not (self.find and self.otherwise == "same"):
            raise ValueError("`otherwise` goes with `values`, or as `otherwise: same` with `find`")
        if self.find is not None and not re.fullmatch(r"(customers|products)\.[a-z][a-z0-9_]*", self.find):
            raise ValueError(f"find: {self.find!r} is not a column such as customers.name or products.name")
        return self

    @property
    def target(self) -> tuple[TableName, str]:
        """The table and column of `find`."""
        table, column = str(self.find).split(".")
        return ("customers" if table == "customers" else "products"), column

    @property
    def placeholders(self) -> list[str]:
        return _PLACEHOLDER.findall(self.template or "")

    @property
    def needs(self) -> Iterator[str]:
        """The file's columns that it can't do without; a template may also use the table's own columns."""
        if self.optional:
            return
        if self.column is not None:
            yield self.column
        yield from self.multiply or ()


class Skip(Grammar):
    """Rows left out by policy, counted under `reason`: one test on one column. A number test never holds for text."""

    column: str
    reason: str
    empty: bool | None = None
    is_: Text | None = Field(default=None, alias="is")
    in_: tuple[Text, ...] | None = Field(default=None, alias="in")
    matches: str | None = None
    does_not_match: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    less_than: float | None = None
    more_than: float | None = None
    optional: bool = False

    _regex = field_validator("matches", "does_not_match")(
        lambda pattern: None if pattern is None else _valid_regex(pattern)
    )

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if sum(getattr(self, name) is not None for name in _TESTS) != 1:
            raise ValueError(f"needs exactly one test: {', '.join(name.rstrip('_') for name in _TESTS)}")
        return self


class FillDown(Grammar):
    """Columns that are written only in the first line of the lines with one value of `by` (an order's)."""

    by: str
    columns: tuple[str, ...]


class Items(Grammar):
    """Several products in one cell, such as `2× Mug, 1× Tea, green`: a row for each, with the columns item_quantity,
    item_name and item_share (its part of the row's pieces)."""

    column: str
    between: str = ", "
    quantity: str = r"(\d+)× "

    @field_validator("quantity")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if _valid_regex(pattern).count("(") != 1:
            raise ValueError(f"{pattern!r} needs exactly one pair of brackets, around the number")
        return pattern


class Permission(Grammar):
    """`granted` or `refused` for everybody, or a column: its words for yes; empty says nothing, any other word no."""

    always: bool | None = None
    column: str | None = None
    granted: tuple[Text, ...] = ("yes", "true", "1")
    optional: bool = False


def _as_permission(written: object) -> object:
    if isinstance(written, str):
        if written not in ("granted", "refused"):
            raise ValueError(f"{written!r} is neither granted nor refused; a column is written {{column: NAME}}")
        return {"always": written == "granted"}
    if isinstance(written, dict) and "column" not in written:
        raise ValueError("write granted, refused or {column: NAME, granted: [WORDS]}")
    return written


class Consent(Grammar):
    """Per channel and topic whether the customer agreed, and `source`: where that is known from."""

    channels: Map[str, Map[str, Annotated[Permission, BeforeValidator(_as_permission)]]]
    source: str

    @model_validator(mode="before")
    @classmethod
    def _channels(cls, written: Any) -> Any:
        if isinstance(written, dict) and "channels" not in written:
            rest = {name: value for name, value in written.items() if name != "source"}
            return {"channels": rest, **{name: written[name] for name in ("source",) if name in written}}
        return written


def _as_value(written: object) -> object:
    return {"column": written} if isinstance(written, str) else written


class Mapping(Grammar):
    """One kind of file and the table that it goes to."""

    table: TableName
    columns: Map[str, Annotated[Value, BeforeValidator(_as_value)]]
    types: Map[str, ColumnType] = Field(default_factory=dict)
    skip: tuple[Skip, ...] = ()
    fill_down: FillDown | None = None
    items: Items | None = None
    repeats: Literal["drop", "keep"] = "drop"
    times: tuple[str, ...] = ()
    timezone: str = "UTC"
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    decimal: Literal["point", "comma"] = "point"
    empty_words: tuple[str, ...] = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "#N/A")
    consent: Consent | None = None
    options: Map[str, Any] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone; write UTC or a name such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _fits_the_table(self) -> Self:
        schema = TABLES[self.table]
        given = set(self.columns) | ({"event_id"} if self.table == "events" else set())
        if absent := [name for name in schema.required if name not in given]:
            raise ValueError(f"columns: {self.table} need {', '.join(absent)}")
        for name in self.columns:
            if name not in schema.columns and not _OWN_NAME.fullmatch(name):
                raise ValueError(f"columns: {name!r} can't be a column's name; use small letters, digits and _")
        if wrong := sorted(set(self.types) & set(schema.columns)):
            raise ValueError(f"types: the type of {wrong[0]!r} is fixed: {schema.columns[wrong[0]]}")
        if unused := sorted(set(self.types) - set(self.columns)):
            raise ValueError(f"types: {unused[0]!r} is not among the columns")
        if self.consent and self.table != "customers":
            raise ValueError("consent: only a customers mapping has it")
        return self

    @cached_property
    def kinds(self) -> dict[str, ColumnType]:
        """The type of every column that the mapping sets; one that nobody declared is text."""
        declared = TABLES[self.table].columns
        return {name: declared.get(name) or self.types.get(name, "text") for name in self.columns}

    @property
    def permissions(self) -> Iterator[Permission]:
        for topics in self.consent.channels.values() if self.consent else ():
            yield from topics.values()

    @property
    def made(self) -> frozenset[str]:
        """The columns that `items` makes."""
        return frozenset({"item_quantity", "item_name", "item_share"} if self.items else ())

    @cached_property
    def needs(self) -> list[str]:
        """The file's columns that must be there, each once, in the order of the mapping."""
        names = [name for value in self.columns.values() for name in value.needs]
        names += [rule.column for rule in self.skip if not rule.optional]
        names += [one.column for one in self.permissions if one.column and not one.optional]
        names += [self.items.column] if self.items else []
        names += [self.fill_down.by] if self.fill_down else []
        return [name for name in dict.fromkeys(names) if name not in self.made]

    @cached_property
    def uses(self) -> frozenset[str]:
        """Every column of the file that the mapping refers to."""
        names = set(self.needs) | {rule.column for rule in self.skip}
        names |= {one.column for one in self.permissions if one.column}
        for value in self.columns.values():
            names |= {value.column or "", value.minus or "", *value.first, *value.placeholders, *(value.multiply or ())}
        names |= set(self.fill_down.columns) if self.fill_down else set()
        return frozenset(names)

    @cached_property
    def expected(self) -> list[str]:
        """The file's columns that cleaning relies on, as nulls where the file may and does lack them."""
        placeholders = [name for value in self.columns.values() for name in value.placeholders]
        return [name for name in dict.fromkeys([*self.needs, *placeholders]) if name not in self.made]

    def lacking(self, columns: Collection[str]) -> list[str]:
        """The needed columns that the file doesn't have, those of `first` and templates included."""
        present = {*columns, *self.made}
        lacking = [name for name in self.needs if name not in present]
        for name, value in self.columns.items():
            if value.first and not value.optional and not any(one in present for one in value.first):
                lacking.append(" or ".join(value.first))
            known = {*present, *(self.columns.keys() - {name})}
            lacking += [one for one in value.placeholders if one not in known and not value.optional]
        return lacking
