"""The decisions as the audience rules see them, and the list of the files that hold the older ones.

Files are written and read by `workspace.decision_mirror`. Which of them count is a fact of the store, so that a
restored store believes no file that is newer than itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.contracts.columns import polars_schema
from automation.store.engine import table
from automation.store.ledger.decisions import LOST, is_no_test
from automation.store.tables import Decision, Fact, Message
from automation.types.schema import DECISION_COLUMNS

_decision, _message, _fact = table(Decision), table(Message), table(Fact)
_KEY = "decision_mirror"
MIRROR = pl.Schema({"decision_id": pl.Int64(), **polars_schema(DECISION_COLUMNS)})


@dataclass(frozen=True)
class MirrorFiles:
    """The files with every decision up to the id `through`: names and numbers of rows, in the order of the ids."""

    through: int = 0
    files: tuple[tuple[str, int], ...] = ()


def read_files(connection: Connection) -> MirrorFiles:
    """The files that count."""
    value = connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _KEY)).scalar()
    if value is None:
        return MirrorFiles()
    known = json.loads(value)
    return MirrorFiles(known["through"], tuple((name, rows) for name, rows in known["files"]))


def replace_files(connection: Connection, before: MirrorFiles, after: MirrorFiles) -> bool:
    """Let other files count; False if another process changed them since."""
    if read_files(connection) != before:
        return False
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(_fact).values(key=_KEY, value=json.dumps({"through": after.through, "files": after.files}))
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))
    return True


def last_decision(connection: Connection, *, after: int, count: int) -> int:
    """The id of the `count`-th decision after that one, or of the last one there is."""
    some = sa.select(_decision.c.id).where(_decision.c.id > after).order_by(_decision.c.id).limit(count).subquery()
    return int(connection.execute(sa.select(sa.func.max(some.c.id))).scalar() or after)


def count_after(connection: Connection, after: int, *, at_most: int) -> int:
    """How many decisions came after that one, counted up to `at_most`."""
    some = sa.select(_decision.c.id).where(_decision.c.id > after).limit(at_most).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def read_decisions(connection: Connection, *, after: int = 0, through: int | None = None) -> pl.DataFrame:
    """The decisions with after < id <= through: `MIRROR`, a row for each message of theirs. Tests are left out."""
    names = ("id", "customer_id", "campaign", "run_id", "outcome", "decided_at", "variant")
    query = (
        sa.select(*(_decision.c[name] for name in names), _message.c.id)
        .outerjoin(_message, _message.c.decision_id == _decision.c.id)
        .where(_decision.c.id > after, is_no_test())
        .order_by(_decision.c.id)
    )
    if through is not None:
        query = query.where(_decision.c.id <= through)
    stored = {**MIRROR, "run_id": pl.Int64(), "decided_at": pl.Int64()}
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=stored, orient="row").with_columns(
        pl.col("run_id").cast(pl.String),
        pl.from_epoch("decided_at", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )


def read_lost(connection: Connection) -> pl.DataFrame:
    """`decision_id` of everybody who lost their message to another campaign later: they were not contacted."""
    found = connection.execute(sa.select(_decision.c.id).where(_decision.c.reason == LOST)).scalars()
    return pl.DataFrame({"decision_id": list(found)}, schema={"decision_id": pl.Int64})
