"""`plan` and `preview`: the same stages as a run, on the file as it stands now, writing nothing."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from automation.errors import AutomationError
from automation.messages.batch_content import read_content
from automation.messages.compose import compose
from automation.messages.template.files import read_templates
from automation.pipeline.audience import Frozen, freeze
from automation.pipeline.decide import Decided, RunContext, decide, recheck_caps
from automation.rules.costs import RuleCost, costs
from automation.rules.reads import offer_conditions, reads_decisions
from automation.runner import guards
from automation.runner.competing_runs import with_competing_runs
from automation.runner.context import context, plan_offers
from automation.runner.preflight import Extent, Preflight, Rendering
from automation.runner.sample_message import sample_message, untracked, versions_of
from automation.store import runs
from automation.store.ledger import decisions
from automation.types.campaign import Campaign
from automation.types.message import Rendered
from automation.types.progress import Progress, quiet
from automation.types.run import RunState
from automation.warehouse.connect import Warehouse
from automation.workspace.campaigns import renderer_of, template_files, valid_campaign
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models import active_versions
from automation.workspace.profiles import refresh_for
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace

SAMPLES = 5


@dataclass(frozen=True)
class Sample:
    """One decision of the rehearsal and, where there is one, its message."""

    customer_id: str
    outcome: str
    reason: str
    variant: str | None
    offer: str | None
    rendered: Rendered | None


@dataclass(frozen=True)
class Plan:
    """What the campaign would do if it ran now."""

    campaign: str
    as_of: datetime
    audience: int
    outcomes: Mapping[tuple[str, str], int]
    variants: Mapping[tuple[str, str], int]
    offers: Mapping[str, int]
    promised_cost: float
    samples: Sequence[Sample]
    unrenderable: Mapping[str, int]
    entering: int | None
    """People who were not in the audience of the campaign's last run; None when it never ran."""
    leaving: int | None
    seconds: float
    preflight: Preflight
    gives_way: Mapping[str, int] = field(default_factory=dict)
    """By campaign, how many of its waiting messages would give their place up to this one."""
    warnings: Sequence[str] = field(default_factory=tuple)
    rules: Sequence[RuleCost] = ()
    """Every rule of the audience asked alone, the dearest first."""


def plan(
    workspace: Workspace,
    name: str,
    *,
    samples: int = SAMPLES,
    extent: Extent = "all",
    progress: Progress = quiet,
) -> Plan:
    """Rehearse the whole run. extent: how many of its messages are rendered to see what is wrong with them."""
    campaign = valid_campaign(workspace.project, name)
    started = workspace.clock.now()
    warehouse = workspace.warehouse()
    try:
        with tempfile.TemporaryDirectory() as folder:
            frozen, found, members = _freeze(workspace, warehouse, campaign, Path(folder))
            found = with_competing_runs(workspace, warehouse, LaunchedCampaigns(workspace.project), found)
            found_costs = costs([campaign.audience.condition], found.data, workspace.project.registry)
            with Rendering(workspace, campaign, extent, sum(map(len, members))) as rendering:
                made = _rehearse(workspace, found, frozen, members, samples, started, progress, rendering)
            held = (
                guards.stale(workspace, campaign, warehouse, made.as_of),
                guards.too_large(workspace, name, made.audience),
            )
            warnings = [f"the run would be held: {hold.what}" for hold in held if hold is not None]
            return replace(made, rules=found_costs, warnings=warnings)
    finally:
        warehouse.close()


def preview(workspace: Workspace, name: str, customer: str) -> Sample:
    """The message that this customer would get, whether or not the audience has them. Raises `AutomationError`."""
    found, decided = _decide_one(workspace, name, customer)
    return next(iter(_samples(workspace, found, decided, 1, workspace.clock.now())))


def every_version(workspace: Workspace, name: str, customer: str) -> list[Sample]:
    """The customer's message in every variant and language that the campaign has. Raises `AutomationError`."""
    found, decided = _decide_one(workspace, name, customer)
    if decided.rows["outcome"].item() != "message":
        return _samples(workspace, found, decided, 1, workspace.clock.now())
    templates = read_templates(workspace.project.root)
    versions = []
    for row in versions_of(decided.rows, found.campaign, templates, found.shop_language):
        versions += _samples(workspace, found, replace(decided, rows=row), 1, workspace.clock.now())
    return versions


def _decide_one(workspace: Workspace, name: str, customer: str) -> tuple[RunContext, Decided]:
    campaign = valid_campaign(workspace.project, name)
    warehouse = workspace.warehouse()
    try:
        versions = active_versions(workspace)
        now = workspace.clock.now()
        data = snapshot(workspace, warehouse, now, with_decisions=reads_decisions(campaign), versions=versions)
        one = _one_customer(workspace, data, campaign, customer)
        found = context(
            workspace, campaign, data, send=campaign.first_send, versions=versions, due_at=now, due_local=None
        )
        found = replace(found, global_holdout=None, campaign=_contact_everyone(campaign))
        found = _with_offer_plan(found, Frozen(Path()), [one])
        with workspace.store.reading() as connection:
            return found, decide(one, found, connection, now=now)
    finally:
        warehouse.close()


def _contact_everyone(campaign: Campaign) -> Campaign:
    return campaign.model_copy(update={"experiment": campaign.experiment.model_copy(update={"holdout": None})})


