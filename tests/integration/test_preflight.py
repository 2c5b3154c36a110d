"""Every message of an audience, rendered before anybody gets one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from support.project import automation, fill, json_of, write_project
from support.toy_project import BODY, CAMPAIGN, toy_project

from automation.runner import preflight
from automation.runner.link_check import check_links
from automation.runner.plan import plan
from automation.types.progress import quiet
from automation.workspace.workspace import open_workspace


def problems(root: Path, **parts: str) -> list[tuple[str, int, str, str]]:
    with toy_project(root, **parts) as toy:
        found = plan(toy, "toy").preflight
    assert (found.messages, found.rendered) == (5, 5)
    return [(p.code, p.messages, p.customer, p.detail) for p in found.problems]


def test_a_sound_template_has_no_problem_but_missing_languages(tmp_path: Path) -> None:
    """en is there; c1 reads Portuguese, c2 German, c3 French, and c4 and c5 English."""
    with toy_project(tmp_path, body=BODY + "<p>{{ shop.address }}</p>") as toy:
        found = plan(toy, "toy").preflight
    assert [(p.code, p.messages, p.what) for p in found.problems] == [
        ("other_language", 1, f"no texts in '{language}': written in 'en'") for language in ("de", "fr", "pt")
    ]
    assert found.errors == []


def test_problems_are_counted_and_have_an_example(tmp_path: Path) -> None:
    """Dev has no tier; only Ana lives in Portugal."""
    body = (
        '<p>{{ customer.tier }}</p><a href="/cart">cart</a>'
        "{% if customer.country == 'PT' %}<img src=\"http://localhost/a.png\">{% endif %}"
    )
    found = problems(tmp_path, body=body)
    by_code = {code: (n, customer, detail) for code, n, customer, detail in found if code != "other_language"}
    assert by_code["cannot_render"] == (1, "c4", "")
    assert by_code["broken_link"][2] in ("/cart", "http://localhost/a.png")
    assert by_code["no_unsubscribe"][0] == 4
    assert [(n, detail) for code, n, _, detail in found if code == "broken_link"] == [
        (4, "/cart"), (1, "http://localhost/a.png"),
    ]  # fmt: skip


def test_an_offer_that_ends_before_a_late_message_arrives(tmp_path: Path) -> None:
    found = problems(tmp_path, campaign=CAMPAIGN.replace("valid_for: 7d", "valid_for: 23h"))
    assert ("offer_ends_early", 5) in [(code, n) for code, n, _, _ in found]
    day = problems(tmp_path / "day", campaign=CAMPAIGN.replace("valid_for: 7d", "valid_for: 24h"))
    assert "offer_ends_early" not in [code for code, *_ in day]


def test_a_marketing_mail_shows_who_sends_it_and_a_service_mail_claims_no_consent(tmp_path: Path) -> None:
    found = problems(tmp_path, body=BODY + "<p>You get this because you signed up.</p>")
    assert ("no_postal_address", 5, "") in [(code, n, detail) for code, n, _, detail in found]
    service = CAMPAIGN.replace("promotions", "service")
    found = problems(tmp_path / "service", campaign=service, body=BODY + "<p>You get this because you signed up.</p>")
    assert [(code, n, detail) for code, n, _, detail in found if code != "other_language"] == [
        ("claims_consent", 5, "because you signed up")
    ]


def test_a_service_message_needs_no_unsubscribe_link(tmp_path: Path) -> None:
    body = BODY.replace('<a href="{{ links.unsubscribe }}">unsubscribe</a>', "")
    found = problems(tmp_path, body=body, campaign=CAMPAIGN.replace("promotions", "service"))
    assert "no_unsubscribe" not in [code for code, *_ in found]


@pytest.mark.slow
def test_several_processes_render_a_large_audience_and_their_findings_are_added_up(tmp_path: Path) -> None:
    """Above 4,000 customers; each batch of a thousand goes to one of the processes."""
    root = write_project(tmp_path)
    with (root / "templates/hello/email.html").open("a") as template:
        template.write('<a href="/cart">cart</a>{{ shop.address }}')
    with open_workspace(root) as workspace:
        fill(workspace, 4_100)
        found = plan(workspace, "hello").preflight
    assert (found.messages, found.rendered) == (4_100, 4_100)
    assert [(p.code, p.messages, p.detail) for p in found.problems] == [("broken_link", 4_100, "/cart")]


def test_a_sample_is_spread_over_the_audience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SAMPLE", 3)
    with toy_project(tmp_path) as toy:
        found = plan(toy, "toy", preflight="sample").preflight
        assert (found.messages, found.rendered) == (5, 3)  # every second of 6
        off = plan(toy, "toy", preflight="off").preflight
        assert (off.messages, off.rendered, off.problems) == (5, 0, [])


class Pages(BaseHTTPRequestHandler):
    """/there is there; /get answers GET only; anything else is not."""

    def do_HEAD(self) -> None:
        self.send_response({"/there": 200, "/get": 405}.get(self.path, 404))
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/get" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def pages() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_linked_pages_are_asked_once_each(pages: str) -> None:
    links = (f"{pages}/there", f"{pages}/get", f"{pages}/gone", "http://127.0.0.1:1/")
    found = preflight.Preflight("all", 1, 1, 0.1, [], links)
    dead = check_links(found, quiet, public_only=False).problems
    assert [(p.code, p.severity, p.detail) for p in dead] == [
        ("dead_link", "warning", "http://127.0.0.1:1/"), ("dead_link", "warning", f"{pages}/gone"),
    ]  # fmt: skip
    assert dead[1].what == "a linked page responds with status 404"


def test_links_into_a_private_network_are_told_and_never_asked(pages: str) -> None:
    found = preflight.Preflight("all", 1, 1, 0.1, [], (f"{pages}/there", "http://169.254.169.254/latest"))
    problems = check_links(found, quiet).problems
    assert len(problems) == 2
    assert all("private network" in problem.what for problem in problems)


@pytest.mark.slow
def test_launch_refuses_messages_with_errors_unless_told_otherwise(tmp_path: Path) -> None:
    root = write_project(tmp_path / "shop")
    (root / "templates/hello/email.html").write_text('<p>Hello {{ customer.first_name }}</p><a href="/x">x</a>')
    with open_workspace(root) as workspace:
        fill(workspace, 3)
        warehouse = workspace.warehouse()
        nameless = {"customer_id": ["c00001"], "first_name": [None]}
        warehouse.upsert("customers", pl.DataFrame(nameless, schema_overrides={"first_name": pl.String}))
        warehouse.close()
    refused = automation(root, "launch", "hello", "--yes")
    assert refused.returncode == 1
    assert refused.stderr == (
        "campaign 'hello' is not launched, its messages have errors:\n"
        "  2 messages: a link is relative: in a mail it leads nowhere; such as c00000's\n"
        "  2 messages: there is no unsubscribe link: write {{ links.unsubscribe }}; such as c00000's\n"
        "  1 message: templates/hello/email.html:1: {{ customer.first_name }}: it is empty here; where it may be "
        "missing write {{ customer.first_name|default('…') }}; such as c00001's\n"
        "to launch it anyway: automation launch hello --ignore-preflight\n"
    )
    shown = json_of(root, "plan", "hello")["preflight"]
    assert (shown["extent"], shown["messages"], shown["rendered"], shown["errors"]) == ("all", 3, 3, 3)
    assert set(shown["problems"][0]) == {"code", "severity", "what", "messages", "customer", "detail"}
    assert json_of(root, "launch", "hello", "--yes", "--ignore-preflight")["launch"] == 1
    wrong = automation(root, "plan", "hello", "--preflight", "some")
    assert wrong.returncode == 2
    assert "'some' is not one of 'all', 'sample', 'off'" in wrong.stderr
