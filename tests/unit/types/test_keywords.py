"""What replies to an SMS ask for."""

from __future__ import annotations

import pytest

from automation.types.keywords import is_opt_in, is_opt_out


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", " Stop. ", "\"STOP\"", "'stop'", "stop!!!", "STOP\n", "ｓｔｏｐ", "stop 🙏",
        "Stopall", "stop all", "rezygnuję",
        "quit", "END", "Revoke", "opt out", "Opt-Out", "optout", "cancel", "UNSUBSCRIBE", "please stop", "Stop please.",
        "STOP, thank you", "Stopp bitte", "Abmelden", "Arrêt", "ARRÊTER", "désabonner", "Baja", "no más", "annulla",
        "afmelden",
    ],
)  # fmt: skip
def test_opt_out_words(text: str) -> None:
    assert is_opt_out(text)
    assert not is_opt_in(text)


@pytest.mark.parametrize("text", ["start", "UNSTOP", "Yes", "yes!", "opt-in", "Ja", "Sí", "start please"])
def test_opt_in_words(text: str) -> None:
    assert is_opt_in(text)
    assert not is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "🛑", "Stop by tomorrow?", "Can I stop the delivery?", "stopwatch", "the end", "please", "yes, stop",
        "s t o p", "1",
    ],
)  # fmt: skip
def test_other_words_are_neither_opt_in_nor_opt_out(text: str) -> None:
    assert not is_opt_out(text)
    assert not is_opt_in(text)
