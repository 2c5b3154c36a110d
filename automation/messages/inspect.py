"""Finds problems in rendered messages before they are sent: counted by problem, each with an example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from automation.messages.legal_notices import LegalNotices
from automation.types.message import Rendered

Severity = Literal["error", "warning"]
GMAIL_CLIPS_AT = 102 * 1024
"""The size of HTML, in bytes, from which Gmail clips a message."""
MAX_LINKS = 500
_SHOWN = 120
_ATTRIBUTES = tuple(
    re.compile(rf"""{name}\s*=\s*(?:"([^"]*)"|'([^']*)')""")
    for name in ("href", "src", "background", "HREF", "SRC", "BACKGROUND")
)  # each pattern starts with a literal: 0.10 ms for 25 KB; one case-insensitive pattern for all took 0.67
_IN_TEXT = re.compile(r"https?://[^\s<>\"]+")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{%|%7B%7B|\*\||\|\*|\[\[|\$\{", re.I)
_HERE = ("localhost", ".localhost", ".local", ".internal")
_ODD = re.compile(r"[\s<>\"\\^`\x00-\x1f]")
_HARMLESS = ("mailto:", "tel:", "sms:", "cid:", "data:")

SEVERITIES: Mapping[str, Severity] = {
    "cannot_render": "error",
    "broken_link": "error",
    "no_unsubscribe": "error",
    "offer_over": "error",
    "no_postal_address": "warning",
    "no_opt_out": "warning",
    "claims_consent": "warning",
    "no_text": "warning",
    "large_html": "warning",
    "other_language": "warning",
    "offer_ends_early": "warning",
    "dead_link": "warning",
}
"""By code. A campaign with an error cannot be launched."""

Finding = tuple[str, str, str]
"""A code, a description, and the detail in this message (a link), or ""."""


@dataclass
class MessageProblem:
    """One problem: how many messages have it, and the customer and detail of the first."""

    code: str
    severity: Severity
    what: str
    messages: int
    customer: str
    detail: str = ""


@dataclass
class MessageFindings:
    """Problems counted over messages; the counts of several processes can be added."""

    rendered: int = 0
    problems: dict[tuple[str, str], MessageProblem] = field(default_factory=dict)
    links: dict[str, None] = field(default_factory=dict)
    """The targets of links, without the parts that differ by customer; at most `MAX_LINKS`."""

    def note(self, customer: str, findings: Iterable[Finding]) -> None:
        """Count one inspected message."""
        self.rendered += 1
        for code, what, detail in findings:
            self._count(MessageProblem(code, SEVERITIES[code], what, 1, customer, detail))

    def add(self, other: MessageFindings) -> None:
        self.rendered += other.rendered
        for problem in other.problems.values():
            self._count(problem)
        for link in other.links:
            self.keep_link(link)

    def keep_link(self, link: str) -> None:
        if len(self.links) < MAX_LINKS:
            self.links.setdefault(link)

    def _count(self, problem: MessageProblem) -> None:
        known = self.problems.setdefault((problem.code, problem.what), problem)
        if known is not problem:
            known.messages += problem.messages

    def in_order(self) -> list[MessageProblem]:
        """Errors first, the most frequent first."""
        return sorted(self.problems.values(), key=lambda p: (p.severity != "error", -p.messages, p.code, p.what))


@dataclass
class Inspector:
    """Inspects messages one by one; remembers the result for each link. legal: what the law wants of them."""

    findings: MessageFindings
    legal: LegalNotices
    _verdicts: dict[str, str] = field(default_factory=dict)

    def inspect(self, message: Rendered, *, kind: str, wanted_language: str) -> Iterator[Finding]:
        """Every problem of the message."""
        for link in self._links(message):
            if verdict := self._verdict(link):
                yield "broken_link", verdict, link[:_SHOWN]
        if message.language and _primary(wanted_language) not in ("", _primary(message.language)):
            yield "other_language", f"no texts in {wanted_language!r}: written in {message.language!r}", ""
        if kind == "email":
            yield from self._mail(message)
        yield from self.legal.inspect(message, kind)

    def _mail(self, message: Rendered) -> Iterator[Finding]:
        size = len(message.html.encode())
        if size > GMAIL_CLIPS_AT:
            yield "large_html", "the HTML is over 102 KB: Gmail shows only its beginning", f"{size / 1024:,.0f} KB"
        if message.html and not message.text.strip():
            yield "no_text", "there is no text version", ""
        if self.legal.marketing and not _can_unsubscribe(message):
            yield "no_unsubscribe", "there is no unsubscribe link: write {{ links.unsubscribe }}", ""

    def _links(self, message: Rendered) -> Iterator[str]:
        written = dict.fromkeys(found for attribute in _ATTRIBUTES for found in attribute.findall(message.html))
        for double, single in written:
            yield unescape(double or single).strip()
        for link in _IN_TEXT.findall(message.text):
            yield link.rstrip(".,;:!?)")

    def _verdict(self, link: str) -> str:
        if link not in self._verdicts:
            if len(self._verdicts) > 20 * MAX_LINKS:
                self._verdicts.clear()  # links that differ by customer would fill memory
            self._verdicts[link] = verdict = link_problem(link)
            if not verdict and link.lower().startswith("http"):
                self.findings.keep_link(link.partition("?")[0].partition("#")[0])
        return self._verdicts[link]


def link_problem(link: str) -> str:
    """Why a link cannot work, or "" if it can."""
    if not link:
        return "a link is empty"
    if _PLACEHOLDER.search(link):
        return "a link has a placeholder that was not filled in"
    if link.startswith("#") or link.lower().startswith(_HARMLESS):
        return ""
    return _address_problem(link)


def _address_problem(link: str) -> str:
    try:
        parts = urlsplit(link)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return _NO_ADDRESS
    if not parts.scheme:
        return "a link is relative: in a mail it leads nowhere"
    named = "." in host or ":" in host or host == "localhost"
    if parts.scheme.lower() not in ("http", "https") or not named or _ODD.search(link):
        return _NO_ADDRESS
    return "a link leads to a machine that only you can reach" if _is_here(host) else ""


def _is_here(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host.endswith(_HERE[1:]) or host == _HERE[0]


_NO_ADDRESS = "a link is not a web address"


def _can_unsubscribe(message: Rendered) -> bool:
    """Whether the message shows one of the header's unsubscribe addresses."""
    listed = re.findall(r"<([^>]+)>", message.headers.get("List-Unsubscribe", ""))
    shown = unescape(message.html) if message.html else message.text
    return any(address in shown for address in listed)


def _primary(language: str) -> str:
    return language.split("-", maxsplit=1)[0].lower()
