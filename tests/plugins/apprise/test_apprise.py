"""Apprise with a real HTTP service: the request, and the verdict for each result."""

from __future__ import annotations

from typing import Any

import pytest
from support.channels import one
from support.http import Act, Fault, Service, http_server, refused_port, reply

from automation.testing.channel import check_channel
from automation.types.message import Verdict
from automation.types.secret import Secret
from automation_apprise.channel import (
    AppriseChannel,
    AppriseOptions,
    ApprisePhoneChannel,
    ApprisePhoneOptions,
)

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise looks for it
NUMBER = "+4930123456"


def channel(url: str, **options: Any) -> AppriseChannel:
    return AppriseChannel(AppriseOptions(url=Secret(url), **{"timeout": 5} | options))


def phone(url: str, **options: Any) -> ApprisePhoneChannel:
    return ApprisePhoneChannel(ApprisePhoneOptions(url=Secret(url), **{"timeout": 5} | options))


def test_contract() -> None:
    with http_server(Service(lambda call: reply(200))) as port:
        check_channel(lambda: channel(f"json://127.0.0.1:{port}/room"))
        check_channel(lambda: phone(f"json://127.0.0.1:{port}/{{to}}"), to=NUMBER)


def test_the_request() -> None:
    service = Service(lambda call: reply(200))
    with http_server(service) as port:
        answer, handed_over = one(channel(f"json://127.0.0.1:{port}/room"), "C1042", text="Call Ana\nto *day*")
        one(phone(f"json://127.0.0.1:{port}/{{digits}}/x", region="DE"), "030 123456")
    assert (answer.verdict, handed_over) == (Verdict.SENT, True)
    first, second = service.calls
    assert (first.path.rstrip("/"), first.json["title"], first.json["message"]) == (
        "/room",
        "Grüße aus Malmö",
        "Call Ana\nto *day*",
    )
    assert second.path.rstrip("/") == "/4930123456/x"


@pytest.mark.parametrize("act", [reply(500), reply(400), reply(429), Fault.RESET, Fault.CLOSE])
def test_a_failure_that_apprise_reports_is_ambiguous(act: Act) -> None:
    with http_server(Service(lambda call: act)) as port:
        answer, handed_over = one(channel(f"json://127.0.0.1:{port}/"), "C1042")
    assert (answer.verdict, handed_over) == (Verdict.AMBIGUOUS, True)
    assert answer.detail == "Apprise reports failure; the message may have arrived"


def test_a_refused_connection_is_ambiguous_too() -> None:
    assert one(channel(f"json://127.0.0.1:{refused_port()}/"), "C1042")[0].verdict is Verdict.AMBIGUOUS


def test_a_service_that_hangs_times_out() -> None:
    with http_server(Service(lambda call: Fault.STALL)) as port:
        answer, handed_over = one(channel(f"json://127.0.0.1:{port}/?rto=3", timeout=0.5), "C1042")
    assert (answer.verdict, handed_over) == (Verdict.AMBIGUOUS, True)
    assert "timeout" in answer.detail


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("nonsense://x", "Apprise does not support the URL"),
        ("json://127.0.0.1:1/,json://127.0.0.1:2/", "the URL must have exactly one target"),
        (
            f"twilio://AC{'a' * 32}:{'b' * 32}@15005550006/+4930123456/+4930123457",
            "the URL must have exactly one target",
        ),
    ],
)
def test_a_url_that_is_not_one_target(url: str, detail: str) -> None:
    answer, handed_over = one(channel(url), "C1042")
    assert (answer.verdict, handed_over) == (Verdict.RETRY, False)
    assert answer.detail.startswith(detail)


def test_a_number_without_a_country_code() -> None:
    answer, handed_over = one(phone("json://127.0.0.1:1/{to}"), "030 123456")
    assert (answer.verdict, handed_over) == (Verdict.FAILED, False)


def test_a_phone_url_must_contain_the_number() -> None:
    with pytest.raises(ValueError, match=r"as \{to\} or \{digits\}"):
        phone("signal://127.0.0.1/+4930123456")
    assert "127.0.0.1" not in repr(channel("json://127.0.0.1/").options)
