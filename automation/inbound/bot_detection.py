"""Whether a person opened and clicked, or a machine: scanners, prefetching and link checkers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from automation.event_types import EMAIL_CLICK, EMAIL_OPEN, MACHINE_CLICK, MACHINE_OPEN

TOO_SOON = {"open": timedelta(seconds=3), "click": timedelta(seconds=10)}
"""Nobody reads this fast: security gateways open and follow everything as the message arrives."""
BURST = timedelta(seconds=5)
MANY_LINKS = 3
"""So many different links of one message within BURST is a checker that follows all of them."""

# A proxy that fetches only when the person opens: the open counts.
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
class Hit:
    """One request for a pixel or a link.

    after: since the message was handed over; None where nobody knows. links: how many different links of the message
    were asked for within BURST, this one included. prefetch: what the client said of fetching ahead, else "".
    """

    kind: Literal["open", "click"]
    method: str
    user_agent: str
    after: timedelta | None
    links: int = 1
    prefetch: str = ""


@dataclass(frozen=True)
class Judgement:
    """`why` is empty for a person; `client` is the kind of program, the only thing that is kept of its name."""

    why: str
    client: str

    @property
    def machine(self) -> bool:
        return bool(self.why)


def judge(hit: Hit) -> Judgement:
    """A machine for the first reason that holds, in this order: what it says of itself, then how it behaves.

    Apple's Mail Privacy Protection fetches every image whether or not anybody reads, under the bare name
    `Mozilla/5.0`: a machine. Google's and Yahoo's proxies fetch when the person opens: a person.
    """
    client = _client(hit.user_agent)
    return Judgement(_why(hit, client), client)


def event_type(kind: Literal["open", "click"], *, bot: bool) -> str:
    """The type of the event that an open or a click becomes."""
    if kind == "open":
        return MACHINE_OPEN if bot else EMAIL_OPEN
    return MACHINE_CLICK if bot else EMAIL_CLICK


def _why(hit: Hit, client: str) -> str:
    reasons = (
        (hit.method == "HEAD", "head_request"),
        (client in ("scanner", "robot", "apple_mail_privacy", "nameless"), client),
        (bool(hit.prefetch), "prefetch"),
        (hit.after is not None and hit.after < TOO_SOON[hit.kind], "too_soon"),
        (hit.links >= MANY_LINKS, "many_links"),
    )
    return next((why for holds, why in reasons if holds), "")


def _client(user_agent: str) -> str:
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
