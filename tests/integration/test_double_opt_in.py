"""Double opt-in from the word to the confirmation, through the real ledger and a real channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import polars as pl
import pytest
from support.tokens import token_of
from support.toy_project import CONFIG, deliver, outbox, toy_project
from support.web import KEY, Shop, serving

from automation.clock import ManualClock, to_millis
from automation.demo.starter import copy_starter
from automation.ids import message_of_token
from automation.inbound.consents import accept_consents
from automation.messages.template.files import TemplateError
from automation.reporting.run_status import run_status
from automation.runner.campaign_status import campaign_statuses
from automation.runner.double_opt_in import request_confirmations
from automation.runner.run import advance
from automation.store.people import consent, double_opt_in, suppressions
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

BODY = """<p>Hello {{ customer.first_name|default("you") }}: <a href="{{ links.confirm }}">yes</a></p>"""
DOUBLE = """
links: {base_url: "https://news.toy.example"}
consent:
  double_opt_in:
    promotions: {template: confirm, topic: service}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "templates/confirm"
    folder.mkdir(parents=True)
    (folder / "email.html").write_text(BODY)
    (folder / "en.yaml").write_text("subject: Please confirm\n")
    (folder / "de.yaml").write_text("subject: Bitte bestätigen\n")
    with toy_project(tmp_path, config=CONFIG + DOUBLE) as made:
        yield made


def say_yes(workspace: Workspace, *people: tuple[str, str], topic: str = "promotions") -> None:
    at = to_millis(TOY_AS_OF)
    rows = [(c, "email", topic, True, at, "form", "2026-05", "sign-up form", address) for c, address in people]
    with workspace.store.transaction() as connection:
        records = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
        accept_consents(workspace.project.settings, connection, records, by="test", now=TOY_AS_OF)


def work(workspace: Workspace) -> list[int]:
    made = [run.id for run in request_confirmations(workspace)]
    for run_id in made:
        advance(workspace, LaunchedCampaigns(workspace.project), run_id)
    deliver(workspace)
    return made


def states(workspace: Workspace) -> list[tuple[str, str]]:
    with workspace.store.reading() as connection:
        return [(one.customer_id, one.state) for one in double_opt_in.unconfirmed_requests(connection)]


def test_a_consent_is_asked_about_once_and_counts_when_confirmed(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "new1@toy.example"))
    with workspace.store.reading() as connection:
        assert consent.latest_record(connection, "new1", "email", "promotions") is None
    assert states(workspace) == [("new1", "pending")]
    (run_id,) = work(workspace)
    assert work(workspace) == []
    assert run_status(workspace, run_id).account == Account(audience=1, sent=1)
    (sent,) = outbox(workspace)
    assert (sent["to"], sent["subject"]) == ("new1@toy.example", "Please confirm")
    body = next((workspace.project.root / "var/outbox/new").iterdir()).read_text()
    (token,) = set(re.findall(r"/confirm/(\w+\.\w+)", body.replace("=\n", "")))
    assert message_of_token(workspace.store.secret, "confirm", token) == sent["id"]
    with workspace.store.transaction() as connection:
        (confirmed,) = double_opt_in.confirm_requests(connection, sent["id"], at=TOY_AS_OF + timedelta(hours=1))
        found = consent.latest_record(connection, "new1", "email", "promotions")
    assert (confirmed.customer_id, confirmed.topic) == ("new1", "promotions")
    assert found is not None
    assert found.granted
    assert states(workspace) == []


def test_two_ids_with_one_address_are_asked_once_and_both_confirmed(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "Same@Toy.example"), ("new2", "same@toy.example "))
    work(workspace)
    (sent,) = outbox(workspace)
    with workspace.store.transaction() as connection:
        found = double_opt_in.confirm_requests(connection, sent["id"], at=TOY_AS_OF)
    assert [one.customer_id for one in found] == ["new1", "new2"]


def test_consent_for_a_topic_without_double_opt_in_counts_at_once(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "new1@toy.example"), topic="service")
    assert states(workspace) == []
    with workspace.store.reading() as connection:
        assert consent.latest_record(connection, "new1", "email", "service") is not None


