"""The pages on channels: their settings are valid, their templates render, and their programs do what they say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.channels import one
from support.http import Service, http_server, reply
from support.pages import ROOT, Block, blocks, follow, run_command

from automation.config.project import load_project
from automation.messages.render import Renderer
from automation.messages.template.files import Templates
from automation.plugin_manager import Registry, load_plugins
from automation.rules import core
from automation.types.message import Verdict
from automation.types.secret import Secret
from automation_push.web_push import WebPushOptions
from automation_webhook.webhook import WebhookChannel, WebhookOptions

HOW_TO = ROOT / "docs" / "how-to"
PAGES = ["send-sms.md", "send-push-notifications.md", "send-webhooks.md", "send-with-apprise.md"]
WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ACCOUNT = {"client_email": "a@b.example", "project_id": "p", "private_key": "k"}
ENVIRONMENT = {
    "TWILIO_TOKEN": "x",
    "SMS_KEY": "x",
    "FCM_CREDENTIALS": json.dumps(ACCOUNT),
    "VAPID_PRIVATE_KEY": base64.urlsafe_b64encode(bytes([1] * 32)).decode(),
    "PRINT_SECRET": WHSEC,
    "CALLS_URL": "slack://TokenA/TokenB/TokenC/#calls",
    "SIGNAL_URL": "signal://localhost:9922/+4940123456/{to}",
}
SHOP = (
    "shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}\ntopics: {news: marketing}\n"
)
CONTEXT = {
    "customer": {"first_name": 'A"na'},
    "offer": {"label": "10 % off", "code": "TEN-1", "valid_until": "2026-03-31"},
    "items": [{"name": "Tee", "price": 8.5}],
    "shop": {"url": "https://toy.example", "currency": "EUR"},
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(core=[core])


def shown(page: str, language: str) -> list[Block]:
    return [block for block in blocks(HOW_TO / page) if block.language == language]


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_are_valid(page: str, registry: Registry, tmp_path: Path) -> None:
    of_config = [block for block in shown(page, "yaml") if not block.text.startswith("send:")]  # of a campaign
    assert of_config
    for block in of_config:
        (tmp_path / "config.yaml").write_text(SHOP + block.text)
        project = load_project(tmp_path, registry, environment=ENVIRONMENT)
        assert project.problems == ()
        assert set(project.settings.channels) == set(yaml.safe_load(block.text)["channels"])


@pytest.mark.parametrize(
    ("page", "file", "kind"),
    [
        ("send-sms.md", "sms.txt", "phone"),
        ("send-push-notifications.md", "push.txt", "push"),
        ("send-webhooks.md", "message.txt", "customer"),
        ("send-with-apprise.md", "message.txt", "customer"),
    ],
)
def test_the_template_renders(page: str, file: str, kind: Any, registry: Registry) -> None:
    (block,) = shown(page, "text")
    filters = {name: one for name, (one, _) in registry.components["template_filters"].items()}
    renderer = Renderer(Templates.from_content({f"t/{file}": block.text, "t/en.yaml": "subject: Hi"}), filters)
    assert renderer.check("t") == ()
    text = renderer.render("t", kind, CONTEXT, language="en").text
    assert "{{" not in text
    if page == "send-webhooks.md":
        assert json.loads(text) == {"name": 'A"na', "code": "TEN-1", "items": [{"name": "Tee", "price": 8.5}]}


def test_the_key_that_the_page_makes_is_taken(tmp_path: Path) -> None:
    (block,) = shown("send-push-notifications.md", "python")
    (tmp_path / "key.py").write_text(block.text)
    private, public = run_command("python key.py", tmp_path).split()
    WebPushOptions(private_key=Secret(private), contact="mailto:a@b.example")
    assert len(base64.urlsafe_b64decode(public + "=")) == 65


def test_the_secret_that_the_page_makes_is_taken(tmp_path: Path) -> None:
    (block,) = shown("send-webhooks.md", "sh")
    made = run_command(block.text, tmp_path).strip()
    assert WebhookOptions(url="https://a.example/", secret=Secret(made)).secret.get_secret_value() == made


def test_the_receiver_of_the_page_knows_what_is_genuine() -> None:
    (block,) = shown("send-webhooks.md", "python")
    names: dict[str, Any] = {}
    exec(block.text, names)  # noqa: S102 - the page's own program
    is_genuine: Callable[..., bool] = names["is_genuine"]
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        options = {"url": f"http://127.0.0.1:{port}/", "secret": Secret(WHSEC), "allow_private": True}
        assert one(WebhookChannel(WebhookOptions(**options)), "C1042")[0].verdict is Verdict.SENT
    (call,) = service.calls
    now = float(call.headers["webhook-timestamp"])
    assert is_genuine(WHSEC, call.headers, call.body, now + 299)
    assert not is_genuine(WHSEC, call.headers, call.body, now + 301)
    assert not is_genuine(WHSEC, call.headers, call.body + b" ", now)
    assert not is_genuine("whsec_" + base64.b64encode(bytes(32)).decode(), call.headers, call.body, now)


@pytest.mark.slow
def test_the_channel_of_the_page_keeps_its_contract(tmp_path: Path) -> None:
    assert follow(HOW_TO / "write-a-channel.md", tmp_path) == 1


def test_what_the_page_says_is_posted_is() -> None:
    (block,) = shown("send-webhooks.md", "json")
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        options = {"url": f"http://127.0.0.1:{port}/", "secret": Secret(WHSEC), "allow_private": True}
        one(WebhookChannel(WebhookOptions(**options)), "C1042")
    posted, said = service.calls[0].json, json.loads(block.text)
    assert (list(posted), list(posted["data"])) == (list(said), list(said["data"]))
    assert (posted["type"], posted["timestamp"]) == (said["type"], said["timestamp"])
