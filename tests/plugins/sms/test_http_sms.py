"""A service configured in YAML: its request, and the verdicts that its responses lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from support.channels import one, verdict_and_wait
from support.http import Act, Call, Fault, Service, http_server, refused_port, reply

from automation.config.project import load_project
from automation.plugin_manager import load_plugins
from automation.rules import core
from automation.testing.channel import check_channel
from automation.types.message import Receipt, Verdict
from automation.types.secret import Secret
from automation_sms.http_sms import HttpSmsChannel, HttpSmsOptions, ResponseRule
from automation_sms.json_path import read_json_path
from automation_sms.placeholders import fill_json_placeholders

TO = "+4930123456"
RULES = (
    ResponseRule(field="messages.0.status", one_of=("queued", "0"), verdict="sent"),
    ResponseRule(status=(400, 422), field="error.code", one_of=("blocked",), verdict="failed", suppress="unsubscribed"),
    ResponseRule(status=("5xx",), field="error.code", verdict="retry"),
    ResponseRule(status=(409,), verdict="sent"),
)


def channel(port: int, **options: Any) -> HttpSmsChannel:
    given: dict[str, Any] = {
        "url": f"http://127.0.0.1:{port}/send",
        "json_body": {
            "to": "{to}", "text": "{text}", "ref": "{id}", "from": "{from}", "test": False, "parts": ["{digits}"],
        },
        "sender": "Lindholm",
        "timeout": 2,
        "response_timeout": 0.5,
    }  # fmt: skip
    return HttpSmsChannel(HttpSmsOptions(**given | options))


def answered(act: Act | Callable[[Call], Act], **options: Any) -> tuple[Receipt, bool]:
    with http_server(Service(act if callable(act) else lambda call: act)) as port:
        return one(channel(port, **options), TO)


def test_contract() -> None:
    with http_server(Service(lambda call: reply(200))) as port:
        check_channel(lambda: channel(port), to=TO)


def test_the_request_as_json() -> None:
    service = Service(lambda call: reply(202, {"messages": [{"id": 71, "status": "queued"}]}))
    options = {
        "headers": {"Authorization": "Bearer {key}", "X-Trace": "{id}"},
        "secrets": {"key": Secret("s3cret")},
        "idempotency_header": "Idempotency-Key",
        "provider_id": "messages.0.id",
        "method": "PUT",
    }
    with http_server(service) as port:
        answer, handed_over = one(channel(port, **options), TO, text='He said "{to}" {x} \\ 👋')
    assert (answer.verdict, answer.provider_id, answer.detail) == (Verdict.SENT, "71", "1 segment, UCS-2")
    assert handed_over
    (call,) = service.calls
    assert (call.method, call.path) == ("PUT", "/send")
    assert call.json == {
        "to": TO,
        "text": 'He said "{to}" {x} \\ 👋',
        "ref": f"{1:032x}",
        "from": "Lindholm",
        "test": False,
        "parts": ["4930123456"],
    }
    assert call.headers["authorization"] == "Bearer s3cret"
    assert call.headers["idempotency-key"] == call.headers["x-trace"] == f"{1:032x}"
    assert call.headers["content-type"] == "application/json"


def test_configured_headers_replace_the_defaults() -> None:
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        one(channel(port, headers={"content-type": "application/vnd.sms+json", "User-Agent": "Toy"}), TO)
        one(channel(port), TO)
    names = ("content-type", "user-agent", "accept-encoding")
    found = [[call.headers[name] for name in names] for call in service.calls]
    assert found == [
        ["application/vnd.sms+json", "Toy", "identity"],
        ["application/json", "marketing-automation-daemon", "identity"],
    ]


def test_the_request_as_a_form() -> None:
    service = Service(lambda call: reply(200))
    options = {"json_body": None, "form": {"dest": "{digits}", "msg": "{text}", "k": "{key}"}}
    with http_server(service) as port:
        url = f"http://127.0.0.1:{port}/{{key}}/send?from={{from}}"
        one(channel(port, url=url, secrets={"key": Secret("a/b&c")}, sender="L & D", **options), TO, text="a&b=c ü")
    (call,) = service.calls
    assert call.path == "/a%2Fb%26c/send?from=L%20%26%20D"
    assert call.form == {"dest": "4930123456", "msg": "a&b=c ü", "k": "a/b&c"}


@pytest.mark.parametrize(
    ("act", "verdict", "suppress", "detail"),
    [
        (reply(200, {"messages": [{"status": "queued"}]}), "sent", "", "1 segment, GSM-7"),
        (reply(200, {"messages": [{"status": 0}]}), "sent", "", "1 segment, GSM-7"),
        (reply(200, {"messages": [{"status": "odd"}]}), "ambiguous", "", "200"),
        (reply(200, {"messages": []}), "ambiguous", "", "200"),
        (reply(200, b"not json"), "ambiguous", "", "200"),
        (reply(200, {"messages": [{"status": "queued"}]}, length=999), "ambiguous", "", "200"),
        (reply(400, {"error": {"code": "blocked"}}), "failed", "unsubscribed", "400 blocked"),
        (reply(400, {"error": {"code": "odd"}}), "failed", "", "400"),
        (reply(401), "retry", "", "401"),
        (reply(409), "sent", "", "1 segment, GSM-7"),
        (reply(500, {"error": {"code": "busy"}}), "retry", "", "500 busy"),
        (reply(500), "ambiguous", "", "500"),
        (Fault.STALL, "ambiguous", "", "no response: timed out"),
    ],
)
def test_the_verdict_for_a_response(act: Act, verdict: str, suppress: str, detail: str) -> None:
    answer, handed_over = answered(act, responses=RULES)
    assert (answer.verdict.value, answer.suppress, answer.detail) == (verdict, suppress, detail)
    assert handed_over


def test_an_idempotency_key_makes_a_server_error_a_retry() -> None:
    options = {"idempotency_header": "Idempotency-Key"}
    assert answered(reply(500), **options)[0].verdict is Verdict.RETRY
    assert answered(reply(500))[0].verdict is Verdict.AMBIGUOUS
    assert answered(Fault.RESET, **options)[0].verdict is Verdict.AMBIGUOUS


def test_retry_after_is_respected() -> None:
    busy = reply(429, headers={"Retry-After": "3"})
    assert verdict_and_wait(answered(busy, responses=RULES)[0]) == (Verdict.RETRY, 3)


def test_no_connection_is_returned() -> None:
    answer, handed_over = one(channel(refused_port()), TO)
    assert (answer.verdict, handed_over) == (Verdict.RETURNED, False)


def test_a_line_break_in_a_header_is_not_sent() -> None:
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        answer, handed_over = one(channel(port, headers={"X-Text": "{text}"}), TO, text="a\r\nX-Admin: 1")
    assert (answer.verdict, handed_over) == (Verdict.FAILED, False)
    assert service.calls == []


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"form": {"to": "{to}"}}, "either form or json_body"),
        ({"json_body": None}, "either form or json_body"),
        ({"json_body": {"to": "{too}"}}, r"\{too\} is not a placeholder; available: digits, from, id, text, to"),
        ({"json_body": {"x": "y"}}, "the request does not contain the number"),
        ({"secrets": {"to": Secret("x")}}, r"\{to\} is already a placeholder"),
        ({"url": "http://sms.example/send"}, "must begin with https://"),
        ({"method": "GET"}, "'POST' or 'PUT'"),
        ({"headers": {"X Y": "z"}}, "'X Y' is not a header name"),
        ({"headers": {"Host": "z"}}, "Host is set by the HTTP client"),
        ({"idempotency_header": "a:b"}, "'a:b' is not a header name"),
    ],
)
def test_invalid_options(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        channel(1, **options)


def test_invalid_rules() -> None:
    with pytest.raises(ValueError, match="one_of needs field"):
        ResponseRule(one_of=("x",), verdict="sent")
    with pytest.raises(ValueError, match="suppress is allowed only with verdict: failed"):
        ResponseRule(verdict="retry", suppress="unsubscribed")


def test_json_paths_and_placeholders() -> None:
    content: JsonValue = {"a": [{"b": 1.5}, {"b": True}], "c": None}
    assert [read_json_path(content, path) for path in ("a.0.b", "a.1.b", "a.2.b", "a.x", "c", "a", "c.d")] == [
        "1.5", "true", None, None, None, None, None,
    ]  # fmt: skip
    assert fill_json_placeholders({"{to}": ["{to}", 1, None, {"x": "{{to}}"}]}, {"to": "1"}) == {
        "{to}": ["1", 1, None, {"x": "{1}"}]
    }


def test_options_in_config_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_KEY", "s3cret")
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "config.yaml").write_text("""
shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels:
  sms:
    using: http_sms
    options:
      url: https://sms.example.com/v2/messages
      headers: {Authorization: "Bearer {key}"}
      secrets: {key: "${SMS_KEY}"}
      json_body: {to: "{to}", text: "{text}", from: "{from}", tags: [shop, 1], unicode: true}
      sender: Toy
      responses:
        - {status: [2xx], field: messages.0.status, one_of: [queued, sent], verdict: sent}
        - {status: [400, 422], field: error.code, one_of: [opted_out], verdict: failed, suppress: unsubscribed}
""")
    project = load_project(tmp_path, load_plugins(core=[core]))
    options = project.settings.channels["sms"].options
    assert isinstance(options, HttpSmsOptions)
    assert options.secrets["key"].get_secret_value() == "s3cret"
    assert options.responses[0].status == ("2xx",)
    assert options.responses[1].status == (400, 422)
    assert options.json_body == {"to": "{to}", "text": "{text}", "from": "{from}", "tags": ["shop", 1], "unicode": True}
