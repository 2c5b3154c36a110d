"""A customer's profile and last order in texts: in every kind of message, and as it was decided."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from support.toy_project import CAMPAIGN, CONFIG, account_of, deliver, message_to, start, toy_project

from automation.reporting.previews import preview_customer, sent_message
from automation.runner.plan import plan
from automation.runner.validation import validate
from automation.store.ledger import decisions
from automation.testing.toy_shop import TOY_AS_OF, toy_products
from automation.types.message import Rendered
from automation.types.run import Account
from automation.workspace.workspace import Workspace

SMS = """
  sms:
    using: http_sms
    options: {url: "https://sms.example/send", sender: Toy, json_body: {to: "{to}", text: "{text}"},
      responses: [{status: [2xx], verdict: sent}]}
"""
ORDER = """{% if last_order %}<p>{{ text.order }}</p>
{% for line in last_order.lines %}<p>{{ line.quantity }} × <a href="{{ line.url|default(shop.url) }}">
{{ line.name|default(line.product_id) }}</a>{% if line.price is not none %}, {{ line.price|money }}{% endif %}</p>
{% endfor %}{% endif %}<p>{{ text.favourite }} ({{ profile.lifecycle }})</p>
<p><a href="{{ links.unsubscribe }}">unsubscribe</a> {{ shop.address }}</p>
"""
EN = """
subject: Hello {{ customer.first_name }}, order {{ profile.orders|default(0) + 1 }}?
order: "{{ last_order.day|date }}, {{ last_order.days_since }} days ago, {{ last_order.total|default(0)|money }}"
favourite: "{% if profile.top_category %}You like {{ profile.top_category }}{% else %}New here?{% endif %}"
"""
FR = """
subject: Bonjour {{ customer.first_name }}
order: "le {{ last_order.day|date }}, {{ last_order.total|default(0)|money }}"
favourite: Bonne journée
"""
TEXT = (
    "{{ text.favourite }}. {% if last_order %}{{ text.order }}: {{ last_order.lines[0].name|default('?') }}{% endif %}"
)
EVERYBODY = CAMPAIGN.replace("{did: purchase}", "everyone").replace(", utm: {campaign: spring}", "")


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    """The toy shop whose texts show all of it; p5, Chloé's last purchase, has left the catalogue."""
    config = CONFIG.replace("channels:", f"channels:{SMS.rstrip()}")
    write(tmp_path)
    with toy_project(tmp_path, config=config, campaign=EVERYBODY, body=ORDER) as workspace:
        write(tmp_path)
        rest = toy_products().with_columns(name=pl.when(pl.col("product_id") != "p5").then("name"))
        warehouse = workspace.warehouse()
        warehouse.upsert("products", rest)
        warehouse.close()
        yield workspace


def write(root: Path) -> None:
    for folder in ("campaigns", "templates/toy"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "templates/toy/en.yaml").write_text(EN)
    (root / "templates/toy/fr.yaml").write_text(FR)
    (root / "templates/toy/sms.txt").write_text(TEXT)
    sms = EVERYBODY.replace("name: toy", "name: sms").replace("channels: [email]", "channels: [sms]")
    (root / "campaigns/sms.yaml").write_text(sms)


@pytest.mark.slow
def test_what_customers_read_in_a_preview_in_a_plan_and_in_the_end(toy: Workspace) -> None:
    """Chloé buys again and a product is renamed between the planning and the sending, and again after it."""
    assert [str(problem) for problem in validate(toy.project.root).problems if "templates/toy" in problem.file] == []
    shown = {name: preview_customer(toy, "toy", name).message for name in ("c3", "c4", "c6")}
    assert [shown[name].subject for name in shown] == ["Bonjour Chloé", "Hello Dev, order 2?", "Hello Finn, order 1?"]
    assert said(shown["c4"]) == (
        "15 March 2026, 14 days ago, €26.00 1 × Espresso Beans, €14.00 1 × Filter Coffee, €12.00 You like coffee (new)"
    )
    assert said(shown["c3"]) == "le 10 mars 2026, 19,80 € 2 × p5, 9,90 € Bonne journée (active)"
    assert said(shown["c6"]) == "New here? (never_bought)", "who never bought has no order"
    sms = preview_customer(toy, "sms", "c1").message
    assert (sms.channel, sms.text) == ("sms", "You like tea. 20 March 2026, 10 days ago, €9.90: ?")
    found = plan(toy, "toy", samples=8)
    assert (found.preflight.rendered, list(found.preflight.errors)) == (7, [])
    planned = {sample.customer_id: sample.rendered for sample in found.samples if sample.rendered is not None}
    assert {name: planned[name].html for name in shown} == {name: message.html for name, message in shown.items()}

    run_id = start(toy)
    change(toy, "first")
    deliver(toy, after=timedelta(hours=2))
    assert account_of(toy, run_id) == Account(audience=8, unreachable=1, sent=7)
    change(toy, "second")
    assert {name: said(sent_message(toy, identity).message) for name, identity in identities(toy).items()} == {
        name: said(planned[name]) for name in planned
    }
    assert "le 29 mars 2026" in preview_customer(toy, "toy", "c3").message.html


