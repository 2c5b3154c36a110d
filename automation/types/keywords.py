"""Keywords in replies to an SMS: opt out of messages, or opt in again."""

from __future__ import annotations

import re
import unicodedata

_OUT = (
    "stop", "stopall", "stop all", "quit", "end", "revoke", "optout", "opt out", "cancel", "unsubscribe",
    "unsubscribe all", "remove me", "no more", "stop texting me", "stop messages", "leave me alone",
    "stopp", "abmelden", "abbestellen", "abmeldung", "austragen", "beenden", "ende", "keine sms mehr", "keine werbung",
    "arrêt", "arrêter", "désabonner", "me désabonner", "désabonnement", "désinscription",
    "baja", "darme de baja", "parar", "alto", "detener", "cancelar", "no más",
    "annulla", "cancella", "cancellami", "disiscrivimi", "basta", "sair", "remover", "afmelden", "stoppen",
    "uitschrijven", "avsluta", "avregistrera", "avmeld", "afmeld", "lopeta", "wypisz", "rezygnuję", "konec",
)  # fmt: skip
"""English as in 47 CFR 64.1200 (FCC) and Twilio's lists; German, French, Spanish, Italian and others."""
_IN = ("start", "unstop", "yes", "optin", "opt in", "subscribe", "ja", "oui", "sí", "anmelden", "abonner", "alta")
_BEFORE = re.compile(r"^(?:please|pls|bitte|por favor|svp) ")
_BEHIND = re.compile(r" (?:please|pls|thanks|thank you|bitte|danke|por favor|gracias|svp|merci)$")


def is_opt_out(text: str) -> bool:
    """Whether an inbound text opts out: the whole text, apart from words such as "please", is a keyword.

    "Stop by tomorrow?" is no opt-out. Case, accents, punctuation and emoji are ignored.
    """
    return _plain(text) in _OPT_OUT_FORMS


def is_opt_in(text: str) -> bool:
    """Whether an inbound text opts in again after an opt-out. It is no consent to anything new."""
    return _plain(text) in _OPT_IN_FORMS


def _plain(text: str) -> str:
    """In lower case, without accents and polite words, with single spaces."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(
        one if one.isalnum() else "" if unicodedata.combining(one) or one in "'’" else " " for one in letters
    )
    return _BEHIND.sub("", _BEFORE.sub("", " ".join(kept.split())))


_OPT_OUT_FORMS = frozenset(_plain(word) for word in _OUT)
_OPT_IN_FORMS = frozenset(_plain(word) for word in _IN)
