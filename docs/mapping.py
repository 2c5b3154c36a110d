"""A mapping file's keys, tables and presets as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import chain

from keys import Key, keys

from automation.plugin_manager import Registry
from automation.types.schema import MIGRATION_TABLES, TABLES, MigrationSchema, TableSchema
from automation.warehouse.importing.mapping import PRESETS
from automation.warehouse.importing.mapping_grammar import ConsentColumn
from automation.warehouse.importing.table_mapping import TableMapping

Said = Mapping[str, tuple[str, str]]
"""By key: the meaning, and an example."""
ABOUT = """\
A mapping is a YAML file: one mapping, or several under `mappings`. `automation import … --mapping FILE` reads it, and
[the how-to](../how-to/write-a-mapping.md) has worked examples. A key that is not on this page is an error.

Before a mapping sees a value, blanks around it are removed, also the apostrophe that a spreadsheet puts before a number
or formula; an empty text, and one of `empty_words`, is empty. Then, in this order:

1. `fill_down` copies down what only the first line of an order has.
2. `items` makes a row for each product of a cell, `discounts` tells what was taken off each line.
3. `where` and `skip` leave rows out.
4. Each column gets its value from one of `column`, `first`, `template`, `constant` and `multiply`. The value goes
   through `unwrap`, `until`, `lower`, `values` (with `otherwise`) and `find`.
5. The value is read as the column's type. One that can't be read, or that is not allowed (a birthday in the future),
   counts as empty, and the report says so. `missing` decides about empty ones.
"""


def mapping_keys() -> Iterator[Key]:
    """Every key of a mapping file, as a person writes it."""
    yield Key("mappings", None, "a list: mappings", "")
    for key in keys(TableMapping):
        if key.name == "consent.channels":  # written without that word
            yield Key("consent.CHANNEL.TOPIC", None, "`granted`, `refused`, or keys and values", "")
            yield from (
                Key(f"consent.CHANNEL.TOPIC.{one.name}", None, one.allowed, _required(one))
                for one in keys(ConsentColumn)
                if one.name != "always"  # written as `granted` or `refused`
            )
        else:
            yield key


def _required(key: Key) -> str:
    return "*required*" if key.name == "column" else key.default


def mapping_page(_: Registry, said: Said) -> str:
    """The page; `said` has every key of `mapping_keys`."""
    found = list(mapping_keys())
    tops = [key for key in found if "." not in key.name]
    lines = [ABOUT, *_table(tops, said)]
    for top in tops:
        below = [key for key in found if key.name.startswith(f"{top.name}.")]
        if below:
            title = "columns.NAME" if top.name == "columns" else top.name
            lines += ["", f"## `{title}`", "", *_table(below, said, f"{title}.")]
    return "\n".join(chain(lines, _tables(), _presets()))


def _table(rows: list[Key], said: Said, above: str = "") -> Iterator[str]:
    yield "| key | meaning | allowed values | default | example |"
    yield "|---|---|---|---|---|"
    for key in rows:
        meaning, example = said[key.name]
        cells = (f"`{key.name.removeprefix(above)}`", meaning, key.allowed, key.default, f"`{example}`")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _tables() -> Iterator[str]:
    yield "\n## The tables\n"
    yield "The columns of each table and their types; those in bold are required. In customers, products and events any"
    yield "other column is yours: a trait of the customer, or an attribute of the product or event.\n"
    yield "| table | columns |"
    yield "|---|---|"
    schemas: list[TableSchema | MigrationSchema] = [*TABLES.values(), *MIGRATION_TABLES.values()]
    for schema in schemas:
        needed = [name for name in schema.required if name != "event_id"]
        named = (f"**`{name}`**" if name in needed else f"`{name}`" for name in schema.columns)
        typed = (f"{name} {kind}" for name, kind in zip(named, schema.columns.values(), strict=True))
        yield f"| {schema.name} | {', '.join(typed)} |"
    yield "\nAn event without `event_id` gets one from all its values, or those of `id_from`."


def _presets() -> Iterator[str]:
    yield "\n## Presets\n"
    yield "Mappings that are included; `--preset NAME` uses one. To change one, copy it into a file of your own."
    for name in PRESETS:
        text = resources.files("automation.warehouse.importing").joinpath(f"presets/{name}.yaml").read_text("utf-8")
        yield f"\n### `{name}`\n\n```yaml\n{text}```"
    yield ""
