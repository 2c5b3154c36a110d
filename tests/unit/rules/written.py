"""Conditions and snapshots for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import ibis
import polars as pl
from unit.rules.oracle import Shop

from automation.contracts import Snapshot
from automation.plugin_manager import Registry
from automation.rules import core
from automation.types.condition import Condition, Group, Leaf, Measure

TEXT, NUMBER, DAY, INSTANT = pl.String(), pl.Float64(), pl.Date(), pl.Datetime("us", "UTC")
CUSTOMERS = {
    "customer_id": TEXT,
    "country": TEXT,
    "timezone": TEXT,
    "points": NUMBER,
    "currency": TEXT,
    "vip": pl.Boolean(),
    "birthday": DAY,
    "created_at": INSTANT,
    "tags": TEXT,
    "home_city": TEXT,
    "interests": pl.List(TEXT),
    "address": pl.Struct({"city": TEXT}),
}
PRODUCTS = {
    **dict.fromkeys(("product_id", "category", "brand"), TEXT),
    "price": NUMBER,
    "currency": TEXT,
    "stock": NUMBER,
}
EVENTS = {
    **dict.fromkeys(("event_id", "customer_id", "type"), TEXT),
    "occurred_at": INSTANT,
    **dict.fromkeys(("product_id", "order_id"), TEXT),
    "quantity": NUMBER,
    "amount": NUMBER,
    **dict.fromkeys(("currency", "campaign", "message_id"), TEXT),
}
PROFILES = {
    "customer_id": TEXT,
    "recency_days": NUMBER,
    "frequency": pl.Int64(),
    "monetary": NUMBER,
    "discount_share": NUMBER,
}
DECISIONS = {**dict.fromkeys(("customer_id", "campaign", "outcome", "message_id"), TEXT), "decided_at": INSTANT}
SEGMENT = {"customer_id": TEXT, "label": TEXT, "score": NUMBER}


def core_registry() -> Registry:
    """The core's rules without any plugin."""
    registry = Registry()
    core.register_rules(lambda name, rule: registry.components["rules"].__setitem__(name, (rule, "core")))
    return registry


def read(written: Mapping[str, Any], registry: Registry, path: str = "audience") -> Condition:
    """The condition as `config` would read it."""
    for kind in ("all", "any"):
        if kind in written:
            parts = [read(part, registry, f"{path}.{kind}[{n}]") for n, part in enumerate(written[kind], 1)]
            return Group(kind, tuple(parts))
    if "not" in written:
        return Group("not", (read(written["not"], registry, f"{path}.not"),))
    (key,) = set(registry.names("rules")) & written.keys()
    options = registry.find("rules", key).Options.model_validate(written)
    return Leaf(key, options, path, json.dumps(written))


def snapshot_of(shop: Shop) -> Snapshot:
    """The oracle's shop as lazy tables in memory."""

    def table(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, pl.DataType]) -> Any:
        return ibis.memtable(pl.DataFrame([dict(row) for row in rows], schema=dict(schema)))

    segments = {
        name: table(
            [{"customer_id": who, "label": label, "score": score} for who, (label, score) in found.items()], SEGMENT
        )
        for name, found in shop.segments.items()
    }
    return Snapshot(
        as_of=shop.as_of,
        version="small",
        replayable=True,
        connection=ibis.get_backend(),
        customers=table(shop.customers, CUSTOMERS),
        products=table(shop.products, PRODUCTS),
        events=table(shop.events, EVENTS),
        measure_profiles=cache(partial(table, shop.profiles, PROFILES)),
        decisions=table(shop.decisions, DECISIONS),
        segments=segments,
        timezone=shop.timezone,
    )


def read_ranking(by: str | Mapping[str, Any], registry: Registry) -> str | Measure:
    """`by` as `config` would read it."""
    if isinstance(by, str):
        return by
    kind = next((name for name in ("sum", "average", "distinct") if name in by), "times")
    events = read({name: said for name, said in by.items() if name != kind}, registry)
    attribute = by.get(kind)
    assert isinstance(events, Leaf)
    return Measure(kind, {"product": "product_id", "order": "order_id"}.get(attribute, attribute), events)  # type: ignore[arg-type]