def test_a_suppressed_address_is_not_asked_and_its_request_stays_pending(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "dead@toy.example"))
    with workspace.store.transaction() as connection:
        consent.suppress(
            connection, ["dead@toy.example"], channel="email", reason="hard_bounce", source="dsn", now=TOY_AS_OF
        )
    assert work(workspace) == []
    assert list(outbox(workspace)) == []
    assert states(workspace) == [("new1", "refused")]


@pytest.mark.parametrize(
    ("address", "topic", "reason", "asked"),
    [
        ("new1@toy.example", "", "complaint", False),
        ("new1@toy.example", "promotions", "manual", False),
        ("@toy.example", "", "manual", False),
        ("new1@toy.example", "", "unsubscribed", False),  # wants nothing at all
        ("new1@toy.example", "promotions", "unsubscribed", True),  # may come back
        ("new1@toy.example", "other", "manual", True),
    ],
)
def test_whom_a_suppression_keeps_from_being_asked(
    workspace: Workspace, address: str, topic: str, reason: str, asked: bool
) -> None:
    with workspace.store.transaction() as connection:
        suppressions.suppress(
            connection, [address], channel="email", topic=topic, reason=reason, source="test", now=TOY_AS_OF
        )
    say_yes(workspace, ("new1", "New1@toy.example"))
    work(workspace)
    assert len(list(outbox(workspace))) == asked


def move(workspace: Workspace, length: timedelta) -> None:
    assert isinstance(workspace.clock, ManualClock)
    workspace.clock.advance(length)


def test_an_address_is_asked_once_a_week_whatever_ids_come_with_it(workspace: Workspace) -> None:
    """Anybody can type it into a form, under ever new ids."""
    for number in range(6):
        say_yes(workspace, (f"new{number}", ("Same@Toy.example", " same@toy.example")[number % 2]))
        work(workspace)
        move(workspace, timedelta(days=1))
    (sent,) = outbox(workspace)
    assert [state for _, state in states(workspace)] == ["asked"] * 6
    with workspace.store.transaction() as connection:
        found = double_opt_in.confirm_requests(connection, sent["id"], at=workspace.clock.now())
    assert len(found) == 6  # the owner's answer settles them all


def test_after_the_answer_the_next_message_waits_for_the_next_week(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "same@toy.example"))
    work(workspace)
    (sent,) = outbox(workspace)
    with workspace.store.transaction() as connection:
        double_opt_in.confirm_requests(connection, sent["id"], at=workspace.clock.now())
    say_yes(workspace, ("new2", "same@toy.example"), ("new3", "other@toy.example"))
    work(workspace)
    assert [line["to"] for line in outbox(workspace)] == ["same@toy.example", "other@toy.example"]
    move(workspace, double_opt_in.ONCE_IN - timedelta(minutes=5))
    work(workspace)
    assert len(list(outbox(workspace))) == 2
    move(workspace, timedelta(minutes=10))
    work(workspace)
    assert [line["to"] for line in outbox(workspace)] == ["same@toy.example", "other@toy.example", "same@toy.example"]


def test_a_missing_template_leaves_the_request_pending(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "new1@toy.example"))
    for file in (workspace.project.root / "templates/confirm").iterdir():
        file.unlink()
    with pytest.raises(TemplateError, match="templates/confirm: there is no such template"):
        request_confirmations(workspace)
    assert states(workspace) == [("new1", "pending")]


def test_the_campaign_that_asks_is_shown_as_launched(workspace: Workspace) -> None:
    say_yes(workspace, ("new1", "new1@toy.example"))
    work(workspace)
    assert ("confirm-promotions-email", "launched") in [(c.name, c.state) for c in campaign_statuses(workspace)]


# Through the web app


def event(customer: str, type_: str = "consent_given", **attributes: str) -> dict[str, object]:
    at = TOY_AS_OF.isoformat()
    return {"event_id": f"{type_}{customer}", "customer_id": customer, "type": type_, "occurred_at": at,
            "attributes": {"topic": "promotions", **attributes}}  # fmt: skip


