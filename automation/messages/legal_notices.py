"""What the law wants a message to say: who sends it and how to opt out; and a claim of consent where there is none.

Looks for words, so it can miss an address in a picture: each finding is a warning, not an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape, unescape

from automation.types.keywords import is_opt_out
from automation.types.message import Rendered

Notice = tuple[str, str, str]
"""A code, a description, and the detail in this message."""
_CAPITALS = re.compile(r"\b[^\W\d_a-zß-öø-ÿ]{3,}\b")
_UNSUBSCRIBE_PAGE = re.compile(r"https?://[^\s/]+(?:/[^\s/]+)*/u/[^\s/]{20,}|mailto:\S+unsubscribe")
_TAG = re.compile(r"<[^<>]*>")
_CLAIMS = re.compile(
    r"because you(?:'ve|’ve| have| are)?\s(?:\w+\s){0,2}?"
    r"(?:subscribed|signed up|agreed|opted in|consented|asked us to|asked to receive|said yes|requested to)"
    r"|weil (?:sie|du) (?:[^\s.]+\s){0,8}?(?:angemeldet|abonniert|zugestimmt|eingewilligt|"
    r"(?:nachrichten|newsletter|neuigkeiten) bestellt|ja gesagt)"
    r"|parce que (?:vous|tu) (?:[^\s.]+\s){0,8}?(?:inscrit|abonn|accepté|consenti|demandé à recevoir)"
    r"|porque (?:[^\s.]+\s){0,8}?(?:suscri|aceptó|aceptaste|consinti|pidió recibir|pediste recibir|inscri)",
    re.I,
)


@dataclass(frozen=True)
class LegalNotices:
    """Looks at one campaign's messages. address: the shop's postal address, "" if config.yaml has none.

    footers: channel → the text that the channel adds to each message.
    """

    marketing: bool
    address: str
    footers: Mapping[str, str] = field(default_factory=dict)

    def inspect(self, message: Rendered, kind: str) -> Iterator[Notice]:
        """What this message lacks, or should not say."""
        if not self.marketing:
            if claim := _CLAIMS.search(" ".join(_words_of(message).split())):
                yield "claims_consent", _CLAIMED, claim[0][:120]
        elif kind == "email":
            if not self._address:
                yield "no_postal_address", _NO_ADDRESS, ""
            elif not self._shows_address(message):
                yield "no_postal_address", _HIDDEN_ADDRESS, ""
        elif kind == "phone" and not _names_opt_out(f"{message.text}\n{self.footers.get(message.channel, '')}"):
            yield "no_opt_out", _NO_WAY_OUT, ""

    @cached_property
    def _address(self) -> frozenset[str]:
        return frozenset(re.findall(r"\w+", self.address.casefold()))

    @cached_property
    def _written(self) -> tuple[str, str]:
        return self.address, str(escape(self.address))

    def _shows_address(self, message: Rendered) -> bool:
        """As config.yaml has it (2 µs for 20 KB), or its words in any order, with tags and breaks between them."""
        shown = message.html or message.text
        if any(address in shown for address in self._written):
            return True
        return self._address <= set(re.findall(r"\w+", _words_of(message).casefold()))


def _words_of(message: Rendered) -> str:
    return unescape(_TAG.sub(" ", message.html)) if message.html else message.text


def _names_opt_out(text: str) -> bool:
    """A keyword in capitals, as people are told it ("Reply STOP"), or the link to the unsubscribe page."""
    return any(map(is_opt_out, _CAPITALS.findall(text))) or _UNSUBSCRIBE_PAGE.search(text) is not None


_NO_ADDRESS = "config.yaml has no postal address, which marketing mail must show: write shop: {address: …}"
_HIDDEN_ADDRESS = "the shop's postal address is not shown, as marketing mail must: write {{ shop.address }}"
_NO_WAY_OUT = "the text names no way to opt out: write a word such as STOP, or {{ links.unsubscribe }}"
_CLAIMED = "a service message says that the recipient agreed to it, which nobody asked: take the sentence out"
