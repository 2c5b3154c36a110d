"""One frame as it was read to clean rows: skipped by policy, quarantined for a reason, or fit for the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from automation.errors import ConfigurationError
from automation.types.schema import TABLES
from automation.warehouse.importing.lookups import find
from automation.warehouse.importing.mapping_grammar import Mapping, Skip, Value
from automation.warehouse.importing.parsed import Parsed, accept
from automation.warehouse.importing.parsing import parse, parse_number
from automation.warehouse.importing.phones import international
from automation.warehouse.importing.typed import keep_types, text_of

FAULTS = pl.Schema(
    {"_row": pl.Int64(), "kind": pl.String(), "column": pl.String(), "reason": pl.String(), "value": pl.String()}
)


RECORD = "_record"  # a row's place in its frame; a file's row that holds several items becomes several


@dataclass(frozen=True)
class Cleaned:
    """What became of one frame; every row of it is in exactly one of `rows`, `quarantined` and `skipped`.

    `raw`: the rows that no policy skipped, with `_record`. `rows`: the clean ones among them, typed, beside `_record`.
    `faults`: of quarantined rows (`kind` row) and of single values that were set empty (`kind` value).
    """

    raw: pl.DataFrame
    rows: pl.DataFrame
    faults: pl.DataFrame
    skipped: dict[str, int]
    quarantined: int


@dataclass(frozen=True)
class _Frame:
    raw: pl.DataFrame
    mapping: Mapping
    now: datetime
    known: Map[str, pl.DataFrame]

    def parse(self, raw: pl.Series, name: str) -> Parsed:
        return parse(raw, name, self.mapping.kinds[name], self.mapping, self.now)


def clean(raw: pl.DataFrame, mapping: Mapping, now: datetime, known: Map[str, pl.DataFrame]) -> Cleaned:
    """Skip, map, read and judge the rows of one frame, which `trim` has seen; `known` is what `lookups` found.

    Raises `ConfigurationError`.
    """
    kept, skipped = _skip(raw.with_row_index(RECORD), mapping)
    frame = _Frame(kept, mapping, now, known)
    columns: dict[str, pl.Series] = {}
    faults: list[pl.DataFrame] = []
    refused = pl.repeat(value=False, n=kept.height, dtype=pl.Boolean, eager=True)
    for name, value in _in_order(mapping):
        text, parsed = _read(frame, columns, name, value)
        columns[name] = _with_default(frame, parsed.values, name, value)
        lost = columns[name].is_null() if _must(mapping, name, value) else refused & False
        if lost.any() or parsed.fault.null_count() < kept.height:
            faults.append(_faults(kept, name, text, parsed.fault, lost))
            refused |= lost
    rows = pl.DataFrame({RECORD: kept[RECORD], **{name: columns[name] for name in mapping.columns}})
    found = _judged(faults, rows.filter(refused)[RECORD])
    clean_rows = international(rows.filter(~refused), mapping.country)
    return Cleaned(kept, clean_rows, found, skipped, int(refused.sum()))


def _must(mapping: Mapping, name: str, value: Value) -> bool:
    """Whether a row without this column's value is worthless; an event without an id gets one."""
    required = name in TABLES[mapping.table].required and name != "event_id"
    return value.missing == "quarantine" or required


def _judged(faults: list[pl.DataFrame], refused: pl.Series) -> pl.DataFrame:
    if not faults:
        return FAULTS.to_frame()
    kind = pl.when(pl.col(RECORD).is_in(refused.implode())).then(pl.lit("row")).otherwise(pl.lit("value"))
    found = pl.concat(faults).sort(RECORD, maintain_order=True)
    return found.with_columns(kind.alias("kind")).select(FAULTS.names())


def trim(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Every text without blanks around it, or a spreadsheet's apostrophe before a number; nothing, and the words that
    mean nothing, as null. Columns are text where the mapping doesn't want the type that the file gives them."""
    frame = keep_types(frame, mapping)
    quoted = _columns_with(frame, pl.col(pl.String).str.starts_with("'"))
    frame = frame.with_columns(pl.col(quoted).str.replace(r"^'(\+?[\d\s()./-]+)$", "$1"))
    words = ["", *mapping.empty_words]
    frame = frame.with_columns(pl.col(pl.String).str.strip_chars())
    empty = _columns_with(frame, pl.col(pl.String).is_in(words))
    frame = frame.with_columns(pl.when(~pl.col(empty).is_in(words)).then(pl.col(empty)).name.keep())
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None)) if "NaN" in words else frame


def _columns_with(frame: pl.DataFrame, test: pl.Expr) -> list[str]:
    """The columns in which the test holds anywhere: mostly none, and looking takes a tenth of changing."""
    held = frame.select(test.any(ignore_nulls=True))
    return [name for name in held.columns if held[name][0]]


def _skip(raw: pl.DataFrame, mapping: Mapping) -> tuple[pl.DataFrame, dict[str, int]]:
    skipped: dict[str, int] = {}
    for rule in mapping.skip:
        if rule.column not in raw.columns:
            continue
        holds = _holds(raw[rule.column], rule, mapping)
        count = int(holds.sum())
        if count:
            skipped[rule.reason] = skipped.get(rule.reason, 0) + count
            raw = raw.filter(~holds)
    return raw, skipped


