"""Reads a file's frames by a mapping: reshaped, mapped and cleaned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import ValidationError

from automation.contracts.answers import check_rows
from automation.errors import AutomationError, ConfigurationError, SourceError
from automation.types.schema import ImportTable, TableName
from automation.types.text import storable
from automation.warehouse.importing.cleaning import Cleaned, clean, trim
from automation.warehouse.importing.discounts import divide_discounts
from automation.warehouse.importing.mapping import MappingFile
from automation.warehouse.importing.reshaping import fill_down, split_items
from automation.warehouse.importing.table_mapping import TableMapping

if TYPE_CHECKING:
    from automation.contracts import Source
    from automation.plugin_manager import Registry


class FileReader:
    """Reads one file by one mapping, a frame at a time and in the file's order."""

    def __init__(self, mapping: TableMapping, known: Mapping[str, pl.DataFrame], now: datetime) -> None:
        """`known`: what `lookups` found for the mapping."""
        self.mapping = mapping
        self._known = known
        self._now = now
        self._last: pl.DataFrame | None = None

    def read(self, frame: pl.DataFrame) -> Cleaned:
        """What became of a frame's rows. Raises `ConfigurationError`."""
        mapping = self.mapping
        trimmed = trim(_complete(frame, mapping), mapping)
        if mapping.fill_down:
            trimmed, self._last = fill_down(trimmed, mapping.fill_down, self._last)
        if mapping.items:
            trimmed = split_items(trimmed, mapping.items)
        if mapping.discounts:
            trimmed = divide_discounts(trimmed, mapping.discounts, mapping)
        return clean(trimmed, mapping, self._now, self._known)


def open_source(registry: Registry, path: Path, file: MappingFile, table: ImportTable) -> Source:
    """The source for the file's ending, with the mapping's options. Raises `SourceError` and `ConfigurationError`."""
    ending = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    classes: dict[str, type[Source]] = {
        suffix: source
        for name in registry.names("sources")
        for source in [registry.find("sources", name)]
        for suffix in source.suffixes
    }
    if ending not in classes:
        raise SourceError(
            path,
            None,
            f"no source reads files that end in {ending or 'nothing'!r}; there are: "
            f"{', '.join(sorted(classes)) or 'none'}, each also with .gz",
        )
    written = next((mapping.options for mapping in file.mappings if mapping.table == table), {})
    try:
        return classes[ending](classes[ending].Options.model_validate(dict(written)))
    except ValidationError as error:
        faults = "; ".join(f"options.{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError(f"{file.name}: {faults.replace('Value error, ', '')}") from error


def read_frames(source: Source, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
    """The source's frames, checked. Raises `SourceError`, and `ContractError` for a frame that breaks the contract."""
    try:
        for frame in source.read(path, table):
            check_rows(frame, f"source {type(source).__name__}")
            yield _within_the_calendar(_without_nul(frame))
    except (AutomationError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Polars is no Exception
        first = str(error).splitlines()[0][:200] if str(error) else ""
        raise SourceError(path, None, f"can't be read: {type(error).__name__}: {first}") from error


def _without_nul(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with NUL removed from its names and texts (see `types.text`); Polars itself refuses lone surrogates."""
    found = frame.select(pl.col(pl.String).str.contains("\0", literal=True).any())
    held = [name for name in found.columns if found[name][0]]
    cleaned = frame.with_columns(pl.col(held).str.replace_all("\0", "", literal=True)) if held else frame
    names = [storable(name) for name in cleaned.columns]
    return cleaned if names == cleaned.columns or len(set(names)) < len(names) else cleaned.rename(storable)


def _within_the_calendar(frame: pl.DataFrame) -> pl.DataFrame:
    """Typed days and times outside the years 1 to 9999 as null: Polars can hold them, and panics when it shows one."""
    days = [name for name, dtype in frame.schema.items() if dtype == pl.Date]
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    if not days and not times:
        return frame
    return frame.with_columns(
        *(pl.when(pl.col(name).to_physical().is_between(*_DAYS)).then(pl.col(name)).alias(name) for name in days),
        *(pl.when(pl.col(name).to_physical().is_between(*_MICROS)).then(pl.col(name)).alias(name) for name in times),
    )


_DAYS = (-719_162, 2_932_896)  # since 1970
_MICROS = (_DAYS[0] * 86_400_000_000, (_DAYS[1] + 1) * 86_400_000_000 - 1)


def _complete(frame: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """The columns that the mapping uses; those that this frame lacks as nulls, since JSON writes only what is set."""
    lacking = [name for name in mapping.expected if name not in frame.columns]
    used = [name for name in frame.columns if name in mapping.uses or name == "_row"]
    return frame.select(*used, *(pl.lit(None, pl.String).alias(name) for name in lacking))
