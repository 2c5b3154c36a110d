"""Renders a granted message for its channel: the same grant always gives the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from automation.errors import AutomationError
from automation.ids import bounce_token, link_id, sign
from automation.messages import links
from automation.messages.batch_content import BatchContent, tag_link
from automation.messages.defuse import defuse_customer
from automation.messages.render import Body, Kind, Renderer
from automation.messages.template_context import offer_terms, show_items, show_order
from automation.types.campaign import Campaign
from automation.types.grant import Grant
from automation.types.message import Rendered
from automation.types.offer import Offer
from automation.types.shown_values import LAST_ORDER, PROFILE
from automation.types.step import Send
from automation.types.web_link import host_of


@dataclass(frozen=True)
class MessageDefaults:
    """What every message of the shop carries."""

    shop: Mapping[str, str]
    zone: ZoneInfo
    sender: str
    reply_to: str
    base_url: str | None
    unsubscribe_to: str
    kinds: Mapping[str, Kind]
    """Channel name → kind of address."""
    offers: Mapping[str, Offer]
    secret: bytes
    track: bool = False
    """Whether e-mails count clicks through `base_url`."""
    pixel: bool = True
    """Whether e-mails that count clicks have the open pixel too."""
    redirect_to: str | None = None
    """Where every message goes instead of to its customer; see `messages.redirect`."""


class UnfitMessage(AutomationError):
    """This message can't be composed, for a reason that nobody foresaw; the others of its batch are sent."""


def compose(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, content: BatchContent
) -> Rendered:
    """Render one grant; `content` is its batch's. Raises only `AutomationError`, whatever the values are."""
    with only_this_message():
        return _compose(grant, campaign, renderer, head, content)


@contextmanager
def only_this_message() -> Iterator[None]:
    """Raise any error as an `AutomationError`, by which one message fails; another error would end its whole batch."""
    try:
        yield
    except AutomationError:
        raise
    except Exception as error:
        raise UnfitMessage(f"{type(error).__name__}: {str(error)[:200]}") from error


def _compose(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, content: BatchContent
) -> Rendered:
    send = campaign.sends[grant.step]
    kind = head.kinds[grant.channel]
    link = link_id(head.secret, grant.id)
    own = _own_links(link, head)
    body = _body(grant, campaign, renderer, head, content, own)
    if "\\u" in grant.context:  # else nothing can have written one; looking through 20 KB takes 25 µs
        _refuse_half_characters(body)
    if grant.tracked and head.track and head.base_url is not None and kind == "email":
        hosts = _hosts(renderer, head, content)
        body = links.track_links(body, head.base_url, head.secret, link, hosts, pixel=head.pixel)
    return Rendered(
        id=grant.id,
        attempt=grant.attempt,
        channel=grant.channel,
        to=grant.address,
        sent_at=grant.granted_at.replace(microsecond=0),
        text=body.text,
        subject=body.subject,
        html=body.html,
        preheader=body.preheader,
        sender=send.from_ or head.sender,
        reply_to=send.reply_to or head.reply_to,
        language=body.language,
        headers=_headers(grant, head, own, link) if kind == "email" else {},
        bounce_token=bounce_token(head.secret, grant.id) if kind == "email" else "",
    )


def find_link_targets(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, content: BatchContent
) -> list[str]:
    """Where the message's click links lead, by their number. Raises `AutomationError` and nothing else."""
    with only_this_message():
        own = _own_links(link_id(head.secret, grant.id), head)
        body = _body(grant, campaign, renderer, head, content, own)
        return links.find_links(body, head.base_url or "", _hosts(renderer, head, content))


