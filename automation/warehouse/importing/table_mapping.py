"""How one kind of file becomes rows of a table: what a person writes in YAML, as a frozen value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from automation.config.problems import did_you_mean
from automation.types.schema import (
    MIGRATION_TABLES,
    TABLES,
    ColumnType,
    ImportTable,
    MigrationSchema,
    TableSchema,
)
from automation.warehouse.importing.mapping_grammar import (
    ColumnValue,
    ConsentColumn,
    ConsentMapping,
    Discounts,
    FillDown,
    Items,
    MappingGrammar,
    SkipRule,
    Text,
)

_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def _as_value(written: object) -> object:
    return {"column": written} if isinstance(written, str) else written


class TableMapping(MappingGrammar):
    """One kind of file and the table that it goes to.

    `where`: only rows whose column has one of these values, in any case; an empty list means any value. `times`: the
    formats to try, in this order: strptime's, `iso` (the default), `epoch` or `epoch_ms`. `id_from`: the columns that
    tell events without an id apart; all of them by default.
    """

    table: ImportTable
    columns: Mapping[str, Annotated[ColumnValue, BeforeValidator(_as_value)]]
    types: Mapping[str, ColumnType] = Field(default_factory=dict)
    where: Mapping[str, tuple[Text, ...]] = Field(default_factory=dict)
    skip: tuple[SkipRule, ...] = ()
    fill_down: FillDown | None = None
    items: Items | None = None
    discounts: Discounts | None = None
    repeats: Literal["drop", "keep"] = "drop"
    id_from: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    timezone: str = "UTC"
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    decimal: Literal["point", "comma"] = "point"
    empty_words: tuple[str, ...] = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "#N/A")
    consent: ConsentMapping | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)

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
        schema = self.table_schema
        given = set(self.columns) | ({"event_id"} if self.table == "events" else set())
        if absent := [name for name in schema.required if name not in given]:
            raise ValueError(f"columns: {self.table} need {', '.join(absent)}")
        for name in self.columns:
            if name in schema.columns:
                continue
            if isinstance(schema, MigrationSchema):
                hint = did_you_mean(name, schema.columns)
                raise ValueError(f"columns: {self.table} have no {name!r}{hint}; they have {', '.join(schema.columns)}")
            if not _OWN_NAME.fullmatch(name):
                raise ValueError(f"columns: {name!r} can't be a column's name; use small letters, digits and _")
        if wrong := sorted(set(self.types) & set(schema.columns)):
            raise ValueError(f"types: the type of {wrong[0]!r} is fixed: {schema.columns[wrong[0]]}")
        if unused := sorted(set(self.types) - set(self.columns)):
            raise ValueError(f"types: {unused[0]!r} is not among the columns")
        if self.id_from and self.table != "events":
            raise ValueError("id_from: only an events mapping has it")
        if unknown := [name for name in self.id_from if name not in self.columns or name == "event_id"]:
            raise ValueError(f"id_from: {unknown[0]!r} is not among the columns")
        if self.consent and self.table != "customers":
            raise ValueError("consent: only a customers mapping has it")
        if self.repeats == "keep" and (self.table != "events" or "event_id" in self.columns):
            raise ValueError(
                "repeats: keep is for an events mapping without event_id; other rows have an id of their own"
            )
        return self

    @cached_property
    def table_schema(self) -> TableSchema | MigrationSchema:
        """The columns of the table, and which are required."""
        schemas: list[TableSchema | MigrationSchema] = [*TABLES.values(), *MIGRATION_TABLES.values()]
        return next(schema for schema in schemas if schema.name == self.table)

    @cached_property
    def kinds(self) -> dict[str, ColumnType]:
        """The type of every column that the mapping sets; one that nobody declared is text."""
        declared = self.table_schema.columns
        return {name: declared.get(name) or self.types.get(name, "text") for name in self.columns}

    @cached_property
    def id_kinds(self) -> dict[str, ColumnType]:
        """The columns that tell events without an id apart."""
        return {name: kind for name, kind in self.kinds.items() if not self.id_from or name in self.id_from}

    @property
    def consent_columns(self) -> Iterator[ConsentColumn]:
        for topics in self.consent.channels.values() if self.consent else ():
            yield from topics.values()

    @property
    def made(self) -> frozenset[str]:
        """The columns that `items` and `discounts` make."""
        found = {"item_quantity", "item_name", "item_share"} if self.items else set[str]()
        return frozenset(found | ({"discount_amount", "discount_share"} if self.discounts else set()))

    @cached_property
    def needs(self) -> list[str]:
        """The file's columns that must be there, each once, in the order of the mapping."""
        names = [name for value in self.columns.values() for name in value.needs]
        names += [*self.where, *(rule.column for rule in self.skip if not rule.optional)]
        names += [one.column for one in self.consent_columns if one.column and not one.optional]
        names += [self.items.column] if self.items else []
        names += [self.fill_down.by] if self.fill_down else []
        names += self.discounts.columns[:3] if self.discounts else []
        return [name for name in dict.fromkeys(names) if name not in self.made]

    @cached_property
    def uses(self) -> frozenset[str]:
        """Every column of the file that the mapping refers to."""
        names = set(self.needs) | {rule.column for rule in self.skip}
        names |= {one.column for one in self.consent_columns if one.column}
        for value in self.columns.values():
            names |= {value.column or "", value.minus or "", *value.first, *value.placeholders, *(value.multiply or ())}
        names |= set(self.fill_down.columns) if self.fill_down else set()
        names |= set(self.discounts.columns) if self.discounts else set()
        return frozenset(names)

    @cached_property
    def expected(self) -> list[str]:
        """The file's columns that cleaning relies on; a file that may lack one gets nulls for it."""
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
