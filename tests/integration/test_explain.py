"""What `explain` says over the toy shop, worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from support.toy_project import CAMPAIGN, CONFIG, deliver, start, toy_project

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Table, Text
from automation.reporting.explain import explain
from automation.reporting.explanation import Explanation
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import Workspace

RULES = """
audience:
  all:
    - {did: purchase, times: at least 2}
    - not: {trait: tier, is: gold}
    - {did_not: purchase, in_the_last: 25d, sum: at least 20 EUR}
    - any:
        - {segment: rich}
        - {not_contacted: 30d}
"""
SEGMENT = "segments:\n  rich: {trait: points, at_least: 500}\n"


def with_rules(root: Path, rules: str = RULES) -> Workspace:
    campaign = CAMPAIGN.replace("audience: {did: purchase}\n", rules.lstrip())
    return toy_project(root, campaign=campaign, config=CONFIG.replace("segments:\n", SEGMENT))


def table(found: Explanation, title: str = "audience") -> list[tuple[str, ...]]:
    """The rows of the printed table: rule, holds, because."""
    (block,) = [b for b in explain_blocks(found) if isinstance(b, Table) and b.columns[0] == title]
    return [tuple(map(str, row[1:])) for row in block.rows]


def facts(found: Explanation) -> list[str]:
    (block,) = [b for b in explain_blocks(found) if isinstance(b, Table) and b.columns == ("", "")]
    return [f"{name}: {value}" for name, value in block.rows]


def test_every_line_says_whether_it_holds_as_written_and_every_no_has_its_figure(tmp_path: Path) -> None:
    with with_rules(tmp_path) as shop:
        gold, once = table(explain(shop, "toy", "c1")), table(explain(shop, "toy", "c5"))
    assert gold == [
        ("did: purchase, times: at least 2", "yes", "needs at least 2, has 3"),
        ("not: {trait: tier, is: gold}", "no", "gold"),
        # c1's one purchase in 25 days came to 9.90
        ("did_not: purchase, in_the_last: 25d, sum: at least 20 EUR", "yes",
         "1 time, the last on 2026-03-20 (p5 Mug); sum: needs less than 20 EUR, has 9.90 EUR"),
        ("any of these", "yes", ""),
        ("  segment: rich", "no", "not in the segment"),
        ("    trait: points, at_least: 500", "no", "needs at least 500, has 320"),
        ("  not_contacted: 30d", "yes", "never contacted"),
    ]  # fmt: skip
    assert once[0] == ("did: purchase, times: at least 2", "no", "needs at least 2, has 1")
    assert once[1] == ("not: {trait: tier, is: gold}", "yes", "silver")


@pytest.mark.slow
def test_a_run_keeps_its_values_and_what_has_changed_is_said(tmp_path: Path) -> None:
    with with_rules(tmp_path) as shop:
        start(shop)  # c2 and c7 bought twice and are not gold
        before = table(explain(shop, "toy", "c2"))
        warehouse = shop.warehouse()
        customers = warehouse.table("customers").to_polars()
        own = customers.filter(pl.col("customer_id") == "c2").with_columns(tier=pl.lit("gold"))
        warehouse.upsert("customers", own)
        warehouse.close()
        after = table(explain(shop, "toy", "c2"))
    assert before[0] == ("did: purchase, times: at least 2", "yes", "needs at least 2, has 2")
    assert before[1] == ("not: {trait: tier, is: gold}", "yes", "silver")
    assert before[-1] == ("  not_contacted: 30d", "yes", "never contacted")  # as of the run, not after it
    assert after[1] == (before[1][0], "yes", "as the run recorded it; the data has changed since")


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_file_of_values_that_is_gone_is_said_and_explains_the_rest(tmp_path: Path, damage: str) -> None:
    with with_rules(tmp_path) as shop:
        run_id = start(shop)
        file = shop.audience_file(run_id)
        file.unlink() if damage == "missing" else file.write_bytes(b"PAR1 nothing")
        found = explain(shop, "toy", "c2")
    assert Text("audience: what the run recorded can't be read") in explain_blocks(found)
    assert "decided: message: chosen by the campaign" in facts(found)


@pytest.mark.slow
def test_a_refusal_has_its_source_and_date(tmp_path: Path) -> None:
    """c2 refused and never agreed, c3 withdrew, nothing is on record of c4, c5's address bounced."""
    with toy_project(tmp_path) as shop:
        at = TOY_AS_OF - timedelta(days=3)
        with shop.store.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM consent WHERE customer_id IN ('c2', 'c4')")
            connection.exec_driver_sql("DELETE FROM consent_record WHERE customer_id IN ('c2', 'c4')")
            for customer, source in (("c2", "the till"), ("c3", "preference centre")):
                when = at if customer == "c2" else TOY_AS_OF
                consent.record(
                    connection, [customer], channel="email", topic="promotions", granted=False, at=when, source=source,
                    method="form",
                )  # fmt: skip
            consent.suppress(
                connection, ["eve@example.com"], channel="email", reason="hard_bounce", source="mx.example", now=at
            )
        start(shop)
        found = {name: facts(explain(shop, "toy", name))[:2] for name in ("c2", "c3", "c4", "c5")}
    assert found["c2"] == [
        "decided: suppressed: consent for this channel and topic was refused, and never given",
        "because: consent to promotions by email refused on 2026-03-27 by form; source: the till",
    ]
    assert found["c3"] == [
        "decided: suppressed: consent for this channel and topic was withdrawn",
        "because: consent to promotions by email withdrawn on 2026-03-30 by form; source: preference centre",
    ]
    assert found["c4"] == ["decided: suppressed: no consent for this channel and topic", "detail: email"]
    assert found["c5"] == [
        "decided: suppressed: the address is on the suppression list",
        "because: eve@example.com is on the suppression list since 2026-03-27: the address does not exist or "
        "permanently rejects our messages; source: mx.example",
    ]


