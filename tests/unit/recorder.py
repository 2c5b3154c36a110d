"""A plugin that takes part in everything: one working component of each kind, and every observer, all written down.

Copied into a project's `plugins/` folder by the tests of the hooks.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import polars as pl

from automation.contracts import Options
from automation.hookspecs import hookimpl
from automation.types.message import Receipt, Verdict

CALLS: list[tuple[str, dict[str, Any]]] = []
DELIVERED: list[Any] = []


def note(hook: str, **values: Any) -> None:
    CALLS.append((hook, values))


class PipedFile:
    """Values between bars."""

    Options = Options
    suffixes: ClassVar[tuple[str, ...]] = (".psv",)

    def __init__(self, options: Any) -> None:
        self.options = options

    def read(self, path: Any, table: Any) -> Any:
        frame = pl.read_csv(path, separator="|", infer_schema=False)
        yield frame.with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))


class InitialOptions(Options):
    initial: str


class Initial:
    """`{initial: A}`: the first name begins with it."""

    Options = InitialOptions
    key: ClassVar[str] = "initial"

    def __init__(self, options: Any) -> None:
        self.options = options

    def matching(self, data: Any) -> Any:
        named = data.customers.filter(data.customers.first_name.startswith(self.options.initial))
        return named.select("customer_id")


class Learned:
    """What the models below share: they keep one array of texts."""

    Options = Options

    def __init__(self, options: Any) -> None:
        self.ids: list[str] = []

    def save(self) -> dict[str, Any]:
        return {"ids": np.frombuffer("\n".join(self.ids).encode(), np.uint8)}

    def load(self, arrays: Any, *, parts: Any) -> None:
        self.ids = bytes(arrays["ids"]).decode().split("\n")


class Buyers(Learned):
    """A segment: everybody who ever bought."""

    def fit(self, data: Any, *, seed: int, parts: Any) -> dict[str, float]:
        bought = data.events.filter(data.events.type == "purchase").customer_id
        self.ids = sorted(bought.to_polars().unique())
        return {"buyers": float(len(self.ids))}

    def assign(self, data: Any) -> Any:
        schema: Any = {"customer_id": pl.String, "label": pl.String, "score": pl.Float64, "reasons": pl.List(pl.String)}
        rows = [(i, "buyer", 1.0, ["bought before"]) for i in self.ids]
        yield pl.DataFrame(rows, schema=schema, orient="row")


class Alphabetical(Learned):
    """Recommends the same products to everybody, in the order of their ids."""

    def fit(self, data: Any, *, seed: int, parts: Any) -> dict[str, float]:
        self.ids = sorted(data.products.product_id.to_polars())
        return {"products": float(len(self.ids))}

    def recommend(self, customers: Any, history: Any, *, k: int, allowed: Any, blocked: Any) -> Any:
        shown = [i for i in self.ids if i in set(allowed)][:k]
        scores = [1.0 - 0.1 * place for place in range(len(shown))]
        ranked = pl.DataFrame({"product_id": shown, "score": scores}, schema=["product_id", "score"])
        pairs = pl.DataFrame({"customer_id": customers}).join(ranked, how="cross")
        pairs = pairs.join(blocked, on=["customer_id", "product_id"], how="anti")
        because = pl.lit([], dtype=pl.List(pl.String)).alias("because")
        return pairs.with_columns(pl.lit("alphabetical").alias("reason"), because)


class Generous(Learned):
    """Gives everybody the first offer there is."""

    def fit(self, data: Any, *, seed: int, parts: Any) -> dict[str, float]:
        return {}

    def plan(self, audience: Any, offers: Any, *, budget: Any, seed: int) -> dict[str, Any]:
        return {"give": offers["offer"][0]}

    def choose(self, batch: Any, offers: Any, plan: Any) -> Any:
        pairs = batch.select("customer_id").join(offers, how="cross")
        return pairs.select(
            "customer_id",
            "offer",
            (pl.col("offer") == plan["give"]).cast(pl.Float64).alias("probability"),
            pl.lit(0.0).alias("expected_value"),
            pl.col("expected_cost").cast(pl.Float64),
        )


class OnHoliday:
    """Refuses one customer."""

    Options = Options
    codes: ClassVar[dict[str, str]] = {"on_holiday": "is on holiday and reads nothing"}

    def __init__(self, options: Any) -> None:
        self.options = options

    def refuse(self, batch: Any, *, at: Any, moment: Any) -> Any:
        away = batch.filter(pl.col("customer_id") == "c3").select("customer_id")
        return away.with_columns(pl.lit("on_holiday").alias("code"), pl.lit("until May").alias("detail"))


class Listed:
    """Delivers into a list."""

    Options = Options
    kind: ClassVar[str] = "email"
    live: ClassVar[bool] = False

    def __init__(self, options: Any) -> None:
        self.options = options

    async def deliver(self, messages: Any, hand_over: Any) -> Any:
        for message in messages:
            hand_over(message)
            DELIVERED.append(message)
            yield Receipt(message.id, message.attempt, Verdict.SENT, "listed")

    async def close(self) -> None:
        DELIVERED.append("closed")


@hookimpl
def register_sources(register: Any) -> None:
    note("register_sources", register=register)
    register("piped", PipedFile)


@hookimpl
def register_rules(register: Any) -> None:
    note("register_rules", register=register)
    register("initial", Initial)


@hookimpl
def register_segmenters(register: Any) -> None:
    note("register_segmenters", register=register)
    register("buyers", Buyers)


@hookimpl
def register_recommenders(register: Any) -> None:
    note("register_recommenders", register=register)
    register("alphabetical", Alphabetical)


@hookimpl
def register_offer_policies(register: Any) -> None:
    note("register_offer_policies", register=register)
    register("generous", Generous)


@hookimpl
def register_suppressions(register: Any) -> None:
    note("register_suppressions", register=register)
    register("holidays", OnHoliday)


@hookimpl
def register_channels(register: Any) -> None:
    note("register_channels", register=register)
    register("listed", Listed)


@hookimpl
def register_template_filters(register: Any) -> None:
    note("register_template_filters", register=register)
    register("shout", str.upper)


@hookimpl
def run_started(campaign: str, run_id: str, audience: int) -> None:
    note("run_started", campaign=campaign, run_id=run_id, audience=audience)


@hookimpl
def decisions_made(campaign: str, run_id: str, decisions: Any) -> None:
    note("decisions_made", campaign=campaign, run_id=run_id, decisions=decisions)


@hookimpl
def messages_sent(receipts: Any) -> None:
    note("messages_sent", receipts=receipts)


@hookimpl
def events_recorded(table: str, rows: int, quarantined: int) -> None:
    note("events_recorded", table=table, rows=rows, quarantined=quarantined)


@hookimpl
def run_finished(campaign: str, run_id: str, account: Any, figures: Any) -> None:
    note("run_finished", campaign=campaign, run_id=run_id, account=account, figures=figures)
