"""The message that one customer would get, whether or not the audience includes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from automation.contracts import Snapshot
from automation.errors import AutomationError
from automation.inbound.identity import find_customer
from automation.messages.template.files import read_templates
from automation.pipeline.decide import Decided, RunContext, decide
from automation.rules.compiler import evaluate
from automation.rules.reads import offer_conditions, reads_decisions
from automation.runner.context import build_context
from automation.runner.plan import with_offer_plan
from automation.runner.sample_message import expand_versions
from automation.runner.samples import Sample, render_samples
from automation.types.campaign import Campaign
from automation.types.decision import REASONS
from automation.warehouse.history import read_history
from automation.workspace.campaigns import valid_campaign
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


def preview(workspace: Workspace, name: str, customer: str) -> Sample:
    """The message for a customer id or an address. Raises `AutomationError` for an unknown customer, or no message."""
    run, decided = _decide_one(workspace, name, customer)
    return _require_messages(render_samples(workspace, run, decided, 1, workspace.clock.now()))[0]


def preview_versions(workspace: Workspace, name: str, customer: str) -> list[Sample]:
    """The customer's message in every variant and language of the campaign. Raises `AutomationError` as `preview`."""
    run, decided = _decide_one(workspace, name, customer)
    now = workspace.clock.now()
    if decided.rows["outcome"].item() != "message":
        return _require_messages(render_samples(workspace, run, decided, 1, now))
    templates = read_templates(workspace.project.root)
    versions = expand_versions(decided.rows, run.campaign, templates, run.shop_language)
    return [sample for row in versions for sample in render_samples(workspace, run, replace(decided, rows=row), 1, now)]


def _require_messages(samples: Sequence[Sample]) -> list[Sample]:
    for sample in samples:
        if sample.rendered is None:
            why = REASONS.get(sample.reason, sample.reason)
            raise AutomationError(f"customer {sample.customer_id!r} would get no message: {why} ({sample.outcome})")
    return list(samples)


def _decide_one(workspace: Workspace, name: str, customer: str) -> tuple[RunContext, Decided]:
    """The decision for one customer, as if nobody were held out."""
    campaign, customer_id = valid_campaign(workspace.project, name), find_customer(workspace, customer)
    warehouse = workspace.warehouse()
    try:
        versions = active_versions(workspace)
        now = workspace.clock.now()
        data = snapshot(
            workspace,
            warehouse,
            now,
            with_decisions=reads_decisions(campaign, workspace.project.registry),
            versions=versions,
        )
        row = _one_customer(workspace, data, campaign, customer_id)
        run = build_context(
            workspace, campaign, data, send=campaign.first_send, versions=versions, due_at=now, due_local=None
        )
        run = replace(run, global_holdout=None, campaign=_without_holdout(campaign))
        run = with_offer_plan(run, iter([row]))
        with workspace.store.reading() as connection:
            return run, decide(row, run, connection, now=now, history=read_history(data, row["customer_id"]))
    finally:
        warehouse.close()


def _without_holdout(campaign: Campaign) -> Campaign:
    return campaign.model_copy(update={"experiment": campaign.experiment.model_copy(update={"holdout": None})})


def _one_customer(workspace: Workspace, data: Snapshot, campaign: Campaign, customer: str) -> pl.DataFrame:
    """The customer's row of an audience."""
    among = pl.Series("customer_id", [customer], dtype=pl.String)
    when = offer_conditions(campaign)
    marked = evaluate(when, data, workspace.project.registry, among=among)
    held = marked.select("customer_id", **{f"when_{n}": marked[f"holds_{n}"] for n in range(len(when))})
    row: pl.DataFrame = held.inner_join(data.customers, "customer_id").to_polars()
    return row
