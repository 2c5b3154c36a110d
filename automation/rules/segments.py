"""Named segments as tables: the conditions of config.yaml, and the sets that models label or score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import ibis
import polars as pl

from automation.config.reference_loops import find_loops
from automation.contracts import Snapshot
from automation.contracts.answers import check_members
from automation.errors import ConfigurationError, ContractError
from automation.local_engine import insert_frame
from automation.plugin_manager import Registry
from automation.rules.compiler import select_members
from automation.types.condition import Condition, referred_segments

if TYPE_CHECKING:
    import ibis.expr.types as ir

Assign = Callable[[Snapshot], Iterator[pl.DataFrame]]
"""A segmenter's `assign`."""

_COLUMNS = {"customer_id": "VARCHAR", "label": "VARCHAR", "score": "DOUBLE", "reasons": "VARCHAR[]"}
_DDL = "(customer_id VARCHAR NOT NULL, label VARCHAR, score DOUBLE, reasons VARCHAR[])"


class SegmentTables(Mapping[str, "ir.Table"]):
    """Each segment's customer_id, label String?, score Float64?, reasons array<string>; created on first access.

    A condition stays a lazy query. A model's set is written once, into a table of the snapshot's database, and stays
    there until `drop`.
    """

    def __init__(
        self, data: Snapshot, conditions: Mapping[str, Condition], scored: Mapping[str, Assign], registry: Registry
    ) -> None:
        self.data = replace(data, segments=self)
        self._conditions = conditions
        self._scored = scored
        self._registry = registry
        self._made: dict[str, ir.Table] = {}

    def __getitem__(self, name: str) -> ir.Table:
        if name not in self._made:
            if name in self._conditions:
                self._made[name] = _select_members(self._conditions[name], self.data, self._registry)
            else:
                self._made[name] = _keep(name, self._scored[name](self.data), self.data)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._conditions or name in self._scored

    def __iter__(self) -> Iterator[str]:
        return iter({**self._conditions, **self._scored})

    def __len__(self) -> int:
        return len({**self._conditions, **self._scored})

    def drop(self) -> None:
        """Drop the tables of the models' sets to free their memory; they can't be read afterwards."""
        for name in self._scored:
            table = self._made.pop(name, None)
            if table is not None:
                table.get_backend().drop_table(table.get_name())


def with_segments(
    data: Snapshot, conditions: Mapping[str, Condition], scored: Mapping[str, Assign], registry: Registry
) -> Snapshot:
    """The snapshot with its `segments`, computed from the snapshot itself.

    Raises `ConfigurationError` for a segment that refers to itself, or for a name that a condition and a model share.
    """
    references = {name: referred_segments(condition) for name, condition in conditions.items()}
    loop = next(find_loops(references), None)
    if loop is not None:
        raise ConfigurationError(f"segments: a segment refers to itself: {' → '.join(loop)}")
    shared = sorted(conditions.keys() & scored.keys())
    if shared:
        raise ConfigurationError(f"segments: {', '.join(shared)}: a model has the same name; rename one of them")
    return SegmentTables(data, conditions, scored, registry).data


def _select_members(condition: Condition, data: Snapshot, registry: Registry) -> ir.Table:
    return select_members(condition, data, registry).select(
        "customer_id",
        label=ibis.null("string"),
        score=ibis.null("float64"),
        reasons=ibis.literal([], type="array<string>"),
    )


def _keep(name: str, frames: Iterator[pl.DataFrame], data: Snapshot) -> ir.Table:
    """Write the frames as they arrive, on a separate cursor: the model may still be reading from the snapshot."""
    backend = data.connection
    table = ibis.util.gen_name("segment")
    cursor = backend.con.cursor()
    try:
        cursor.execute(f"CREATE TABLE {table} {_DDL}")
        for frame in frames:
            check_members(frame, f"segmenter {name}")
            insert_frame(cursor, table, _COLUMNS, frame)
        repeated = cursor.execute(
            f"SELECT customer_id FROM {table} GROUP BY customer_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1"  # noqa: S608
        ).fetchone()
        if repeated is not None:
            raise ContractError(f"segmenter {name} returned customer {repeated[0]!r} twice")
    except BaseException:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        raise
    finally:
        cursor.close()
    return backend.table(table)
