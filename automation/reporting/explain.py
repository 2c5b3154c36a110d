"""Why a customer got a message, or none: as the run recorded it, or worked out as of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from automation.errors import AutomationError, ConfigurationError
from automation.inbound.identity import find_customer, find_person
from automation.reporting.audience_place import (
    membership,
    place_in_run,
    place_now,
    spell_last_run,
    spell_place,
    spell_sample,
)
from automation.reporting.channel_now import explain_channel_now
from automation.reporting.explanation import Explanation
from automation.reporting.journey_path import read_paths
from automation.reporting.reasons import reason_text
from automation.reporting.refusal import refusal_facts, refused_decision
from automation.reporting.rule_values import CustomerRules, RuleValue, recorded_lines
from automation.reporting.tracking import explain_tracking, explain_tracking_now
from automation.rules.condition_lines import holds, path_of, spell_condition
from automation.rules.event_figures import name_products
from automation.rules.reads import offer_conditions, reads_decisions
from automation.store import runs
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.store.runs import RunRow
from automation.types.address import normalise
from automation.types.campaign import Campaign
from automation.types.condition import Condition, leaves
from automation.workspace.campaigns import valid_campaign
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models_in_use import active_versions
from automation.workspace.opened import Opened
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


def explain(workspace: Workspace, campaign: str, wanted: str, *, step: str | None = None) -> Explanation:
    """The newest decision of this campaign, or of one step of it, for a customer id or an address; and the customer's
    way through a journey.

    If there is none, whether the rules hold now. Raises `AutomationError` for an unknown customer.
    """
    found = _explain(workspace, campaign, wanted, step)
    with workspace.store.reading() as connection:
        return replace(found, journey=read_paths(workspace, connection, found.customer_id, campaign))


def _explain(workspace: Workspace, campaign: str, wanted: str, step: str | None) -> Explanation:
    found = _newest_decision(workspace, campaign, [wanted], step)
    if found is None:
        who = find_person(workspace, wanted)
        if wanted not in who.ids:
            found = _newest_decision(workspace, campaign, who.ids, step)
    if found is None:
        return explain_now(workspace, valid_campaign(workspace.project, campaign), find_customer(workspace, wanted))
    with workspace.store.reading() as connection:
        run = runs.get(connection, found.run_id)
        try:
            pinned = LaunchedCampaigns(workspace.project).get(connection, run.launch_id)
        except ConfigurationError:  # the campaign as launched no longer fits config.yaml or the plugins
            return _without_rules(workspace, run, found)
    return _from_run(workspace, pinned.campaign, run, found)


def explain_from_store(opened: Opened, campaign: str, wanted: str) -> Explanation:
    """The newest decision of this campaign for a customer id or an address, by the store alone: without its rules.

    Raises `AutomationError` where no run has decided.
    """
    with opened.store.reading() as connection:
        found = decisions.find_of_person(connection, [wanted], [normalise(wanted)])
        newest = max((row for row in found if row.campaign == campaign), key=lambda row: row.decided_at, default=None)
        if newest is None:
            raise AutomationError(
                f"no run of {campaign!r} has decided about {wanted!r}; "
                "whether its rules hold now can be told once the project's files can be read"
            )
        return _without_rules(opened, runs.get(connection, newest.run_id), newest)


def _without_rules(opened: Opened, run: RunRow, decision: DecisionRow) -> Explanation:
    return Explanation(
        campaign=run.campaign,
        customer_id=decision.customer_id,
        as_of=run.as_of or run.due_at,
        member=True,
        rules=(),
        offer_rules=(),
        run=run,
        decision=decision,
        reason=reason_text(opened, decision.reason),
        versions=run.versions,
        rules_known=False,
    )


def _newest_decision(
    workspace: Workspace, campaign: str, customers: Sequence[str], step: str | None
) -> DecisionRow | None:
    with workspace.store.reading() as connection:
        found = [
            row
            for customer_id in customers
            for row in decisions.find(connection, customer_id=customer_id, campaign=campaign, step=step, limit=1)
        ]
    return max(found, key=lambda row: row.decided_at, default=None)


def _from_run(workspace: Workspace, campaign: Campaign, run: RunRow, decision: DecisionRow) -> Explanation:
    row = _frozen_row(workspace.audience_file(run.id), decision)
    assert run.as_of is not None
    rules, products = _recorded_rules(workspace, campaign, run, decision, row)
    place = place_in_run(workspace, campaign.audience, run, decision.customer_id)
    sample = campaign.audience.sample
    return Explanation(
        campaign=campaign.name,
        customer_id=decision.customer_id,
        as_of=run.as_of,
        member=True,
        rules=rules,
        offer_rules=_whole_conditions(offer_conditions(campaign), row),
        run=run,
        decision=decision,
        reason=reason_text(workspace, decision.reason),
        versions=run.versions,
        refusal=refusal_facts(workspace, refused_decision(campaign, decision, row)),
        products=products,
        tracking=explain_tracking(workspace, decision),
        place=place,
        standing=[spell_place(workspace, place, "the run took")] if place else [spell_sample(sample)] if sample else [],
        rules_known=bool(rules) or not any(True for _ in leaves(campaign.audience.condition)),
    )


def _frozen_row(path: Path, decision: DecisionRow) -> Mapping[str, Any]:
    """The customer's row of the run's file; empty where the file is gone or damaged."""
    own = (pl.col("batch") == decision.batch_no) & (pl.col("customer_id") == decision.customer_id)
    try:
        rows = pl.scan_parquet(path).filter(own).collect()
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return rows.row(0, named=True) if rows.height else {}


def _recorded_rules(
    workspace: Workspace, campaign: Campaign, run: RunRow, decision: DecisionRow, row: Mapping[str, Any]
) -> tuple[Sequence[RuleValue], Mapping[str, str]]:
    """The rules as the run recorded them, with figures as of then, and the names of the recommended products."""
    condition = campaign.audience.condition
    if any(f"leaf_{n}" not in row for n, _ in enumerate(leaves(condition))):
        return (), {}
    held = [bool(row[f"leaf_{n}"]) for n, _ in enumerate(leaves(condition))]
    assert run.as_of is not None
    local: Any = run.versions.get("local")
    models: Any = run.versions.get("models") or {}
    warehouse = workspace.warehouse()
    try:
        data = snapshot(
            workspace,
            warehouse,
            run.as_of,
            with_decisions=reads_decisions(campaign, workspace.project.registry),
            versions=models,
            today=datetime.fromisoformat(local) if local else None,
            before_run=run.id,
        )
        settings = workspace.project.settings
        rules = CustomerRules(data, workspace.project.registry, decision.customer_id, settings.segments)
        return rules.explain(condition, held, row), name_products(_product_ids(decision), data)
    except AutomationError:  # the warehouse can't be read; what the run recorded can
        return recorded_lines(condition, row), {}
    finally:
        warehouse.close()


def _product_ids(decision: DecisionRow) -> list[str]:
    because = [item.get("because") for item in decision.items]
    ids = [item.get("product_id") for item in decision.items]
    return [str(one) for one in (*ids, *(one for some in because if isinstance(some, list) for one in some)) if one]


def explain_now(workspace: Workspace, campaign: Campaign, customer_id: str) -> Explanation:
    """Whether the rules of the campaign's file hold for a customer now."""
    now = workspace.clock.now()
    versions = active_versions(workspace)
    condition = campaign.audience.condition
    warehouse = workspace.warehouse()
    try:
        with_decisions = reads_decisions(campaign, workspace.project.registry)
        data = snapshot(workspace, warehouse, now, with_decisions=with_decisions, versions=versions)
        rules = CustomerRules(data, workspace.project.registry, customer_id, workspace.project.settings.segments)
        values = rules.values(condition)
        held, shown = holds(condition, iter(values)), rules.explain(condition, values)
        place = place_now(workspace, campaign, data, customer_id, now) if held else None
        member, reason = membership(workspace, campaign, customer_id, held, place)
        channel = explain_channel_now(workspace, campaign, data, customer_id, now) if member is not False else []
    finally:
        warehouse.close()
    return Explanation(
        campaign=campaign.name,
        customer_id=customer_id,
        as_of=now,
        member=member,
        rules=shown,
        offer_rules=(),
        run=None,
        decision=None,
        reason=reason,
        versions={"warehouse": data.version, "models": versions},
        place=place,
        tracking="; ".join(explain_tracking_now(workspace, campaign, customer_id)) if member is not False else "",
        standing=[
            *([spell_place(workspace, place, "a run now would take")] if place is not None else []),
            *channel,
            _last_run(workspace, campaign, customer_id),
        ],
    )


def _last_run(workspace: Workspace, campaign: Campaign, customer_id: str) -> str:
    with workspace.store.reading() as connection:
        found = runs.find(connection, campaign=campaign.name, limit=1)
        if not found:
            return "no run has decided yet"
        try:
            pinned = LaunchedCampaigns(workspace.project).get(connection, found[0].launch_id).campaign
        except ConfigurationError:  # the campaign as launched no longer fits config.yaml or the plugins
            pinned = campaign
    return spell_last_run(workspace, pinned, found[0], customer_id)


def _whole_conditions(wanted: Sequence[Condition], row: Mapping[str, Any]) -> list[RuleValue]:
    """The offer policy's conditions, each as one value."""
    return [
        RuleValue(path_of(condition), spell_condition(condition), bool(row[f"when_{n}"]))
        for n, condition in enumerate(wanted)
        if f"when_{n}" in row and path_of(condition)
    ]
