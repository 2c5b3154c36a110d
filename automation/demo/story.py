"""The demo: a made-up shop in its own folder, three campaigns over two simulated weeks, and their results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from importlib import resources
from pathlib import Path

import polars as pl

from automation.clock import ManualClock, monotonic
from automation.demo.shop import Shop, generate, write
from automation.demo.simulation import Simulation
from automation.demo.starter import copy_starter
from automation.inbound.shop_import import import_data
from automation.learn.artifacts import Card
from automation.reporting.explain import explain
from automation.reporting.explanation import Explanation
from automation.reporting.report import Report, report
from automation.runner.launch import launch
from automation.runner.refresh import flush_inbox
from automation.runner.training import train_models
from automation.store.ledger import decisions
from automation.types.plural import format_count
from automation.warehouse.importing.mapping import MappingFile, load_mapping
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.shop_format import ShopFormat, shop_format
from automation.workspace.workspace import Workspace, open_workspace

FIRST_DAY = date(2026, 9, 7)  # a Monday
DAYS = 15  # two weeks after the first Tuesday, on which winback runs
CAMPAIGNS = ("winback", "newsletter", "birthday")
Step = Callable[[str], None]


@dataclass(frozen=True)
class Example:
    """One delivered message, and why this customer got it."""

    customer_id: str
    to: str
    subject: str
    text: str
    file: Path
    explanation: Explanation


@dataclass(frozen=True)
class DemoSummary:
    """What the demo created and its results. folder: the project, ready to be used."""

    folder: Path
    outbox: Path
    first_day: date
    days: int
    customers: int
    products: int
    events: int
    models: Sequence[Card]
    campaigns: Sequence[Report]
    example: Example | None
    seconds: float
    shop: ShopFormat

    def to_json(self) -> dict[str, object]:
        names = ("folder", "outbox", "first_day", "days", "customers", "products", "events", "seconds")
        return {
            **{name: getattr(self, name) for name in names},
            "models": [{"name": m.name, "admitted": m.admitted, "because": m.because} for m in self.models],
            "campaigns": [campaign.to_json() for campaign in self.campaigns],
        }


def run_demo(
    folder: Path,
    *,
    seed: int = 7,
    customers: int = 3000,
    days: int = DAYS,
    step: Step = lambda what: None,
    starter: Path | None = None,
) -> DemoSummary:
    """Run the whole demo in `folder`; `step` is called with what begins. Raises `AutomationError`."""
    started = monotonic()
    copy_starter(folder, starter=starter)
    until = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    clock = ManualClock(until)
    step(f"creating a shop with {format_count(customers, 'customer')}")
    shop = generate(seed, customers, until=until)
    mapping = _mapping(folder / "data")
    with open_workspace(folder, clock=clock) as workspace:
        _import(workspace, shop, folder / "data", mapping, step)
        cards = train_models(workspace, progress=lambda name: step(f"training {name}"))
        for name in CAMPAIGNS:
            launch(workspace, name, by="demo", audience=None)
        pinned = LaunchedCampaigns(workspace.project)
        simulation = Simulation(workspace, clock, shop, mapping, folder / "data", seed, shop.events.head(0), pinned)
        _simulate(simulation, days, step)
        step("computing the results")
        flush_inbox(workspace)
        results = [report(workspace, name) for name in CAMPAIGNS]
        example = _example(workspace, simulation.events, folder)
        written = shop_format(workspace)
    return DemoSummary(
        folder=folder,
        outbox=folder / "var" / "outbox",
        first_day=FIRST_DAY,
        days=days,
        customers=len(shop.customers),
        products=len(shop.products),
        events=len(shop.events) + len(simulation.events),
        models=cards,
        campaigns=results,
        example=example,
        seconds=monotonic() - started,
        shop=written,
    )


def _mapping(data: Path) -> MappingFile:
    """Write the mapping beside the files, so that they can be imported by hand too."""
    data.mkdir()
    path = data / "mapping.yaml"
    path.write_text(resources.files("automation.demo").joinpath("mapping.yaml").read_text("utf-8"), "utf-8")
    return load_mapping(path)


def _import(workspace: Workspace, shop: Shop, data: Path, mapping: MappingFile, step: Step) -> None:
    customers, products, events = write(shop, data)
    step(f"importing two years of events: {len(shop.events):,}")
    import_data(workspace, "customers", [customers], mapping)
    import_data(workspace, "products", [products], mapping)
    import_data(workspace, "events", [events], mapping)


def _simulate(simulation: Simulation, days: int, step: Step) -> None:
    for day in (FIRST_DAY + timedelta(days=number) for number in range(days)):
        step(f"{day:%A %d %B}")
        simulation.live(day)


def _example(workspace: Workspace, events: pl.DataFrame, folder: Path) -> Example | None:
    """A message of the first campaign that led to a purchase, or else any that was sent."""
    bought = events.filter(pl.col("type") == "purchase", pl.col("message_id").is_not_null())["message_id"]
    with workspace.store.reading() as connection:
        sent = [
            row
            for row in decisions.find(connection, campaign=CAMPAIGNS[0], limit=1_000)
            if row.message_id is not None and row.state == "sent"
        ]
    if not sent:
        return None
    best = set(bought)
    chosen = min(sent, key=lambda row: (row.message_id not in best, row.coupon is None, row.customer_id))
    assert chosen.message_id is not None
    return _read(folder / "var" / "outbox", chosen.message_id, explain(workspace, CAMPAIGNS[0], chosen.customer_id))


def _read(outbox: Path, message_id: str, explanation: Explanation) -> Example:
    """The delivered message, from the outbox."""
    lines = (json.loads(line) for line in (outbox / "messages.jsonl").read_text("utf-8").splitlines())
    entry = next(line for line in lines if line["id"] == message_id)
    file = outbox / entry["path"]
    body = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(("plain",))
    return Example(
        customer_id=explanation.customer_id,
        to=entry["to"],
        subject=entry["subject"],
        text=body.get_content() if body is not None else "",
        file=file,
        explanation=explanation,
    )
