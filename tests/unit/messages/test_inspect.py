"""What preflight says of single messages and links."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from automation.messages.inspect import Inspector, MessageFindings, MessageProblem, link_problem
from automation.messages.legal_notices import LegalNotices
from automation.types.message import Rendered

ADDRESS = "Lindenstr. 1, 10969 Berlin"
UNSUBSCRIBE = "https://news.shop.example/u/abc.def"
RELATIVE = "a link is relative: in a mail it leads nowhere"
UNFILLED = "a link has a placeholder that was not filled in"
NO_ADDRESS = "a link is not a web address"
ONLY_YOU = "a link leads to a machine that only you can reach"


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("https://shop.example/a?b=c&d=%20e#f", ""),
        ("http://shop.example:8080", ""),
        ("https://[2606:4700::1111]/", ""),
        ("https://[fe80::1]/", ONLY_YOU),
        ("mailto:hello@shop.example?subject=Hi", ""),
        ("tel:+4940123", ""),
        ("cid:logo", ""),
        ("data:image/png;base64,AAAA", ""),
        ("#top", ""),
        ("", "a link is empty"),
        ("/products/1", RELATIVE),
        ("products/1", RELATIVE),
        ("www.shop.example", RELATIVE),
        ("https://shop.example/{{ product.id }}", UNFILLED),
        ("https://shop.example/%7B%7Bid%7D%7D", UNFILLED),
        ("https://shop.example/?u=*|UNIQID|*", UNFILLED),
        ("https://shop.example/${id}", UNFILLED),
        ("https://", NO_ADDRESS),
        ("https://shop", NO_ADDRESS),
        ("https://shop.example/with space", NO_ADDRESS),
        ("https://shop.example:port/", NO_ADDRESS),
        ("https://[::1", NO_ADDRESS),
        ("javascript:alert(1)", NO_ADDRESS),
        ("htps://shop.example", NO_ADDRESS),
        ("http://localhost:8000/x", ONLY_YOU),
        ("http://127.0.0.1/x", ONLY_YOU),
        ("https://192.168.1.4/x", ONLY_YOU),
        ("https://172.20.0.1/", ONLY_YOU),
        ("https://172.32.0.1/", ""),
        ("https://shop.local/x", ONLY_YOU),
        ("https://10.example.com/", ""),
    ],
)
def test_links(link: str, problem: str) -> None:
    assert link_problem(link) == problem


def message(**more: Any) -> Rendered:
    values = {
        "html": f'<p>Hi</p>{ADDRESS}<a href="{UNSUBSCRIBE}">no more</a>', "text": f"Hi {UNSUBSCRIBE}", "subject": "Hi",
        "language": "en", "headers": {"List-Unsubscribe": f"<{UNSUBSCRIBE}>, <mailto:hi@shop.example?subject=u>"},
    }  # fmt: skip
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Rendered(id="m", attempt=1, channel="email", to="a@x.example", sent_at=at, **{**values, **more})


def codes(one: Rendered, *, kind: str = "email", marketing: bool = True, language: str = "en") -> list[tuple[str, str]]:
    found = Inspector(MessageFindings(), LegalNotices(marketing, ADDRESS)).inspect(
        one, kind=kind, wanted_language=language
    )
    return [(code, detail) for code, _, detail in found]


def test_a_sound_message_has_no_problem() -> None:
    assert codes(message()) == []
    assert codes(message(), language="en-GB") == []
    assert codes(message(), language="") == []


def test_what_can_be_wrong_with_a_mail() -> None:
    assert codes(message(html=f"<p>Hi</p>{ADDRESS}", text="Hi")) == [("no_unsubscribe", "")]
    assert codes(message(html="<p>Hi</p>", text="Hi"), marketing=False) == []
    assert codes(message(text=" \n")) == [("no_text", "")]
    assert codes(message(), language="fr-CA") == [("other_language", "")]
    body = message().html
    padded = body + "x" * (102 * 1024 - len(body))
    assert codes(message(html=padded)) == []
    assert codes(message(html=padded + "x")) == [("large_html", "102 KB")]
    assert codes(message(html=padded[:-1] + "é")) == [("large_html", "102 KB")]  # bytes, not letters


def test_an_unsubscribe_link_may_be_escaped_or_a_mail_address() -> None:
    mail = "mailto:hi@shop.example?subject=u&amp;body=x"
    header = {"List-Unsubscribe": "<mailto:hi@shop.example?subject=u&body=x>"}
    assert codes(message(html=f'{ADDRESS}<a href="{mail}">no</a>', text="", headers=header)) == [("no_text", "")]


def test_links_are_found_in_every_attribute_and_in_the_text() -> None:
    html = message().html + "<a href='/a'>x</a><img src=\"/b.png\"><td background='c.png'>"
    assert codes(message(html=html)) == [("broken_link", "/a"), ("broken_link", "/b.png"), ("broken_link", "c.png")]
    sms = message(html="", text="See http://localhost/x. STOP ends it", headers={})
    assert codes(sms, kind="phone") == [("broken_link", "http://localhost/x")]
    assert codes(message(html=message().html + '<a href="/a?x=1&amp;y=2">x</a>')) == [("broken_link", "/a?x=1&y=2")]


def test_problems_are_counted_with_the_first_as_the_example() -> None:
    first, second = MessageFindings(), MessageFindings()
    first.note("c1", [("broken_link", RELATIVE, "/a"), ("no_text", "there is no text version", "")])
    first.note("c2", [("broken_link", RELATIVE, "/b")])
    first.note("c3", [])
    second.note("c4", [("cannot_render", "x.html:1: no", ""), ("no_text", "there is no text version", "")])
    first.add(second)
    assert first.rendered == 4
    assert first.in_order() == [
        MessageProblem("broken_link", "error", RELATIVE, 2, "c1", "/a"),
        MessageProblem("cannot_render", "error", "x.html:1: no", 1, "c4"),
        MessageProblem("no_text", "warning", "there is no text version", 2, "c1"),
    ]


def test_where_links_lead_is_kept_once_without_what_differs_by_customer() -> None:
    findings = MessageFindings()
    inspector = Inspector(findings, LegalNotices(marketing=True, address=ADDRESS))
    for n in range(3):
        html = f'{ADDRESS}<a href="https://shop.example/a?c={n}">x</a><a href="{UNSUBSCRIBE}">no</a>'
        list(inspector.inspect(message(html=html, text="t"), kind="email", wanted_language="en"))
    assert list(findings.links) == ["https://shop.example/a", UNSUBSCRIBE]