def said(message: Rendered) -> str:
    """What the mail says above its footer, without its elements."""
    return " ".join(re.sub("<[^>]+>", "", message.html.partition('<p><a href="mailto:')[0]).split())


def change(workspace: Workspace, name: str) -> None:
    warehouse = workspace.warehouse()
    warehouse.upsert("products", toy_products().with_columns(name=pl.lit(name)))
    warehouse.append_events(
        pl.DataFrame(
            {
                "event_id": [name], "customer_id": ["c3"], "type": ["purchase"], "product_id": ["p6"], "amount": [39.0],
                "occurred_at": [TOY_AS_OF - timedelta(days=1)],
            }
        )
    )  # fmt: skip
    warehouse.close()


def identities(workspace: Workspace) -> dict[str, str]:
    with workspace.store.reading() as connection:
        found = decisions.find(connection, campaign="toy")
    return {row.customer_id: str(row.message_id) for row in found if row.message_id is not None}


def test_only_what_texts_use_is_kept_with_a_message(tmp_path: Path) -> None:
    body = "{{ profile.lifecycle }} {% if last_order %}{{ last_order.lines[0].quantity }}{% endif %}"
    with toy_project(tmp_path, body=body) as workspace:
        run_id = start(workspace)
        with workspace.store.reading() as connection:
            kept = [json.loads(row[0]) for row in connection.execute(sa.text("SELECT context FROM message"))]
        assert not workspace.values_file(run_id).exists(), "every batch is planned"
    (dev,) = (one for one in kept if one["customer"]["customer_id"] == "c4")
    assert dev["profile"] == {"lifecycle": "new"}
    assert dev["last_order"] == {
        "day": "2026-03-15",
        "lines": [
            {"product_id": "p3", "quantity": 1.0, "amount": 14.0},
            {"product_id": "p4", "quantity": 1.0, "amount": 12.0},
        ],
    }


def test_texts_without_such_values_read_and_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.warehouse.shown_values._values", None)
    with toy_project(tmp_path) as plain:
        start(plain)
        with plain.store.reading() as connection:
            kept = [json.loads(row[0]) for row in connection.execute(sa.text("SELECT context FROM message"))]
    assert {frozenset(one) for one in kept} == {frozenset({"customer", "language"})}


HOSTILE = {"p1": {"category": "<b>www.evil.example</b>"}, "p2": {"name": "<script>"}, "p5": {"url": "http://["}}


def test_hostile_values_are_shown_harmlessly_or_fail_alone(tmp_path: Path) -> None:
    """Eve bought p1 last, Ben p2; Ana and Chloé p5, whose link no message can have."""
    body = "<p>{{ profile.top_category|default('') }}{% if last_order %} {{ last_order.lines[0].name }}{% endif %}</p>"
    rows = [{**row, **HOSTILE.get(row["product_id"], {})} for row in toy_products().to_dicts()]
    alone = re.sub("recommend:.*\n", "", CAMPAIGN)
    with toy_project(tmp_path, campaign=alone, body=body.replace("].name", "].name|default('')")) as toy:
        warehouse = toy.warehouse()
        warehouse.upsert("products", pl.DataFrame(rows, schema=toy_products().schema))
        warehouse.close()
        run_id = start(toy)
        deliver(toy)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=3, failed=2)
        assert "&lt;b&gt;www. evil. example&lt;/b&gt; Green Tea" in message_to(toy, "eve@example.com")[1]
        assert "&lt;script&gt;" in message_to(toy, "ben@example.com")[1]


def test_a_trait_that_the_data_does_not_have_is_found_before_anybody_gets_the_text(tmp_path: Path) -> None:
    """Every message would fail of the first; the second says what to write instead."""
    body = "{{ customer.tier|default('') }}\n<p>{{ customer.fist_name }}</p>{{ customer.teir|default('new') }}"
    with toy_project(tmp_path, body=body) as toy:
        problems = validate(toy.project.root).problems
    assert [problem.severity for problem in problems] == ["error", "warning"]
    first, second = map(str, problems)
    assert first.startswith("templates/toy/email.html:2:1: {{ customer.fist_name }}: there is no trait 'fist_name'; ")
    assert first.endswith("(did you mean 'first_name'?)")
    assert second.startswith("templates/toy/email.html:2:1: {{ customer.teir|default('new') }}: there is no ")
    assert second.endswith("(did you mean 'tier'?)")