@pytest.fixture
def shop(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("SHOP_KEY", KEY)
    root = workspace.project.root
    (root / "config.yaml").write_text((root / "config.yaml").read_text() + "web: {consent_keys: ['${SHOP_KEY}']}\n")
    with serving(open_workspace(root, clock=workspace.clock)) as shop:
        yield shop


def post(shop: Shop, *events: dict[str, object]) -> httpx.Response:
    return shop.client.post("/events", json={"events": list(events)}, headers={"Authorization": f"Bearer {KEY}"})


def test_a_consent_event_is_confirmed_by_the_button_and_not_by_opening_the_link(shop: Shop) -> None:
    yes = event("new1", address="New1@Toy.example", source="pop-up")
    assert post(shop, yes).json()["accepted"] == 1
    assert post(shop, yes).json()["repeated"] == 1
    assert states(shop.workspace) == [("new1", "pending")]
    work(shop.workspace)
    (sent,) = outbox(shop.workspace)
    path = f"/confirm/{token_of(shop.workspace.store.secret, 'confirm', sent['id'])}"
    assert "promotions" in shop.client.get(path).text.lower()
    assert states(shop.workspace) == [("new1", "asked")]
    assert shop.client.post(path).status_code == 200
    with shop.workspace.store.reading() as connection:
        (word,) = consent.history(connection, ["new1"])
    assert (word.granted, word.topic, word.source, word.method) == (True, "promotions", "pop-up", "double opt-in")
    assert [found["type"] for found in shop.events()] == ["consent_given", "consent_given"]
    assert shop.client.post(path).status_code == 200
    assert len(shop.events()) == 2
    assert post(shop, yes).json()["repeated"] == 1
    assert states(shop.workspace) == []


def test_the_link_of_a_request_that_ended_says_so(shop: Shop) -> None:
    post(shop, event("new1", address="New1@Toy.example", source="pop-up"))
    work(shop.workspace)
    (sent,) = outbox(shop.workspace)
    path = f"/confirm/{token_of(shop.workspace.store.secret, 'confirm', sent['id'])}"
    move(shop.workspace, timedelta(days=30, minutes=1))
    for method in ("POST", "GET"):
        answer = shop.client.request(method, path)
        assert answer.status_code == 410
        assert "please sign up again" in answer.text
        assert "promotions" not in answer.text.lower()
    with shop.workspace.store.reading() as connection:
        assert consent.history(connection, ["new1"]) == []


def test_an_unsubscribe_event_counts_at_once_for_the_address(shop: Shop) -> None:
    assert post(shop, event("c1", "unsubscribe", address="C1@toy.example")).status_code == 200
    with shop.workspace.store.reading() as connection:
        assert consent.suppressed(connection, ["c1@toy.example"], "email", "promotions")


def test_a_consent_event_that_could_not_be_recorded_is_rejected(shop: Shop) -> None:
    answer = post(shop, event("new1"), event("new2", topic="news"), event("new3", channel="pigeon"))
    assert answer.status_code == 422
    assert [(one["field"], one["what"]) for one in answer.json()["rejected"]] == [
        ("attributes.address", "is needed: this topic has double opt-in, and the address is asked to confirm"),
        ("attributes.topic", "is not a topic of config.yaml: promotions, service"),
        ("attributes.channel", "is not a channel of config.yaml: email"),
    ]


def test_the_starters_own_template_asks_in_the_customers_language(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    copy_starter(root)
    config = (root / "config.yaml").read_text()
    for line in ("consent:", "  double_opt_in:", "    newsletter:"):
        assert config.count(f"# {line}") == 1
        config = config.replace(f"# {line}", line)
    (root / "config.yaml").write_text(config)
    with open_workspace(root, clock=ManualClock(TOY_AS_OF)) as workspace:
        row = ("c1", "email", "newsletter", True, to_millis(TOY_AS_OF), "form", "", "form", "ana@x.example")
        said = pl.DataFrame([row], schema=consent.CONSENT_COLUMNS, orient="row").with_columns(language=pl.lit("de"))
        with workspace.store.transaction() as connection:
            assert double_opt_in.add_requests(connection, said) == 1
        work(workspace)
        (sent,) = outbox(workspace)
        (file,) = (root / "var/outbox/new").iterdir()
    parsed = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert sent["subject"] == "Bitte bestätigen: Neues von Lindholm & Daughters"
    for kind in ("plain", "html"):
        body = parsed.get_body((kind,))
        assert body is not None
        assert "https://news.lindholm.example/confirm/" in body.get_content()
        assert "weil diese Adresse bei uns eingetragen wurde" in body.get_content()
