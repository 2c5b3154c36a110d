"""Complete runs through HTTP channels: the messages, and the suppressions that responses cause."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.http import Act, Call, Fault, Service, http_server, reply
from support.toy_project import CAMPAIGN, CONFIG, again, deliver, start, toy_project

from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.store.inbox import inbox
from automation.store.people import consent, suppressions
from automation.testing.toy_shop import TOY_AS_OF, toy_customers
from automation.workspace.workspace import Workspace

BUYERS = ["c1", "c2", "c3", "c4", "c5", "c7"]
NUMBERS = {f"c{index}": f"+4930123450{index}" for index in range(1, 9)}


def project(
    root: Path, name: str, using: str, options: dict[str, Any], *, file: str, text: str, workers: int = 0
) -> Workspace:
    """The toy shop with a single channel, and with consent and a phone number of every customer."""
    (root / "templates/toy").mkdir(parents=True)
    (root / "templates/toy" / file).write_text(text)
    channel = f"  {name}: {{using: {using}, options: {json.dumps(options)}}}"
    config = CONFIG.replace("  email: {using: file, options: {folder: var/outbox}}", channel) + f"workers: {workers}\n"
    workspace = toy_project(root, config=config, campaign=CAMPAIGN.replace("[email]", f"[{name}]"))
    customers = toy_customers()
    phones = customers["customer_id"].replace_strict(NUMBERS, return_dtype=pl.String).alias("phone")
    warehouse = workspace.warehouse()
    warehouse.upsert("customers", customers.with_columns(phones))
    warehouse.close()
    agreed = customers["customer_id"].to_list()
    with workspace.store.transaction() as connection:
        consent.record(connection, agreed, channel=name, topic="promotions", granted=True, at=TOY_AS_OF, source="test")
    return workspace


def figures(workspace: Workspace, run: int) -> dict[str, int]:
    """The counts of the run's account that are not 0; the account must add up."""
    account = run_status(workspace, run).account
    assert account.adds_up
    return {name: count for name, count in vars(account).items() if isinstance(count, int) and count}


def test_sms_through_twilio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One STOP, one invalid number, one without a response, one to retry later; two are sent."""
    monkeypatch.setenv("TWILIO_TOKEN", "s3cret")
    responses: dict[str, Act] = {
        NUMBERS["c1"]: reply(400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"}),
        NUMBERS["c2"]: reply(400, {"code": 21614, "message": "not a mobile number"}),
        NUMBERS["c3"]: Fault.RESET,
        NUMBERS["c4"]: reply(429, {"code": 20429}, {"Retry-After": "7200"}),
    }

    def twilio(call: Call) -> Act:
        return responses.get(call.form["To"], reply(201, {"sid": f"SM{call.form['To'][-1]}", "status": "queued"}))

    service = Service(twilio)
    with http_server(service) as port:
        options = {
            "account_sid": "AC1",
            "auth_token": "${TWILIO_TOKEN}",
            "sender": "Toy",
            "url": f"http://127.0.0.1:{port}",
        }
        text = "Hi {{ customer.first_name }}, {{ offer.label }}: {{ offer.code }}"
        with project(tmp_path, "sms", "twilio", options, file="sms.txt", text=text) as workspace:
            run = start(workspace)
            deliver(workspace)
            assert figures(workspace, run) == {"audience": 6, "sent": 2, "failed": 2, "ambiguous": 1, "queued": 1}
            with workspace.store.reading() as connection:
                listed = {row.address: row.reason for row in suppressions.list_rows(connection) if not row.topic}
                events = {event.customer_id: event.type for event in inbox.read_events(connection)}
            second = again(workspace, key="2")
            deliver(workspace)
            assert figures(workspace, second)["suppressed"] == 2
    assert listed == {NUMBERS["c1"]: "unsubscribed", NUMBERS["c2"]: "hard_bounce"}
    assert events == {"c1": "unsubscribe", "c2": "sms_failed"}
    first = {call.form["To"]: call.form["Body"] for call in service.calls[:6]}
    assert set(first) == {NUMBERS[customer] for customer in BUYERS}
    assert first[NUMBERS["c5"]].startswith("Hi Eve, 10 % off: TEN-")


def test_data_to_a_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_" + base64.b64encode(bytes(32)).decode())
    service = Service(lambda call: reply(202))
    text = '{"name": {{ customer.first_name | json }}, "items": {{ items | json }}, "code": {{ offer.code | json }}}'
    with http_server(service) as port:
        options = {
            "url": f"http://127.0.0.1:{port}/letters",
            "secret": "${WEBHOOK_SECRET}",
            "content": "json",
            "allow_private": True,
        }
        with project(tmp_path, "post", "webhook", options, file="message.txt", text=text) as workspace:
            run = start(workspace)
            deliver(workspace)
            assert figures(workspace, run) == {"audience": 6, "sent": 6}
    data = {call.json["data"]["customer_id"]: call.json["data"] for call in service.calls}
    assert sorted(data) == BUYERS
    assert data["c3"]["content"]["name"] == "Chloé"
    assert data["c7"]["subject"] == "Hello Gül"
    dev = data["c4"]["content"]["items"]  # the green tea was bought four times, the mug three times
    assert [(item["product_id"], item["price"]) for item in dev] == [("p1", 8.0), ("p5", 9.9)]


def test_worker_processes_send_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker reads the project and its secrets, and has its own connections."""
    monkeypatch.setenv("SMS_KEY", "s3cret")
    service = Service(lambda call: reply(200, {"id": "x"}))
    with http_server(service) as port:
        options = {
            "url": f"http://127.0.0.1:{port}/",
            "headers": {"X-Key": "{key}"},
            "secrets": {"key": "${SMS_KEY}"},
            "form": {"to": "{to}", "text": "{text}"},
            "provider_id": "id",
        }
        with project(
            tmp_path, "sms", "http_sms", options, file="sms.txt", text="Hi {{ customer.first_name }}", workers=2
        ) as workspace:
            run = start(workspace)
            deliver(workspace)
            assert figures(workspace, run) == {"audience": 6, "sent": 6}
            explained = explain(workspace, "toy", BUYERS[0])
    assert explained.decision is not None
    assert explained.decision.provider_id == "x"
    assert sorted(call.form["to"] for call in service.calls) == [NUMBERS[customer] for customer in BUYERS]
    assert {call.headers["x-key"] for call in service.calls} == {"s3cret"}
