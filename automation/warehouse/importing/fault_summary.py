"""What is wrong with an import's rows, in a few lines: the most frequent reasons, and what would mend them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from types import MappingProxyType

import polars as pl

from automation.warehouse.importing.mapping_grammar import ColumnValue
from automation.warehouse.importing.table_mapping import TableMapping

_MISSING = "is missing"
_SHOWN = 2
_STANDS_FOR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "customer_id": ("email", "e-mail", "customer", "user", "phone"),
        "product_id": ("sku", "product", "item", "article"),
    }
)
"""Words in a column's name that show that it can stand for an id."""


@dataclass(frozen=True)
class FaultSummary:
    """One reason. rows: how many rows have it. quarantined: whether they are, else the value was set empty.

    value, row: an example, and its number in the file. mend: what to change in the mapping; empty if nothing is known.
    """

    column: str
    reason: str
    rows: int
    quarantined: bool
    value: str | None
    row: int
    mend: str


@dataclass
class _Count:
    rows: int
    value: str | None
    row: int
    read_from: str
    commas: int = 0
    filled: dict[str, int] = field(default_factory=dict)
    """Of columns that the mapping does not use, in how many of the rows they have a value."""


class FaultCount:
    """Counts the faults of every frame by kind, column and reason."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], _Count] = {}

    def add(self, faults: pl.DataFrame, frame: pl.DataFrame, mapping: TableMapping) -> None:
        """Count a frame's faults (`cleaning.FAULTS`); frame: as it was read, with every column of the file."""
        if not faults.height:
            return
        groups = faults.group_by("kind", "column", "reason", maintain_order=True).agg(
            pl.len(),
            pl.col("value").drop_nulls().first(),
            pl.col("_row").first(),
            commas=pl.col("value").str.contains(",", literal=True).sum(),
            at=pl.col("_row"),
        )
        for group in groups.iter_rows(named=True):
            key = (group["kind"], group["column"], group["reason"])
            read_from = _read_from(mapping.columns.get(group["column"]))
            count = self._found.setdefault(key, _Count(0, group["value"], group["_row"], read_from))
            count.rows += group["len"]
            count.commas += group["commas"] or 0
            if group["reason"] == _MISSING:
                for name, filled in _filled(frame, group["at"], mapping).items():
                    count.filled[name] = count.filled.get(name, 0) + filled

    def top(self, most: int = 5) -> tuple[FaultSummary, ...]:
        """The most frequent reasons, those that quarantine rows first."""
        order = sorted(self._found.items(), key=lambda found: (found[0][0] != "row", -found[1].rows, found[0]))
        return tuple(
            FaultSummary(
                column, reason, count.rows, kind == "row", count.value, count.row, _mend(column, reason, count)
            )
            for (kind, column, reason), count in order[:most]
        )


def _read_from(value: ColumnValue | None) -> str:
    if value is None:
        return ""
    return ", ".join(name for name in (value.column, *value.first, *(value.multiply or ())) if name is not None)


def _filled(frame: pl.DataFrame, rows: Sequence[int], mapping: TableMapping) -> dict[str, int]:
    """In how many of these rows the columns have a value that the mapping does not use."""
    names = [name for name in frame.columns if name != "_row" and name not in mapping.uses]
    some = frame.filter(pl.col("_row").is_in(list(rows))).select(pl.col(names).cast(pl.String, strict=False))
    empty = ["", *mapping.empty_words]
    has_value = pl.col(names).is_not_null() & ~pl.col(names).str.strip_chars().is_in(empty)
    return dict(zip(names, some.select(has_value.sum()).row(0), strict=True)) if names and some.height else {}


def _mend(column: str, reason: str, count: _Count) -> str:
    if reason == _MISSING:
        return _other_columns(column, count)
    if reason.startswith("is not a time"):
        return f"write how {count.read_from or column} is written under times:, such as times: ['%d/%m/%Y']"
    if reason == "is not a number" and count.commas:
        return "decimal: comma, if a comma separates decimals"
    if reason == "is not a phone number":
        return "country: DE, for numbers without a country code"
    return ""


def _other_columns(column: str, count: _Count) -> str:
    whole = [name for name, filled in count.filled.items() if filled >= count.rows]
    if not whole:
        return "no other column has a value in these rows"
    likely = sorted(whole, key=lambda name: -_likeness(column, name))[:_SHOWN]
    own = f"{count.read_from}, " if count.read_from else ""
    names = " and ".join(repr(name) for name in likely)
    verb = "have" if len(likely) > 1 else "has"
    return f"{names} {verb} a value in all of them: {column}: {{first: [{own}{likely[0]}]}}"


def _likeness(column: str, name: str) -> float:
    plain = name.lower().replace("_", " ")
    stands = any(word in plain for word in _STANDS_FOR.get(column, ()))
    return stands + SequenceMatcher(None, column.replace("_", " "), plain).ratio()
