"""The parts of a mapping: where a column's values come from, which rows are skipped, how files are reshaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from automation.types.schema import TableName

Missing = Literal["quarantine", "empty", "default"]
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_ORIGINS = ("column", "first", "template", "constant", "multiply")
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


class MappingGrammar(BaseModel):
    """What every part of a mapping has in common: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnValue(MappingGrammar):
    """Where a column's values come from: exactly one of `column`, `first`, `template`, `constant`, `multiply`.

    `first`: the first of these columns that isn't empty. `template`: text with {column} in it, empty if one of them
    is. `multiply`: the product of two columns, minus the column `minus`.
    Then, in this order: `unwrap`: a list with one entry becomes the entry, `["A"]` becomes `A`. `until`: the text
    before this one. `lower`: in lower case. `values`: replaces whole values. `find`: the id of the customer or product
    whose column (`customers.name`) has this value, if exactly one has.
    `otherwise`: what any other value becomes; `same`, the default with `values`, keeps it.
    `missing`: what an empty value means; by default a row without a required value is quarantined, others stay empty.
    `optional`: the file may lack the column.
    """

    column: str | None = None
    first: tuple[str, ...] = ()
    template: str | None = None
    constant: Text | None = None
    multiply: tuple[str, str] | None = None
    minus: str | None = None
    unwrap: bool = False
    until: str | None = None
    lower: bool = False
    values: Mapping[str, Text] = Field(default_factory=dict)
    find: str | None = None
    otherwise: Text | None = None
    missing: Missing | None = None
    default: Text | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in _ORIGINS if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            has = f"has {' and '.join(given)}" if given else "has none of them"
            raise ValueError(f"needs exactly one of {', '.join(_ORIGINS)}; it {has}")
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
    def as_written(self) -> bool:
        """Whether the value is one column's, unchanged."""
        changed = self.unwrap or self.until or self.lower or self.values or self.find
        return self.column is not None and not changed

    @property
    def needs(self) -> Iterator[str]:
        """The file's columns that it can't do without; a template may also use the table's own columns."""
        if self.optional:
            return
        if self.column is not None:
            yield self.column
        yield from self.multiply or ()


class SkipRule(MappingGrammar):
    """Rows to leave out, counted under `reason`: one test on one column. A number test never holds for text."""

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

    @property
    def compares_numbers(self) -> bool:
        return any(limit is not None for limit in (self.at_most, self.at_least, self.less_than, self.more_than))


class FillDown(MappingGrammar):
    """Columns that are written only in the first line of the lines with one value of `by`, such as an order's."""

    by: str
    columns: tuple[str, ...]


class Items(MappingGrammar):
    """Several products in one cell, such as `2× Mug, 1× Tea, green`: a row for each, with the columns item_quantity,
    item_name and item_share (its share of the row's pieces)."""

    column: str
    between: str = ", "
    quantity: str = r"(\d+)× "

    @field_validator("quantity")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if _valid_regex(pattern).count("(") != 1:
            raise ValueError(f"{pattern!r} needs exactly one pair of brackets, around the number")
        return pattern


class Discounts(MappingGrammar):
    """What was taken off each line of an order, as the columns discount_amount and discount_share (0 to 1).

    `by`: lines with the same value are one order. `quantity`, `price`: of a line, the price of one piece. `price_is`:
    `full` where discounts are still to be taken off, `reduced` where it is what was paid. The other columns may be
    absent: `full_price`, of one piece, beside a reduced price; `line`: taken off this line; `order`: taken off the
    whole order, divided among its lines by their worth; `paid`: what all lines cost after it, so that a discount on
    shipping doesn't count.
    """

    by: str
    quantity: str
    price: str
    price_is: Literal["full", "reduced"] = "full"
    full_price: str | None = None
    line: str | None = None
    order: str | None = None
    paid: str | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.full_price and self.price_is == "full":
            raise ValueError("`full_price` goes with `price_is: reduced`")
        if self.paid and not self.order:
            raise ValueError("`paid` goes with `order`")
        if not (self.full_price or self.line or self.order):
            raise ValueError("needs one of full_price, line, order")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The file's columns, those that it may lack included."""
        given = (self.by, self.quantity, self.price, self.full_price, self.line, self.order, self.paid)
        return tuple(name for name in given if name)

    @property
    def numbers(self) -> tuple[str, ...]:
        return self.columns[1:]


class ConsentColumn(MappingGrammar):
    """`granted` or `refused` for everybody, or a column with its values for yes; an empty one records nothing, any
    other value is a no."""

    always: bool | None = None
    column: str | None = None
    granted: tuple[Text, ...] = ("yes", "true", "1")
    optional: bool = False


def _as_consent_column(written: object) -> object:
    if isinstance(written, str):
        if written not in ("granted", "refused"):
            raise ValueError(f"{written!r} is neither granted nor refused; a column is written {{column: NAME}}")
        return {"always": written == "granted"}
    if isinstance(written, dict) and ("column" not in written or "always" in written):
        raise ValueError("write granted, refused or {column: NAME, granted: [VALUES]}")
    return written


class ConsentMapping(MappingGrammar):
    """Per channel and topic whether the customer agreed; `source`: where that is known from."""

    channels: Mapping[str, Mapping[str, Annotated[ConsentColumn, BeforeValidator(_as_consent_column)]]]
    source: str

    @model_validator(mode="before")
    @classmethod
    def _channels(cls, written: Any) -> Any:
        if isinstance(written, dict):
            rest = {name: value for name, value in written.items() if name != "source"}
            return {"channels": rest, **{name: written[name] for name in ("source",) if name in written}}
        return written