def _holds(text: pl.Series, rule: Skip, mapping: Mapping) -> pl.Series:
    if rule.empty is not None:
        return text.is_null() if rule.empty else text.is_not_null()
    if rule.is_ is not None or rule.in_ is not None:
        holds = text.is_in(list(rule.in_ if rule.in_ is not None else (rule.is_,)))
    elif rule.matches is not None:
        holds = text.str.contains(rule.matches)
    elif rule.does_not_match is not None:
        holds = ~text.str.contains(rule.does_not_match)
    else:
        holds = _compared(parse_number(text, mapping).values, rule)
    return holds.fill_null(value=False)


def _compared(number: pl.Series, rule: Skip) -> pl.Series:
    if rule.at_most is not None:
        return number <= rule.at_most
    if rule.at_least is not None:
        return number >= rule.at_least
    if rule.less_than is not None:
        return number < rule.less_than
    return number > rule.more_than


def _in_order(mapping: Mapping) -> Iterator[tuple[str, Value]]:
    """Templates last: they may use the other columns' clean values."""
    yield from ((name, value) for name, value in mapping.columns.items() if value.template is None)
    yield from ((name, value) for name, value in mapping.columns.items() if value.template is not None)


def _read(frame: _Frame, columns: dict[str, pl.Series], name: str, value: Value) -> tuple[pl.Series, Parsed]:
    """The column's text, as quarantine shows it, and what it was read as."""
    if value.multiply is not None:
        return _product(frame.raw, value.multiply, value.minus, frame.mapping)
    raw = _text(frame.raw, columns, value)
    text = _reworded(raw, value)
    if value.find is None:
        return raw, frame.parse(text, name)
    return raw, find(text, frame.known, value.find, keep=value.otherwise == "same")


def _reworded(text: pl.Series, value: Value) -> pl.Series:
    if value.until is not None:
        text = text.str.splitn(value.until, 2).struct.field("field_0").str.strip_chars()
    if value.lower:
        text = text.str.to_lowercase()
    if not value.values:
        return text
    if value.otherwise in (None, "same"):
        return text.replace(dict(value.values))
    others = pl.when(text.is_not_null()).then(pl.lit(value.otherwise))
    return pl.select(pl.coalesce(text.replace_strict(dict(value.values), default=None), others)).to_series()


def _text(raw: pl.DataFrame, columns: dict[str, pl.Series], value: Value) -> pl.Series:
    if value.template is not None:
        return _filled(raw, columns, value.template, value.placeholders)
    names = [name for name in (value.column, *value.first) if name is not None and name in raw.columns]
    if names:
        return raw.select(pl.coalesce(names)).to_series()
    return pl.repeat(value.constant, raw.height, dtype=pl.String, eager=True)


def _filled(raw: pl.DataFrame, columns: dict[str, pl.Series], template: str, names: list[str]) -> pl.Series:
    known = {name: columns[name].cast(pl.String) if name in columns else raw[name] for name in names}
    form = template
    for name in names:
        form = form.replace("{" + name + "}", "\0", 1)
    literal = form.replace("{", "{{").replace("}", "}}").replace("\0", "{}")
    if not names:
        return pl.repeat(template, raw.height, dtype=pl.String, eager=True)
    return pl.DataFrame(known).select(pl.format(literal, *names)).to_series()


def _product(
    raw: pl.DataFrame, factors: tuple[str, str], minus: str | None, mapping: Mapping
) -> tuple[pl.Series, Parsed]:
    parts = [parse_number(raw[name], mapping) for name in factors]
    product = parts[0].values * parts[1].values
    if minus is not None and minus in raw.columns:
        parts.append(parse_number(raw[minus], mapping))
        product -= parts[2].values.fill_null(0.0)
    result = accept(product).refuse(~product.is_finite(), "is not a number")
    for part in parts:
        result = result.refuse(part.fault.is_not_null(), "is not a number")
    return raw.select(pl.concat_str(factors, separator=" × ", ignore_nulls=True)).to_series(), result


def _with_default(frame: _Frame, values: pl.Series, name: str, value: Value) -> pl.Series:
    if value.default is None:
        return values
    default = frame.parse(pl.Series([value.default], dtype=pl.String), name)
    if default.fault[0] is not None:
        raise ConfigurationError(f"mapping: columns.{name}.default: {value.default!r} {default.fault[0]}")
    return values.fill_null(default.values[0])


def _faults(kept: pl.DataFrame, name: str, text: pl.Series, fault: pl.Series, lost: pl.Series) -> pl.DataFrame:
    found = kept.select(RECORD, "_row").with_columns(value=text, reason=fault, lost=lost)
    found = found.filter(pl.col("reason").is_not_null() | pl.col("lost"))
    return found.select(
        RECORD,
        "_row",
        pl.lit(name).alias("column"),
        pl.col("reason").fill_null("is missing"),
        text_of("value", text.dtype),
    )
