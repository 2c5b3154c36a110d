"""The message that one customer would get if nothing refused it, and why they would not get it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from automation.contracts import Snapshot
from automation.inbound.identity import find_customer
from automation.messages.campaign_texts import find_shown_values
from automation.messages.template.files import read_templates
from automation.pipeline.decide import Decided, RunContext, decide
from automation.rules.compiler import evaluate
from automation.rules.reads import offer_conditions, reads_decisions
from automation.runner.context import build_context
from automation.runner.plan import with_offer_plan
from automation.runner.sample_message import expand_versions
from automation.runner.samples import Sample, render_samples
from automation.types.campaign import Campaign
from automation.warehouse.history import read_history
from automation.warehouse.shown_values import read_shown_values
from automation.workspace.campaigns import renderer_of, template_files, valid_campaign
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class Preview:
    """A customer's message, whether or not they would get it.

    refusal: the reason code of the decision if it were made now, None where the message would be sent. channel: the
    channel that the refusal is about, as far as it is about one. detail: more about it. traits: the customer's.
    """

    sample: Sample
    refusal: str | None
    channel: str
    detail: str
    traits: Mapping[str, Any]


def preview(workspace: Workspace, name: str, customer: str) -> Preview:
    """The message for a customer id or an address. Raises `AutomationError` for an unknown customer."""
    run, decided, real, traits = _decide_one(workspace, name, customer)
    (sample,) = render_samples(workspace, run, decided, 1, workspace.clock.now())
    row = real.rows.row(0, named=True)
    refused = row["outcome"] != "message"
    return Preview(sample, row["reason"] if refused else None, row["channel"] or row["detail"], row["detail"], traits)


def preview_versions(workspace: Workspace, name: str, customer: str) -> list[Sample]:
    """The customer's message in every variant and language of the campaign. Raises `AutomationError` as `preview`."""
    run, decided, *_ = _decide_one(workspace, name, customer)
    now = workspace.clock.now()
    templates = read_templates(workspace.project.root)
    versions = expand_versions(decided.rows, run.campaign, templates, run.shop_language)
    return [sample for row in versions for sample in render_samples(workspace, run, replace(decided, rows=row), 1, now)]


def _decide_one(
    workspace: Workspace, name: str, customer: str
) -> tuple[RunContext, Decided, Decided, Mapping[str, Any]]:
    """The decision for one customer as if nothing refused it, the decision as it would be now, and their traits."""
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
        files = template_files(workspace.project, campaign)
        shown = find_shown_values(renderer_of(workspace.project, files), campaign)
        found = build_context(
            workspace,
            campaign,
            data,
            send=campaign.first_send,
            versions=versions,
            due_at=now,
            due_local=None,
            shown=shown,
        )
        found = with_offer_plan(found, iter([row]))
        run = replace(found, global_holdout=None, campaign=_without_holdout(campaign), everyone=True)
        history = read_history(data, row["customer_id"])
        values = read_shown_values(data, shown, row["customer_id"]) if shown else None
        reading = workspace.store.reading
        decided, real = (decide(row, one, reading, now=now, history=history, values=values) for one in (run, found))
        return run, decided, real, row.row(0, named=True)
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
