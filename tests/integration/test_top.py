"""`top` over the toy shop: the best of those who can get the message, and on the next day the next best."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from support.toy_project import account_of, again, deliver, start, toy_project

from automation.pipeline.top import Narrowed, rank_file
from automation.runner.plan import plan
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account
from automation.workspace.workspace import Workspace

# By points: c3 540.5, c1 320, c2 120, c7 60 (without an address), c6 5, c4 0; c5 and c8 have none.
CAMPAIGN = """
name: toy
topic: promotions
schedule: {{every: day 09:00}}
reentry: {reentry}
audience: {{{audience}}}
send: {{channels: [email], template: toy}}
"""
BODY = "<p>Hello {{ customer.first_name }} <a href='{{ links.unsubscribe }}'>unsubscribe</a></p>"


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[list[Workspace]]:
    opened: list[Workspace] = []
    yield opened
    for workspace in opened:
        workspace.__exit__()


def shop_of(root: Path, shops: list[Workspace], audience: str, reentry: str = "never") -> Workspace:
    shops.append(toy_project(root, campaign=CAMPAIGN.format(audience=audience, reentry=reentry), body=BODY))
    return shops[-1]


def withdraw(toy: Workspace, customer: str) -> None:
    with toy.store.transaction() as connection:
        consent.record(
            connection, [customer], channel="email", topic="promotions", granted=False, at=TOY_AS_OF, source="test"
        )


def contacted(toy: Workspace, run_id: int) -> set[str]:
    with toy.store.reading() as connection:
        rows = decisions.find(connection, run_id=run_id)
    return {row.customer_id for row in rows if row.outcome == "message"}


def test_the_next_run_takes_the_next_best(tmp_path: Path, shops: list[Workspace]) -> None:
    toy = shop_of(tmp_path, shops, "top: 2, by: points")

    found = [contacted(toy, start(toy)), *(contacted(toy, again(toy, key=f"day {n}")) for n in range(2, 5))]

    assert found == [{"c3", "c1"}, {"c2", "c6"}, {"c4"}, set()]


def test_the_best_100_get_100_messages(tmp_path: Path, shops: list[Workspace]) -> None:
    """Who withdrew consent or has no address leaves the place to the next."""
    toy = shop_of(tmp_path, shops, "top: 3, by: points")
    withdraw(toy, "c1")

    planned = plan(toy, "toy")

    assert (planned.audience, planned.outcomes) == (3, {("message", "selected"): 3})
    assert planned.top == Narrowed(ranked=6, taken=3, passed_over={"no_address": 1, "consent_withdrawn": 1})
    run_id = start(toy)
    deliver(toy, after=timedelta(minutes=1))
    assert account_of(toy, run_id) == Account(audience=3, sent=3)
    assert contacted(toy, run_id) == {"c3", "c2", "c6"}


def test_everyone_means_whether_or_not_they_can_be_reached(tmp_path: Path, shops: list[Workspace]) -> None:
    toy = shop_of(tmp_path, shops, "top: 3, by: points, top_of: everyone")
    withdraw(toy, "c1")

    planned = plan(toy, "toy")

    assert planned.outcomes == {("message", "selected"): 2, ("suppressed", "consent_withdrawn"): 1}
    assert planned.top == Narrowed(ranked=6, taken=3, passed_over={})


@pytest.mark.parametrize(
    ("audience", "found"),
    [
        ("top: 50%, by: points", {"c3", "c1", "c2"}),  # 5 can be reached: half of them is 2.5, a part counts as one
        ("top: 20%, by: points", {"c3"}),
        ("top: 1%, by: points", {"c3"}),
        ("top: 100%, by: points", {"c3", "c1", "c2", "c6", "c4"}),
        ("top: 50%, by: points, top_of: everyone", {"c3", "c1", "c2"}),  # of 6
        ("top: 34%, by: points, top_of: everyone", {"c3", "c1", "c2"}),  # 2.04 of 6
        ("did: view, top: 1, by: {did: view}", {"c6"}),  # c6 viewed three times, c1 once
        ("top: 2, by: {did: purchase, distinct: product}", {"c1", "c3"}),  # 3 each, ahead of c2 with 2
    ],
)
def test_a_share_is_of_those_it_is_taken_from(
    tmp_path: Path, shops: list[Workspace], audience: str, found: set[str]
) -> None:
    toy = shop_of(tmp_path, shops, audience)

    assert contacted(toy, start(toy)) == found


def test_an_address_has_one_place(tmp_path: Path, shops: list[Workspace]) -> None:
    """c1 shares the address of c3, who ranks higher."""
    toy = shop_of(tmp_path, shops, "top: 2, by: points")
    warehouse = toy.warehouse()
    customers = warehouse.snapshot(TOY_AS_OF).customers.to_polars()
    twins = customers.with_columns(
        pl.when(pl.col("customer_id") == "c1").then(pl.lit("CHLOE@example.com")).otherwise("email").alias("email")
    )
    warehouse.upsert("customers", twins)
    warehouse.close()

    run_id = start(toy)

    assert contacted(toy, run_id) == {"c3", "c2"}
    places = pl.read_parquet(rank_file(toy.audience_file(run_id))).select("customer_id", "rank", "reason", "taken")
    assert places.rows() == [
        ("c3", 1, None, True),
        ("c1", 2, "duplicate_address", False),
        ("c2", 3, None, True),
        ("c7", 4, "no_address", False),
        ("c6", 5, None, False),
        ("c4", 6, None, False),
    ]


def test_chunks_do_not_change_who_is_taken(
    tmp_path: Path, shops: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.pipeline.top._CHUNK", 1)
    toy = shop_of(tmp_path, shops, "top: 4, by: points")

    run_id = start(toy)

    assert contacted(toy, run_id) == {"c3", "c1", "c2", "c6"}
    places = pl.read_parquet(rank_file(toy.audience_file(run_id)))
    assert dict(places.select("customer_id", "reason").iter_rows())["c4"] is None
