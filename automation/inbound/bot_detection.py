"""Tells whether a person opened or clicked, or a bot: scanners, prefetching and link checkers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from automation.event_types import EMAIL_CLICK, EMAIL_OPEN, MACHINE_CLICK, MACHINE_OPEN

TOO_SOON = {"open": timedelta(seconds=3), "click": timedelta(seconds=10)}
"""No person reads this fast; security gateways open and follow everything when the message arrives."""
BURST = timedelta(seconds=5)
MANY_LINKS = 3
"""This many different links of one message within BURST are followed by a link checker."""

# Proxies that fetch when the person opens: the open counts.
_PROXIES = {
    "google_image_proxy": re.compile(r"GoogleImageProxy", re.I),
    "yahoo_image_proxy": re.compile(r"YahooMailProxy", re.I),
}
_SCANNERS = re.compile(
    r"""barracuda|proofpoint|mimecast|symantec|messagelabs|trend\ ?micro|fireeye|trellix|ironport|forcepoint|sophos
    |cloudmark|avanan|checkpoint|fortinet|fortimail|zscaler|office\ existence|safelinks|bingpreview|bitdefender
    |virustotal|urlscan|phishtank|netcraft|censys|expanse|palo\ ?alto""",
    re.I | re.X,
)
_ROBOTS = re.compile(
    r"""(?<!cu)bot\b|crawler|spider|slurp|preview|facebookexternalhit|whatsapp|embedly|headless|phantomjs|puppeteer|selenium
    |curl/|wget/|python|aiohttp|httpx|go-http-client|java/|okhttp|libwww|lwp::|apache-httpclient|axios|node-fetch|undici
    |scrapy|guzzlehttp|ruby|faraday|postman|monitor|validator|uptime|check_http|winhttp|microsoft-cryptoapi""",
    re.I | re.X,
)
_PROGRAMS = re.compile(r"thunderbird|outlook|microsoft office|ms-office|airmail|postbox|emclient|k-9|evolution", re.I)


@dataclass(frozen=True)
class TrackedRequest:
    """One request for the open pixel or a link.

    after: the time since the message was handed over; None if unknown. links: how many different links of the message
    were requested within BURST, this one included. prefetch: the header that announces a prefetch, or "". client: the
    kind of program, "" if it was not classified yet.
    """

    kind: Literal["open", "click"]
    method: str
    user_agent: str
    after: timedelta | None
    links: int = 1
    prefetch: str = ""
    client: str = ""

    @classmethod
    def of(cls, kind: Literal["open", "click"], method: str, user_agent: str, prefetch: str = "") -> TrackedRequest:
        """With the client classified, so that a write transaction only adds `after` and `links` to it."""
        return cls(kind, method, user_agent, None, prefetch=prefetch, client=_classify_client(user_agent))


@dataclass(frozen=True)
class BotVerdict:
    """`why` is empty for a person. `client` is the kind of program; nothing else of its name is kept."""

    why: str
    client: str

    @property
    def is_bot(self) -> bool:
        return bool(self.why)


def detect_bot(request: TrackedRequest) -> BotVerdict:
    """A bot for the first reason that holds: first what the client says of itself, then how it behaves.

    Apple's Mail Privacy Protection fetches every image whether or not anybody reads, as plain `Mozilla/5.0`: a bot.
    Google's and Yahoo's proxies fetch when the person opens: a person.
    """
    client = request.client or _classify_client(request.user_agent)
    return BotVerdict(_find_reason(request, client), client)


def event_type(kind: Literal["open", "click"], *, bot: bool) -> str:
    """The type of the event that an open or a click becomes."""
    if kind == "open":
        return MACHINE_OPEN if bot else EMAIL_OPEN
    return MACHINE_CLICK if bot else EMAIL_CLICK


def _find_reason(request: TrackedRequest, client: str) -> str:
    reasons = (
        (request.method == "HEAD", "head_request"),
        (client in ("scanner", "robot", "apple_mail_privacy", "nameless"), client),
        (bool(request.prefetch), "prefetch"),
        (request.after is not None and request.after < TOO_SOON[request.kind], "too_soon"),
        (request.links >= MANY_LINKS, "many_links"),
    )
    return next((why for holds, why in reasons if holds), "")


def _classify_client(user_agent: str) -> str:
    name = user_agent[:512].strip()
    if not name:
        return "nameless"
    if name == "Mozilla/5.0":
        return "apple_mail_privacy"
    for proxy, known in _PROXIES.items():
        if known.search(name):
            return proxy
    kinds = ((_SCANNERS, "scanner"), (_ROBOTS, "robot"), (_PROGRAMS, "mail_program"))
    return next((kind for known, kind in kinds if known.search(name)), "browser")
