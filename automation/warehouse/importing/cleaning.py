"""One frame from raw text to clean rows: each is skipped by the mapping, quarantined with a reason, or clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from automation.errors import ConfigurationError
from automation.warehouse.importing.lookups import find
from automation.warehouse.importing.mapping_grammar import ColumnValue, SkipRule
from automation.warehouse.importing.parsed import Parsed, accept
from automation.warehouse.importing.parsing import parse, parse_number
from automation.warehouse.importing.phones import international
from automation.warehouse.importing.spreadsheet import unquote
from automation.warehouse.importing.table_mapping import TableMapping
from automation.warehouse.importing.typed import keep_types, text_of

FAULTS = pl.Schema(
    {"_row": pl.Int64(), "kind": pl.String(), "column": pl.String(), "reason": pl.String(), "value": pl.String()}
)
RECORD = "_record"  # a row's number in its frame; a file's row with several items becomes several
_LIST_OF_ONE = r'^\["?([^",\]]+)"?\]$'


@dataclass(frozen=True)
class Cleaned:
    """What became of one frame; every row of it is in exactly one of `rows`, `quarantined` and `skipped`.

    `raw`: the rows that were not skipped, with `_record`. `rows`: the clean ones among them, typed, with `_record`.
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
    mapping: TableMapping
    now: datetime
    known: Mapping[str, pl.DataFrame]

    def parse(self, raw: pl.Series, name: str) -> Parsed:
        return parse(raw, name, self.mapping.kinds[name], self.mapping, self.now)


def clean(raw: pl.DataFrame, mapping: TableMapping, now: datetime, known: Mapping[str, pl.DataFrame]) -> Cleaned:
    """Skip, map, parse and check the rows of one frame after `trim`; `known` is what `lookups` found.

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


def _must(mapping: TableMapping, name: str, value: ColumnValue) -> bool:
    """Whether a row without this column's value is quarantined; an event without an id gets one."""
    required = name in mapping.table_schema.required and name != "event_id"
    return value.missing == "quarantine" or required


def _judged(faults: list[pl.DataFrame], refused: pl.Series) -> pl.DataFrame:
    if not faults:
        return FAULTS.to_frame()
    kind = pl.when(pl.col(RECORD).is_in(refused.implode())).then(pl.lit("row")).otherwise(pl.lit("value"))
    found = pl.concat(faults).sort(RECORD, maintain_order=True)
    return found.with_columns(kind.alias("kind")).select(FAULTS.names())


def trim(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """Texts without surrounding blanks and without the apostrophe that a spreadsheet puts before numbers and formulas.

    Empty texts and `empty_words` become null. A column stays typed only if the mapping wants the file's type.
    """
    frame = keep_types(frame, mapping)
    quoted = _columns_with(frame, pl.col(pl.String).str.starts_with("'"))
    frame = frame.with_columns(unquote(pl.col(quoted)))
    words = ["", *mapping.empty_words]
    frame = frame.with_columns(pl.col(pl.String).str.strip_chars())
    empty = _columns_with(frame, pl.col(pl.String).is_in(words))
    frame = frame.with_columns(pl.when(~pl.col(empty).is_in(words)).then(pl.col(empty)).name.keep())
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None)) if "NaN" in words else frame


def _columns_with(frame: pl.DataFrame, test: pl.Expr) -> list[str]:
    """The columns in which the test holds anywhere: mostly none, and testing takes a tenth of the time of changing."""
    held = frame.select(test.any(ignore_nulls=True))
    return [name for name in held.columns if held[name][0]]


def _skip(raw: pl.DataFrame, mapping: TableMapping) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that no rule skips, and how many each reason skips."""
    skipped: dict[str, int] = {}
    for column, reason, holds in _skip_tests(mapping):
        if column not in raw.columns:
            continue
        rows = holds(raw[column])
        count = int(rows.sum())
        if count:
            skipped[reason] = skipped.get(reason, 0) + count
            raw = raw.filter(~rows)
    return raw, skipped


def _skip_tests(mapping: TableMapping) -> Iterator[tuple[str, str, Callable[[pl.Series], pl.Series]]]:
    """Column, reason and test, of `where` first, then of `skip`."""
    for column, values in mapping.where.items():
        yield column, f"not selected by where: {column}", partial(_is_none_of, values=values)
    for rule in mapping.skip:
        yield rule.column, rule.reason, partial(_holds, rule=rule, mapping=mapping)


def _is_none_of(text: pl.Series, values: Sequence[str]) -> pl.Series:
    """In any case; without values, whether it is empty."""
    if not values:
        return text.is_null()
    return ~text.str.to_lowercase().is_in([value.lower() for value in values]).fill_null(value=False)


def _holds(text: pl.Series, rule: SkipRule, mapping: TableMapping) -> pl.Series:
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


def _compared(number: pl.Series, rule: SkipRule) -> pl.Series:
    if rule.at_most is not None:
        return number <= rule.at_most
    if rule.at_least is not None:
        return number >= rule.at_least
    if rule.less_than is not None:
        return number < rule.less_than
    return number > rule.more_than


def _in_order(mapping: TableMapping) -> Iterator[tuple[str, ColumnValue]]:
    """Templates last: they may use the other columns' clean values."""
    yield from ((name, value) for name, value in mapping.columns.items() if value.template is None)
    yield from ((name, value) for name, value in mapping.columns.items() if value.template is not None)


def _read(frame: _Frame, columns: dict[str, pl.Series], name: str, value: ColumnValue) -> tuple[pl.Series, Parsed]:
    """The column's text, as quarantine shows it, and what it was read as."""
    if value.multiply is not None:
        return _product(frame.raw, value.multiply, value.minus, frame.mapping)
    raw = _text(frame.raw, columns, value)
    text = _reworded(raw, value)
    if value.find is None:
        return raw, frame.parse(text, name)
    return raw, find(text, frame.known, value.find, keep=value.otherwise == "same")


def _reworded(text: pl.Series, value: ColumnValue) -> pl.Series:
    if value.unwrap:
        text = text.str.replace(_LIST_OF_ONE, "$1")
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


def _text(raw: pl.DataFrame, columns: dict[str, pl.Series], value: ColumnValue) -> pl.Series:
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
    raw: pl.DataFrame, factors: tuple[str, str], minus: str | None, mapping: TableMapping
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


def _with_default(frame: _Frame, values: pl.Series, name: str, value: ColumnValue) -> pl.Series:
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
