"""One product, customer or template value that can't be shown: its message fails alone, with the reason."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from support.toy_project import BODY, CAMPAIGN, CONFIG, deliver, outbox, start, toy_project

from automation.testing.toy_shop import toy_customers, toy_products
from automation.workspace.workspace import Workspace

OUTCOME = "decision.customer_id, state, s.reason"
TRACKED = CONFIG + "links: {base_url: 'https://news.toy.example'}\n"


def rows(workspace: Workspace, columns: str) -> list[tuple[str, ...]]:
    joined = "message_status s JOIN decision ON decision.id = decision_id"
    query = f"SELECT {columns} FROM {joined} ORDER BY decision.customer_id"
    with workspace.store.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def rename(workspace: Workspace, name: str) -> None:
    """Ana's first name."""
    ana = pl.col("customer_id") == "c1"
    with_name = toy_customers().with_columns(first_name=pl.when(ana).then(pl.lit(name)).otherwise("first_name"))
    warehouse = workspace.warehouse()
    warehouse.upsert("customers", with_name)
    warehouse.close()


@pytest.mark.parametrize(("url", "utm"), [("http://[", ", utm: {campaign: spring}"), ("https://toy.example\\@x/", "")])
def test_a_product_s_broken_link_fails_the_messages_that_show_it(tmp_path: Path, url: str, utm: str) -> None:
    """An import refuses such a link, but a shop's own warehouse may have it."""
    with toy_project(tmp_path, campaign=CAMPAIGN.replace(", utm: {campaign: spring}", utm)) as toy:
        warehouse = toy.warehouse()
        addresses = [url if number == 3 else f"https://toy.example/p{number}" for number in range(1, 7)]
        warehouse.upsert("products", toy_products().with_columns(pl.Series("url", addresses)))
        warehouse.close()
        start(toy)
        deliver(toy)
        found = rows(toy, "decision.customer_id, state, s.reason, items")
    shown = {customer: '"p3"' in items for customer, _, _, items in found}
    assert set(shown.values()) == {True, False}
    assert {customer: state for customer, state, *_ in found} == {
        customer: "failed" if bad else "sent" for customer, bad in shown.items()
    }
    reasons = {reason for _, state, reason, _ in found if state == "failed"}
    assert reasons == {f"can't be rendered: product 'p3': its url {url!r} is not a web link"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{{ customer.points / 0 }}", "ZeroDivisionError"),
        ("{{ '%999999999d' is odd }}", "the test 'odd' needs a number, not a text"),
        ("{{ items|upper }}", "the filter 'upper' needs a text or a number, not a list"),
    ],
)
def test_whatever_a_template_does_with_one_customer_s_values(tmp_path: Path, body: str, why: str) -> None:
    guarded = f"{{% if customer.first_name == 'Ana' %}}{body}{{% endif %}}"
    with toy_project(tmp_path, body=BODY + guarded) as toy:
        start(toy)
        deliver(toy)
        found = {customer: (state, reason) for customer, state, reason in rows(toy, OUTCOME)}
    assert found["c1"][0] == "failed"
    assert why in found["c1"][1]
    assert {state for customer, (state, _) in found.items() if customer != "c1"} == {"sent"}


def test_a_name_that_is_a_link_is_neither_followed_nor_counted(tmp_path: Path) -> None:
    body = '<p>Hello {{ customer.first_name }}, <a href="https://toy.example/new">new</a></p>'
    with toy_project(tmp_path, config=TRACKED, body=body) as toy:
        rename(toy, "https://evil.example/win")
        start(toy)
        deliver(toy)
        (line,) = [line for line in outbox(toy) if line["to"] == "ana@example.com"]
        raw = (tmp_path / "var/outbox" / line["path"]).read_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == "Hello https: //evil. example/win"
    for kind in ("html", "plain"):
        part = message.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert "Hello https: //evil. example/win" in text
        assert "evil.example" not in text
        assert text.count("https://news.toy.example/c/") == 1, "only the link of the template is counted"


def test_half_a_character_fails_its_own_message(tmp_path: Path) -> None:
    """No border of ours lets one in; the ledger may still hold one, from a plugin's data."""
    with toy_project(tmp_path) as toy:
        start(toy)
        broken = "UPDATE message SET context = replace(context, '\"Ana\"', '\"\\ud800\"') WHERE customer_id = 'c1'"
        with toy.store.transaction() as connection:
            connection.execute(sa.text(broken))
        deliver(toy)
        found = {customer: (state, reason) for customer, state, reason in rows(toy, OUTCOME)}
    assert found["c1"] == ("failed", "can't be rendered: a text contains half of a character (a lone surrogate)")
    assert {state for customer, (state, _) in found.items() if customer != "c1"} == {"sent"}