def _body(
    grant: Grant,
    campaign: Campaign,
    renderer: Renderer,
    head: MessageDefaults,
    content: BatchContent,
    own: Mapping[str, str],
) -> Body:
    """The rendered message before its links are tracked."""
    send = campaign.sends[grant.step]
    kept = json.loads(grant.context)
    otherwise = _otherwise(send) or head.shop["language"]
    language = renderer.language(grant.template, kept["language"], otherwise)
    valid_for = campaign.offer.valid_for if campaign.offer else None
    context = {
        "customer": defuse_customer(kept["customer"]),
        "items": show_items(grant.items, content, grant.step, (language, otherwise)),
        "offer": offer_terms(
            head.offers.get(grant.offer or ""),
            grant.coupon,
            grant.due_at + valid_for if valid_for else None,
            languages=(language, otherwise),
        ),
        "shop": {**head.shop, "url": tag_link(head.shop["url"], send.utm)},
        "campaign": {"name": campaign.name},
        "links": own,
        "today": _day(grant.granted_at, head.zone),
    }
    if PROFILE in kept:
        context[PROFILE] = defuse_customer(kept[PROFILE])
    if LAST_ORDER in kept:
        context[LAST_ORDER] = show_order(kept[LAST_ORDER], content, grant.step)
    return renderer.render(
        grant.template,
        head.kinds[grant.channel],
        context,
        language=kept["language"],
        otherwise=otherwise,
        subject=_subject(campaign, send, grant.variant),
        plain=True,
    )


def _hosts(renderer: Renderer, head: MessageDefaults, content: BatchContent) -> frozenset[str]:
    """Where clicks may be led: the hosts that the templates, the batch's products and config.yaml name."""
    return renderer.link_hosts | content.link_hosts | {host_of(head.shop["url"])}


def _refuse_half_characters(body: Body) -> None:
    """A lone surrogate can't be sent: JSON can write one, and no channel can encode it."""
    for part in (body.subject, body.preheader, body.text, body.html):
        if not part.isascii():
            try:
                part.encode()
            except UnicodeEncodeError as error:
                raise UnfitMessage("a text contains half of a character (a lone surrogate)") from error


def _otherwise(send: Send) -> str | None:
    """The campaign's language for customers in whose own the template has no texts, if it names one."""
    language = send.language
    return None if language is None or isinstance(language, str) else language.otherwise


@lru_cache(maxsize=16)
def _day(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).date().isoformat()


def _subject(campaign: Campaign, send: Send, variant: str | None) -> str | Mapping[str, str] | None:
    chosen = campaign.experiment.variants.get(variant) if variant is not None else None
    return chosen.subject if chosen is not None and chosen.subject is not None else send.subject


_PATHS = {"unsubscribe": "u", "preferences": "p", "confirm": "confirm"}


def _own_links(link: str, head: MessageDefaults) -> dict[str, str]:
    """The links to the recipient's pages; without a web app, unsubscribing is by mail."""
    if head.base_url is None:
        mail = _unsubscribe_mail(head, sign(head.secret, "unsubscribe", link))
        return dict.fromkeys(("unsubscribe", "preferences"), mail)
    base = head.base_url.rstrip("/")
    return {name: f"{base}/{path}/{sign(head.secret, name, link)}" for name, path in _PATHS.items()}


def _headers(grant: Grant, head: MessageDefaults, own: Mapping[str, str], link_: str) -> dict[str, str]:
    """Headers of RFC 2369, 2919 and (with a web app) 8058, the one by which Gmail counts complaints, and the one by
    which a complaint proves which message it is about (RFC 9477)."""
    sender = head.sender.rpartition("@")[2].rstrip("> ")
    topic, campaign = _token(grant.topic), _token(grant.campaign)
    counted = {
        "List-Id": f"<{topic}.{sender}>",
        "Feedback-ID": f"{campaign}:{grant.run_id}:{topic}:{sender}",
        "CFBL-Feedback-ID": sign(head.secret, "complaint", link_),
    }
    link = own["unsubscribe"]
    if head.base_url is None:
        return {"List-Unsubscribe": f"<{link}>", **counted}
    mail = _unsubscribe_mail(head, link.rpartition("/")[2])
    one_click = {"List-Unsubscribe": f"<{link}>, <{mail}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return one_click | counted


@lru_cache(maxsize=256)
def _token(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def _unsubscribe_mail(head: MessageDefaults, token: str) -> str:
    return f"mailto:{head.unsubscribe_to}?subject=unsubscribe%20{token}"
