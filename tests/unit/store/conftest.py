"""A store of its own for every test, with one launched campaign and one frozen run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ledger import NOW, batch_rows

from automation.store import launches, runs
from automation.store.engine import Store, open_store
from automation.store.ledger import ledger
from automation.types.run import RunKind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store.db")
    yield opened
    opened.close()


@pytest.fixture
def run_of(store: Store) -> Callable[..., int]:
    """Makes a run whose batches have these customers."""

    def make(*batches: list[str], campaign: str = "winback", key: str = "1") -> int:
        with store.transaction() as connection:
            launch_id = launches.launch(
                connection,
                campaign=campaign,
                text=f"name: {campaign}",
                templates={"winback/en.yaml": b"subject: Hello"},
                plugins={"email": "1"},
                by="ana",
                approved_by=None,
                audience=None,
                now=NOW,
            )
            run = runs.claim(
                connection,
                campaign=campaign,
                kind=RunKind.SCHEDULE,
                due_key=key,
                due_at=NOW,
                launch_id=launch_id,
                now=NOW,
            )
            assert run is not None
            runs.freeze(connection, run.id, batches, as_of=NOW, versions={"warehouse": "events=1"})
        return run.id

    return make


@pytest.fixture
def plan(store: Store) -> Callable[..., None]:
    """Plans a batch: a message for each customer, unless `outcomes` says otherwise."""

    def make(
        run_id: int, no: int, customers: list[str], outcomes: dict[str, str] | None = None, **columns: object
    ) -> None:
        rows = batch_rows(customers, outcomes or {}, **columns)
        with store.transaction() as connection:
            ledger.plan(
                connection,
                run_id=run_id,
                batch_no=no,
                epoch=0,
                campaign="winback",
                topic="promotions",
                rows=rows,
                content="{}",
                secret=store.secret,
                now=NOW,
            )

    return make
