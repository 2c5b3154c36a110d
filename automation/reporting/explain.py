"""Why a customer got a message, or none: as the run recorded it, or worked out as of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from automation.inbound.identity import find_customer, find_person
from automation.reporting.reasons import reason_text
from automation.rules.compiler import evaluate
from automation.rules.reads import offer_conditions, reads_decisions
from automation.store import runs
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.store.runs import RunRow
from automation.types.campaign import Campaign
from automation.types.condition import Condition, leaves
from automation.workspace.campaigns import valid_campaign
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class RuleValue:
    """One rule of the file and whether it holds for the customer; with a segment's score and reasons, if any."""

    path: str
    text: str
    held: bool
    score: float | None = None
    reasons: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Explanation:
    """Everything that led to a decision. run, decision: None where no run has decided; the rules are as of now then."""

    campaign: str
    customer_id: str
    as_of: datetime
    member: bool
    rules: Sequence[RuleValue]
    offer_rules: Sequence[RuleValue]
    run: RunRow | None
    decision: DecisionRow | None
    reason: str
    versions: Mapping[str, Any]

    def to_json(self) -> dict[str, object]:
        return {
            "campaign": self.campaign,
            "customer": self.customer_id,
            "as_of": self.as_of,
            "member": self.member,
            "reason": self.reason,
            "rules": [asdict(rule) for rule in self.rules],
            "offer_rules": [asdict(rule) for rule in self.offer_rules],
            "run": self.run.id if self.run else None,
            "decision": asdict(self.decision) if self.decision else None,
            "versions": dict(self.versions),
        }


def explain(workspace: Workspace, campaign: str, wanted: str, *, step: str | None = None) -> Explanation:
    """The newest decision of this campaign, or of one step of it, for a customer id or an address.

    If there is none, whether the rules hold now. Raises `AutomationError` for an unknown customer.
    """
    found = _newest_decision(workspace, campaign, [wanted], step)
    if found is None:
        who = find_person(workspace, wanted)
        if wanted not in who.ids:
            found = _newest_decision(workspace, campaign, who.ids, step)
    if found is None:
        return _as_of_now(workspace, valid_campaign(workspace.project, campaign), find_customer(workspace, wanted))
    with workspace.store.reading() as connection:
        run = runs.get(connection, found.run_id)
        pinned = LaunchedCampaigns(workspace.project).get(connection, run.launch_id)
    return _from_run(workspace, pinned.campaign, run, found)


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
    return Explanation(
        campaign=campaign.name,
        customer_id=decision.customer_id,
        as_of=run.as_of,
        member=True,
        rules=_rule_values([campaign.audience.condition], row, "leaf_{}"),
        offer_rules=_whole_conditions(offer_conditions(campaign), row),
        run=run,
        decision=decision,
        reason=reason_text(workspace, decision.reason),
        versions=run.versions,
    )


def _frozen_row(path: Path, decision: DecisionRow) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    own = (pl.col("batch") == decision.batch_no) & (pl.col("customer_id") == decision.customer_id)
    return pl.scan_parquet(path).filter(own).collect().row(0, named=True)


def _as_of_now(workspace: Workspace, campaign: Campaign, customer_id: str) -> Explanation:
    now = workspace.clock.now()
    versions = active_versions(workspace)
    warehouse = workspace.warehouse()
    try:
        data = snapshot(
            workspace,
            warehouse,
            now,
            with_decisions=reads_decisions(campaign, workspace.project.registry),
            versions=versions,
        )
        among = pl.Series([customer_id], dtype=pl.String)
        marked = evaluate([campaign.audience.condition], data, workspace.project.registry, among=among).to_polars()
    finally:
        warehouse.close()
    row = marked.row(0, named=True)
    member = bool(row["holds_0"])
    return Explanation(
        campaign=campaign.name,
        customer_id=customer_id,
        as_of=now,
        member=member,
        rules=_rule_values([campaign.audience.condition], row, "leaf_{}"),
        offer_rules=(),
        run=None,
        decision=None,
        reason="would be in the audience now; no run has decided yet" if member else "not in the audience now",
        versions={"warehouse": data.version, "models": versions},
    )


def _rule_values(wanted: Sequence[Condition], row: Mapping[str, Any], column: str) -> list[RuleValue]:
    found = [leaf for condition in wanted for leaf in leaves(condition)]
    return [
        RuleValue(
            leaf.path,
            leaf.text,
            bool(row[column.format(n)]),
            row.get(f"score_{n}"),
            tuple(row.get(f"reasons_{n}") or ()),
        )
        for n, leaf in enumerate(found)
        if column.format(n) in row
    ]


def _whole_conditions(wanted: Sequence[Condition], row: Mapping[str, Any]) -> list[RuleValue]:
    """The offer policy's conditions, each as one value."""
    return [
        RuleValue(first.path, " and ".join(leaf.text for leaf in leaves(condition)), bool(row[f"when_{n}"]))
        for n, condition in enumerate(wanted)
        if f"when_{n}" in row and (first := next(leaves(condition), None)) is not None
    ]