RANKED = CAMPAIGN.replace("audience: {did: purchase}", "audience: {top: 2, by: points}") + "reentry: never\n"


def printed(found: Explanation) -> list[str]:
    return [block.text for block in explain_blocks(found) if isinstance(block, Text)]


@pytest.mark.slow
def test_top_shows_the_place_the_value_and_the_cut(tmp_path: Path) -> None:
    """By points: c3 540.5, c1 320, c2 120, c7 60 (without an address), c6 5, c4 0; c5 and c8 have none."""
    with toy_project(tmp_path, campaign=RANKED) as shop:
        (never,) = [text for text in printed(explain(shop, "toy", "c2")) if text.startswith("not in")]
        start(shop)
        found = {f"c{n}": explain(shop, "toy", f"c{n}") for n in (2, 3, 4, 5, 7)}
        texts = {name: printed(one) for name, one in found.items()}
    assert never == (
        "not in the audience now: the rules hold, but only the best are taken; a run now would take 2 of 6 by points; "
        "this customer is 3rd with 120.00, the last one taken has 320.00; no run has decided yet"
    )
    ran = "run 1 (by hand 2026-03-30 11:00 CEST) took 2 of 6 by points; this customer"
    now = "a run now would take 2 of 6 by points; this customer"
    best = "not in the audience now: the rules hold, but only the best are taken"
    assert texts["c3"][1:3] == [
        "audience: everyone",
        "the run took 2 of 6 by points; this customer is 1st with 540.50, the last one taken has 320.00",
    ]
    # c3 and c1 got it, so that the next run takes c2 and, past c7, c6
    assert f"would be in the audience now; {now} is 3rd with 120.00, the last one taken has 5.00; " \
           f"{ran} is 3rd with 120.00, the last one taken has 320.00" in texts["c2"]  # fmt: skip
    assert f"{best}; {now} is 6th with 0.00, the last one taken has 5.00; " \
           f"{ran} is 6th with 0.00, the last one taken has 320.00" in texts["c4"]  # fmt: skip
    assert any(f"{best}; {now} has no points" in text for text in texts["c5"])
    assert any(
        f"{now} is 4th with 60.00, but was passed over: no address for any of the campaign's channels" in text
        for text in texts["c7"]
    )
    place = found["c4"].place
    assert place is not None
    assert (place.rank, place.value, place.ranked, place.taken, place.cut, place.is_taken) == (6, 0.0, 6, 2, 5.0, False)


@pytest.mark.slow
def test_a_sample_says_that_it_was_drawn_and_who_was_not(tmp_path: Path) -> None:
    campaign = CAMPAIGN.replace("audience: {did: purchase}", "audience: {did: purchase, sample: 50%}")
    with toy_project(tmp_path, campaign=campaign) as shop:
        before = explain(shop, "toy", "c1")
        start(shop)
        found = {f"c{n}": explain(shop, "toy", f"c{n}") for n in (1, 2, 3, 4, 5, 7)}
    assert (before.member, before.reason) == (
        None,
        "the rules hold; each run draws 50% of the customers for whom the rules hold",
    )
    assert before.standing == ["no run has decided yet"]
    drawn = {name for name, one in found.items() if one.decision is not None}
    assert drawn
    assert found.keys() - drawn
    for name in found.keys() - drawn:
        assert found[name].standing[-1] == (
            "run 1 (by hand 2026-03-30 11:00 CEST) took a sample of 50%, and this customer was not drawn"
        )


def test_a_customer_for_tests_is_in_no_audience(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=CONFIG + "testing: {customers: [c1]}\n") as shop:
        found = explain(shop, "toy", "c1")
    assert (found.member, found.reason) == (
        False,
        "a customer for tests (testing.customers in config.yaml), who is in no audience",
    )


def test_products_have_their_names_beside_their_ids(tmp_path: Path) -> None:
    with toy_project(tmp_path) as shop:
        start(shop)
        deliver(shop)
        (block,) = [
            b for b in explain_blocks(explain(shop, "toy", "c1"))
            if isinstance(b, Table) and b.columns[0] == "recommended"
        ]  # fmt: skip
    assert {row[0] for row in block.rows} == {"p3 Espresso Beans", "p4 Filter Coffee"}


@pytest.mark.slow
def test_re_entry_names_the_run_before(tmp_path: Path) -> None:
    from support.toy_project import again

    with toy_project(tmp_path, campaign=CAMPAIGN + "reentry: after 7d\n") as shop:
        run_id = start(shop)
        deliver(shop, after=timedelta(days=1))
        again(shop, key="2")
        found = facts(explain(shop, "toy", "c1"))
    assert found[:2] == [
        "decided: suppressed: was in this campaign too recently",
        f"because: was in run {run_id} of toy on 2026-03-30",
    ]