def _one_customer(workspace: Workspace, data: Any, campaign: Campaign, customer: str) -> pl.DataFrame:
    from automation.rules.compiler import evaluate

    among = pl.Series("customer_id", [customer], dtype=pl.String)
    when = offer_conditions(campaign)
    marked = evaluate(when, data, workspace.project.registry, among=among)
    held = marked.select("customer_id", **{f"when_{n}": marked[f"holds_{n}"] for n in range(len(when))})
    row: pl.DataFrame = held.inner_join(data.customers, "customer_id").to_polars()
    if row.is_empty():
        raise AutomationError(f"there is no customer {customer!r}; automation import customers brings them in")
    return row


def _freeze(
    workspace: Workspace, warehouse: Warehouse, campaign: Campaign, folder: Path
) -> tuple[Frozen, RunContext, list[list[str]]]:
    versions = active_versions(workspace)
    now = workspace.clock.now()
    refresh_for(workspace, warehouse, campaign)
    data = snapshot(workspace, warehouse, now, with_decisions=reads_decisions(campaign), versions=versions)
    path = folder / "audience.parquet"
    members = freeze(
        campaign.audience, offer_conditions(campaign), data, workspace.project.registry, salt=campaign.name, path=path,
        but=workspace.project.settings.testing.customers,
    )  # fmt: skip
    found = context(workspace, campaign, data, send=campaign.first_send, versions=versions, due_at=now, due_local=None)
    return Frozen(path), _with_offer_plan(found, Frozen(path), None), members


def _with_offer_plan(found: RunContext, frozen: Frozen, batches: Sequence[pl.DataFrame] | None) -> RunContext:
    if found.offer is None:
        return found
    made = plan_offers(found, frozen.batches() if batches is None else iter(batches), None)
    return replace(found, offer=replace(found.offer, plan=made))


def _rehearse(
    workspace: Workspace,
    found: RunContext,
    frozen: Frozen,
    members: list[list[str]],
    samples: int,
    started: datetime,
    progress: Progress,
    rendering: Rendering,
) -> Plan:
    now = workspace.clock.now()
    total = sum(map(len, members))
    outcomes: Counter[tuple[str, str]] = Counter()
    variants: Counter[tuple[str, str]] = Counter()
    offers: Counter[str] = Counter()
    gives_way: Counter[str] = Counter()
    shown: list[Sample] = []
    for no in range(len(members)):
        with workspace.store.reading() as connection:
            decided = decide(frozen.batch(no), found, connection, now=now)
            decided, displaced = recheck_caps(decided, found.eligibility, connection, now=now)
        rows = decided.rows
        rendering.take(rows, decided.content)
        gives_way.update(displaced["campaign"].to_list())
        outcomes.update(dict(_count(rows, "outcome", "reason")))
        variants.update(dict(_count(rows.filter(pl.col("variant").is_not_null()), "variant", "outcome")))
        offers.update({key[0]: n for key, n in _count(rows.filter(pl.col("outcome") == "message"), "offer") if key[0]})
        if len(shown) < samples:
            shown += _samples(workspace, found, decided, samples - len(shown), now, strict=False)
        progress("planning", min((no + 1) * 1_000, total), total)
    entering, leaving = _changed_people(workspace, found.campaign.name, members)
    preflight = rendering.result()
    costs = {} if found.offer is None else dict(found.offer.offers.select("offer", "expected_cost").iter_rows())
    return Plan(
        campaign=found.campaign.name,
        as_of=now,
        audience=total,
        outcomes=outcomes,
        variants=variants,
        offers=offers,
        promised_cost=sum(costs.get(name, 0.0) * n for name, n in offers.items()),
        samples=shown,
        unrenderable={p.what: p.messages for p in preflight.problems if p.code == "cannot_render"},
        entering=entering,
        leaving=leaving,
        seconds=(workspace.clock.now() - started).total_seconds(),
        preflight=preflight,
        gives_way=gives_way,
    )


def _count(rows: pl.DataFrame, *names: str) -> list[tuple[tuple[Any, ...], int]]:
    return [(tuple(row[:-1]), row[-1]) for row in rows.group_by(*names).len().iter_rows()]


def _changed_people(workspace: Workspace, campaign: str, members: list[list[str]]) -> tuple[int | None, int | None]:
    with workspace.store.reading() as connection:
        last = [r for r in runs.find(connection, campaign=campaign) if r.state is not RunState.CREATED and r.audience]
        if not last:
            return None, None
        before = set(decisions.of_run(connection, last[0].id)["customer_id"])
    now = {customer for batch in members for customer in batch}
    return len(now - before), len(before - now)


def _samples(
    workspace: Workspace, found: RunContext, decided: Decided, wanted: int, now: datetime, *, strict: bool = True
) -> list[Sample]:
    """Render the first messages of a batch as they would be sent; nothing is granted and no coupon is reserved."""
    campaign = found.campaign
    rows = decided.rows.sort(pl.col("outcome") != "message", maintain_order=True).head(wanted)
    make = renderer_of(workspace.project, template_files(workspace.project, campaign))
    head, content = untracked(workspace), read_content(json.loads(decided.content), campaign, make.reasons)
    shown = []
    for row in rows.iter_rows(named=True):
        rendered = None
        if row["outcome"] == "message":
            try:
                rendered = compose(sample_message(campaign, row, now), campaign, make, head, content)
            except AutomationError:
                if strict:
                    raise
        shown.append(Sample(row["customer_id"], row["outcome"], row["reason"], row["variant"], row["offer"], rendered))
    return shown
