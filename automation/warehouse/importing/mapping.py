"""A mapping file, or a preset: one kind of file or several, told apart by their headers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from automation.config.problems import Problem, did_you_mean
from automation.config.source_map import SourceMap, read_file, read_source
from automation.errors import ConfigurationError, SourceError
from automation.types.schema import ImportTable
from automation.warehouse.importing import mapping_grammar
from automation.warehouse.importing.mapping_grammar import MappingGrammar
from automation.warehouse.importing.table_mapping import TableMapping

PRESETS = ("shopify", "woocommerce", "klaviyo", "braze", "plain")


@dataclass(frozen=True)
class MappingFile:
    """What `import` needs to know about files; `mappings` in the order in which they are tried."""

    name: str
    mappings: tuple[TableMapping, ...]

    def in_zone(self, name: str) -> MappingFile:
        """With this time zone in every mapping that states none."""
        zoned = (
            mapping if "timezone" in mapping.model_fields_set else mapping.model_copy(update={"timezone": name})
            for mapping in self.mappings
        )
        return MappingFile(self.name, tuple(zoned))

    def choose(self, table: ImportTable, columns: Collection[str], path: Path) -> tuple[TableMapping, ...]:
        """The mappings of a table that fit a file with this header; an import of shop data uses the first.

        Raises `SourceError`, naming the columns that the file lacks.
        """
        candidates = [mapping for mapping in self.mappings if mapping.table == table]
        if not candidates:
            known = ", ".join(sorted({mapping.table for mapping in self.mappings}))
            raise SourceError(path, None, f"the mapping {self.name} is for {known}, not for {table}")
        lacking = [mapping.lacking(columns) for mapping in candidates]
        fitting = tuple(mapping for mapping, missing in zip(candidates, lacking, strict=True) if not missing)
        if fitting:
            return fitting
        listed = ", ".join(f"{name!r}{did_you_mean(name, columns)}" for name in min(lacking, key=len))
        raise SourceError(
            path,
            None,
            f"the mapping {self.name} needs columns that the file doesn't have: {listed}; "
            f"it has {', '.join(map(repr, list(columns)[:20]))}",
        )


def load_mapping(wanted: Path | str, *, timezone: str = "UTC") -> MappingFile:
    """A preset by its name, or a YAML file; `timezone` applies if the file states none.

    Raises `ConfigurationError` with every problem of the file.
    """
    if str(wanted) in PRESETS:
        text = resources.files("automation.warehouse.importing").joinpath(f"presets/{wanted}.yaml").read_text("utf-8")
        return _parsed(str(wanted), read_source(text, f"preset {wanted}")).in_zone(timezone)
    if not Path(wanted).is_file():
        raise ConfigurationError(f"{wanted}: there is no such mapping file; presets: {', '.join(PRESETS)}")
    return _parsed(str(wanted), read_file(Path(wanted), str(wanted), named=True)[1]).in_zone(timezone)


def parse_mapping(text: str, name: str) -> MappingFile:
    """A mapping file's text. Raises `ConfigurationError` with every problem."""
    return _parsed(name, read_source(text, name))


def _parsed(name: str, source: SourceMap) -> MappingFile:
    if source.problems:
        raise ConfigurationError("\n".join(map(str, source.problems)))
    several = isinstance(source.value.get("mappings"), list)
    written = source.value["mappings"] if several else [source.value]
    mappings: list[TableMapping] = []
    problems = [str(fault) for fault in _outside(source)] if several else []
    for number, one in enumerate(written):
        at = ("mappings", number) if several else ()
        try:
            mappings.append(TableMapping.model_validate(one))
        except ValidationError as error:
            problems += [_problem(source, at, fault) for fault in error.errors()]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return MappingFile(name, tuple(mappings))


def _outside(source: SourceMap) -> Iterator[Problem]:
    """What a file of several mappings says outside of them; and one that has none."""
    if not source.value["mappings"]:
        yield source.problem(("mappings",), "it needs at least one mapping")
    for key in source.value:
        if key != "mappings":
            yield source.problem((key,), "beside `mappings` there is no other key; write it in each mapping", key=True)


def _problem(source: SourceMap, at: tuple[str | int, ...], fault: Any) -> str:
    path = at
    for part in fault["loc"]:  # parts that pydantic names but nobody wrote are left out
        path = (*path, part) if (*path, part) in source.values else path
    what = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        what = f"the key {fault['loc'][-1]!r} is not known here{did_you_mean(fault['loc'][-1], _KEYS)}"
    elif fault["type"] == "missing":
        what = f"{fault['loc'][-1]!r} is missing"
    return str(source.problem(path, what, key=fault["type"] == "extra_forbidden"))


_KEYS = tuple(
    field.alias or name
    for model in (*vars(mapping_grammar).values(), TableMapping)
    if isinstance(model, type) and issubclass(model, MappingGrammar)
    for name, field in model.model_fields.items()
)
