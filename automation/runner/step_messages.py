"""Decides about the messages of one step, and plans them: the part of a step that a scheduled run has in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import in_millis, to_millis
from automation.pipeline.decide import Decided, RunContext, decide, recheck_caps
from automation.pipeline.eligibility import EligibilityPolicy
from automation.pipeline.timing import DEFAULT_LATENESS, send_times
from automation.pipeline.walk import has_been_sent_to, pass_on, path_with, walk
from automation.runner.context import build_context, plan_offers
from automation.runner.live_journeys import LiveJourney
from automation.runner.travellers import Travellers
from automation.store import entries, runs, watermarks
from automation.store.inbox.unheard import has_unheard
from automation.store.ledger import cap_slots, entry_messages, ledger
from automation.types.decision import Outcome
from automation.types.entry import Ending
from automation.types.journey import Node
from automation.warehouse.history import read_history
from automation.warehouse.shown_values import read_shown_values
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class StepMessages:
    """The messages of one step at one instant."""

    workspace: Workspace
    journey: LiveJourney
    travellers: Travellers
    node: Node
    now: datetime

    def plan(self, rows: pl.DataFrame) -> None:
        """Decide about a step's messages, unless quiet hours put them off or they are too late."""
        people = self.travellers.people(rows["customer_id"].to_list())
        rows, waiting = self._after_quiet_hours(rows, people)
        rows, late, too_late = self._late(rows)
        with self.workspace.store.transaction() as connection:
            entries.move(connection, waiting)
            entries.end(connection, too_late)
        if rows.is_empty() and late.is_empty():
            return
        context = self._context()
        if late.height:
            self._write(late, Decided(_refused(late["customer_id"], self.node.name, "late"), "{}"), context)
        if rows.is_empty():
            return
        batch = people.join(rows.select("customer_id"), on="customer_id", how="semi", maintain_order="left")
        if context.offer is not None:
            context = replace(context, offer=replace(context.offer, plan=plan_offers(context, iter([batch]), None)))
        ids, shown = batch["customer_id"], context.shown
        history = read_history(context.data, ids) if context.recommendation is not None else None
        values = read_shown_values(context.data, shown, ids) if shown else None
        reading = self.workspace.store.reading
        decided = decide(batch, context, reading, now=self.now, history=history, values=values)
        self._write(rows, decided, context)

    @property
    def at(self) -> int:
        """The instant in milliseconds."""
        return to_millis(self.now)

    def _after_quiet_hours(self, rows: pl.DataFrame, people: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        limits = self.journey.launch.campaign.limits
        if limits.quiet_hours is None or limits.when_quiet == "drop":
            return rows, rows.clear()
        shop_zone = self.workspace.project.settings.shop.timezone
        leave = send_times(people, at=self.now, local=None, shop_zone=shop_zone, quiet=limits.quiet_hours)
        times = people.select("customer_id", leave.alias("leaves"))
        timed = rows.join(times, on="customer_id", how="left", maintain_order="left")
        later = pl.col("leaves") > self.at
        waiting = timed.filter(later).with_columns(pl.col("leaves").alias("due_at"))
        return timed.filter(~later).drop("leaves"), waiting.drop("leaves")

    def _late(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Those in time; those whose message is refused, since it is late; and those whose journey ends before it
        began, since its first message would be late."""
        trigger = self.journey.launch.campaign.starts_when
        limit = DEFAULT_LATENESS if trigger is None else trigger.max_lateness
        late = pl.col("due_at") < self.at - in_millis(limit)
        begun = has_been_sent_to(self.journey.listener.program)
        ended = rows.filter(late & ~begun).with_columns(
            pl.lit(Ending.TOO_LATE.value).alias("ended"), pl.lit(self.at).alias("ended_at")
        )
        return rows.filter(~late), rows.filter(late & begun), ended

    def _context(self) -> RunContext:
        run, launch = self.journey.run, self.journey.launch
        assert self.node.step.send is not None
        found = build_context(
            self.workspace,
            launch.campaign,
            self.travellers.data,
            send=self.node.step.send,
            versions=self.travellers.versions,
            due_at=self.now,
            due_local=None,
            run_id=run.id,
            launched_at=launch.launch.launched_at,
            test=run.test,
            shown=launch.shown,
        )
        permission = replace(found.eligibility.permission, step=self.node.name)
        return replace(found, eligibility=EligibilityPolicy(permission, admission=None))

    def _write(self, rows: pl.DataFrame, decided: Decided, context: RunContext) -> None:
        """Write the decisions, the messages and where the entries stand then, in one transaction."""
        run, campaign = self.journey.run, self.journey.launch.campaign
        with self.workspace.store.transaction() as connection:
            rows = self._still_there(connection, rows)
            if rows.is_empty():
                return
            kept = decided.rows.join(
                rows.select("customer_id", "id"), on="customer_id", how="inner", maintain_order="left"
            )
            kept = kept.with_columns(entry_messages.entry_key(pl.col("id")).alias("entry")).drop("id")
            about = kept.select("customer_id", "entry")
            again, displaced = recheck_caps(
                replace(decided, rows=kept.drop("entry")), context.eligibility.permission, connection, now=self.now
            )
            if not run.test:
                cap_slots.yield_cap_slots(connection, displaced, now=self.now)
            batch_no = runs.add_batch(connection, run.id, rows["customer_id"].to_list())
            ledger.plan(
                connection,
                run_id=run.id,
                batch_no=batch_no,
                epoch=0,
                campaign=campaign.name,
                topic=campaign.topic,
                rows=again.rows.join(about, on="customer_id", maintain_order="left"),
                content=decided.content,
                secret=self.workspace.store.id_secret,
                now=self.now,
                counts=not run.test,
            )
            planned = entry_messages.find_planned(connection, run.id, batch_no)
            self._go_on(connection, rows, again.rows, planned)
        shown = again.rows.select("customer_id", "outcome", "reason", "variant", "offer")
        self.workspace.project.registry.observe(
            "decisions_made", campaign=campaign.name, run_id=str(run.id), decisions=shown
        )

    def _still_there(self, connection: Connection, rows: pl.DataFrame) -> pl.DataFrame:
        """The entries that nobody moved since, and about whom nothing came in that was not heard."""
        same = entries.still_there(connection, rows)
        rows = rows.filter(pl.col("id").is_in(list(same)))
        after = watermarks.read_heard(connection)
        types = self.journey.listener.program.listens
        unheard = has_unheard(connection, rows["customer_id"].to_list(), types, after=after)
        return rows.filter(~pl.col("customer_id").is_in(list(unheard)))

    def _go_on(self, connection: Connection, rows: pl.DataFrame, decided: pl.DataFrame, planned: pl.DataFrame) -> None:
        """Whoever gets a message waits for it behind the step; everybody else goes on at once."""
        told = rows.join(decided.select("customer_id", "outcome", "reason", due="due_at"), on="customer_id")
        told = told.join(planned, on="id", how="left").with_columns(pl.lit(self.at).alias("at"))
        code = pl.when(pl.col("reason") == "selected").then("outcome").otherwise("reason")
        told = told.with_columns(path_with(pl.lit(self.node.name), code).alias("path"))
        sent = told.filter(pl.col("planned").is_not_null()).with_columns(
            pl.lit(self.node.after).alias("step"),
            pl.lit(None, dtype=pl.Int64).alias("since"),
            pl.col("due").alias("due_at"),
            pl.col("planned").alias("message_id"),
        )
        others = told.filter(pl.col("planned").is_null()).select(rows.columns).drop("asks", "ended", "ended_at")
        passing = pass_on(others, to=pl.lit(self.node.after), at=pl.lit(self.at))
        walked = walk(passing, self.journey.listener.program, shop_zone=self.workspace.project.settings.shop.timezone)
        over = pl.col("ended").is_not_null()
        entries.move(connection, pl.concat([sent.select(rows.columns), walked.filter(~over)], how="diagonal"))
        entries.end(connection, walked.filter(over))


def _refused(customers: pl.Series, step: str, reason: str) -> pl.DataFrame:
    """The decisions of customers who are refused before anything is decided."""
    fixed = {"step": step, "visit": 0, "outcome": Outcome.SUPPRESSED.value, "reason": reason, "detail": ""}
    fixed |= {"items": "[]", "propensities": "{}", "passed_over": "{}"}
    columns = {**ledger.DECISION_COLUMNS, **ledger.MESSAGE_COLUMNS, **ledger.CAP_ENTRY_COLUMNS}
    rows = pl.DataFrame({"customer_id": customers})
    return rows.select(
        "customer_id",
        *(pl.lit(fixed.get(name), dtype=kind).alias(name) for name, kind in columns.items() if name != "customer_id"),
    )
