"""Runs, planned batches and ticks over a bare store, without the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from automation.clock import to_millis
from automation.delivery.granting import SendPolicy, WorkerLoad
from automation.delivery.rates import RateLimits, RunRate, to_micros
from automation.delivery.suppression_answers import SuppressionAnswers
from automation.delivery.tick import Tick, run_tick
from automation.store import launches, runs
from automation.store.engine import Store, table
from automation.store.ledger import accounts, ledger
from automation.store.ledger.settling import Result
from automation.store.people import consent
from automation.store.tables import Run
from automation.types.message import Receipt
from automation.types.run import Account, RunKind

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
POLICY = SendPolicy(frozenset({"promotions"}), "Europe/Berlin")


def make_run(store: Store, *batches: list[str], campaign: str = "winback", key: str = "1") -> int:
    """A frozen run whose batches have these customers."""
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
            connection, campaign=campaign, kind=RunKind.SCHEDULE, due_key=key, due_at=NOW, launch_id=launch_id, now=NOW
        )
        assert run is not None
        runs.freeze(connection, run.id, batches, as_of=NOW, versions={"warehouse": "events=1"})
    return run.id


def plan_batch(
    store: Store,
    run_id: int,
    no: int,
    customers: list[str],
    outcomes: Mapping[str, str] | None = None,
    *,
    campaign: str = "winback",
    topic: str = "promotions",
    **columns: Any,
) -> None:
    """A message for each customer, unless `outcomes` says otherwise; `columns` replace values of the rows."""
    with store.transaction() as connection:
        ledger.plan(
            connection,
            run_id=run_id,
            batch_no=no,
            epoch=0,
            campaign=campaign,
            topic=topic,
            rows=batch_rows(customers, outcomes or {}, **columns),
            content="{}",
            secret=store.id_secret,
            now=NOW,
        )


def plan_run(store: Store, customers: list[str], outcomes: Mapping[str, str] | None = None, **columns: Any) -> int:
    """A run of one batch that is planned."""
    run_id = make_run(store, customers)
    plan_batch(store, run_id, 0, customers, outcomes, **columns)
    return run_id


def batch_rows(customers: list[str], outcomes: Mapping[str, str], **columns: object) -> pl.DataFrame:
    rows = []
    for customer in customers:
        outcome = outcomes.get(customer, "message")
        promised = outcome in {"message", "holdout"}
        values: dict[str, object] = {
            "customer_id": customer,
            "step": "send",
            "visit": 0,
            "outcome": outcome,
            "reason": "selected",
            "detail": "",
            "variant": None,
            "offer": "pct10",
            "items": "[]",
            "propensities": "{}",
            "passed_over": "{}",
            "channel": "email",
            "address": f"{customer}@shop.example",
            "due_at": to_millis(NOW),
            "expires_at": to_millis(NOW) + 86_400_000,
            "quiet_hours": None,
            "quiet_zone": None,
            "template": "winback",
            "context": "{}",
            "coupon": None,
        } | columns
        rows.append(
            {name: value if promised or name in ledger.DECISION_COLUMNS else None for name, value in values.items()}
        )
    return pl.DataFrame(rows, schema={**ledger.DECISION_COLUMNS, **ledger.MESSAGE_COLUMNS})


def allow(store: Store, customers: Sequence[str], *, topic: str = "promotions") -> None:
    """Consent of these customers to one topic by e-mail."""
    with store.transaction() as connection:
        consent.record(connection, customers, channel="email", topic=topic, granted=True, at=NOW, source="checkout")


def tick(
    store: Store,
    *,
    results: Sequence[Receipt] = (),
    want: int = 100,
    worker: int = 1,
    after: timedelta = timedelta(0),
    policy: SendPolicy = POLICY,
    answers: SuppressionAnswers | None = None,
    known_runs: bool = True,
) -> Tick:
    """One tick for one worker, without rates. A receipt that names no worker is of worker 1."""
    now = NOW + after
    with store.transaction() as connection:
        rows = connection.execute(sa.select(table(Run).c.id, table(Run).c.campaign)) if known_runs else ()
        known = {r.id: RunRate(r.campaign, None) for r in rows}
        limits = RateLimits({}, {}, to_micros(now), date(2026, 11, 24), known, {("email", 0): want})
        return run_tick(
            connection,
            [Result(replace(receipt, worker_id=receipt.worker_id or 1)) for receipt in results],
            [WorkerLoad(worker, {})] if want else [],
            now=now,
            policy=policy,
            limits=limits,
            answers=answers,
        )


def account(store: Store, run_id: int) -> Account:
    """The run's account, which always adds up."""
    with store.reading() as connection:
        found = accounts.account(connection, run_id)
    assert found.adds_up
    return found
