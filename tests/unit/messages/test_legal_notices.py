"""The postal address, the way to opt out, and claims of consent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from automation.messages.legal_notices import LegalNotices
from automation.types.message import Rendered

ADDRESS = "Tea & Cup, Lindenstr. 1, 10969 Köln"


def codes(
    html: str = "", text: str = "", *, kind: str = "email", marketing: bool = True, address: str = ADDRESS
) -> list[str]:
    one = Rendered("m", 1, "c", "a@x.example", datetime(2026, 1, 1, tzinfo=UTC), text=text, html=html)
    return [code for code, *_ in LegalNotices(marketing, address).inspect(one, kind)]


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{ADDRESS}</p>",
        "<p>Tea &amp; Cup, Lindenstr. 1, 10969 Köln</p>",
        "<td>Tea &amp; Cup<br>Lindenstr. <b>1</b><br>10969&nbsp;K&ouml;ln</td>",
        "<td>TEA & CUP · LINDENSTR. 1 · 10969 KÖLN</td>",
    ],
)
def test_an_address_may_be_set_in_any_way(html: str) -> None:
    assert codes(html) == []


@pytest.mark.parametrize("html", ["<p>Tea & Cup</p>", "<p title='Lindenstr. 1, 10969 Köln'>Tea Cup</p>", "<p>1</p>"])
def test_a_marketing_mail_without_the_address(html: str) -> None:
    assert codes(html) == ["no_postal_address"]
    assert codes(html, marketing=False) == []
    assert codes(html, kind="push") == []


def test_a_mail_of_text_only() -> None:
    assert codes(text="Tea & Cup\nLindenstr. 1\n10969 Köln") == []
    assert codes(text="Tea & Cup") == ["no_postal_address"]


def test_a_shop_without_an_address() -> None:
    assert codes("<p>Hi</p>", address=" ") == ["no_postal_address"]
    assert codes("<p>Hi</p>", address=" ", marketing=False) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10 % off. Reply STOP to opt out", []),
        ("10 % Rabatt. Abmelden: STOPP an 12345", []),
        ("10 % dto. BAJA al 12345", []),
        ("10 % off https://news.tea.example/u/0123456789abcdef0123456789abcdef.0123", []),
        ("10 % off. Stop by today", ["no_opt_out"]),
        ("10 % OFF, ONLY TODAY", ["no_opt_out"]),
        ("10 % off https://tea.example/u/", ["no_opt_out"]),
    ],
)
def test_a_marketing_text_names_a_way_out(text: str, found: list[str]) -> None:
    assert codes(text=text, kind="phone") == found
    assert codes(text=text, kind="phone", marketing=False) == []


def test_the_channel_s_footer_may_name_the_way_out() -> None:
    one = Rendered("m", 1, "sms", "+49", datetime(2026, 1, 1, tzinfo=UTC), text="10 % off")
    assert not list(LegalNotices(True, "", {"sms": "Reply STOP to opt out"}).inspect(one, "phone"))
    assert list(LegalNotices(True, "", {"other": "Reply STOP to opt out"}).inspect(one, "phone"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You receive this because you asked us to write to you.", ["claims_consent"]),
        ("You get this because you have\nsigned up for news.", ["claims_consent"]),
        ("Sie erhalten diese Nachricht, weil Sie unsere Nachrichten bestellt haben.", ["claims_consent"]),
        ("Sie erhalten diese Nachricht, weil Sie dem Empfang zugestimmt haben.", ["claims_consent"]),
        ("Vous recevez ce message parce que vous avez demandé à recevoir nos nouvelles.", ["claims_consent"]),
        ("Recibe este mensaje porque pidió recibir nuestras novedades.", ["claims_consent"]),
        ("You receive this once, because this address was entered with us.", []),
        ("Sie erhalten diese Nachricht, weil Sie bei uns bestellt haben.", []),
        ("Because you bought tea, here is your invoice.", []),
    ],
)
def test_a_service_message_claims_no_consent(text: str, found: list[str]) -> None:
    for kind in ("email", "phone"):
        assert codes(text=text, kind=kind, marketing=False) == found
    assert codes(f"<p>{text}</p>", marketing=False) == found
    assert codes(text=f"{text} {ADDRESS}") == []
