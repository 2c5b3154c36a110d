"""A granted message made ready for its channel: the same grant always gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from automation.ids import sign
from automation.pipeline.decide import offer_terms, show_items
from automation.pipeline.render import Kind, Renderer
from automation.store.granting import Grant
from automation.types.campaign import Campaign
from automation.types.message import Rendered
from automation.types.offer import Offer


@dataclass(frozen=True)
class Letterhead:
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


def compose(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: Letterhead, products: Mapping[str, Mapping[str, object]]
) -> Rendered:
    """Render one grant; `products` are the batch's, from `tag_links`. Raises `TemplateError`."""
    assert campaign.send is not None
    send = campaign.send
    kept = json.loads(grant.context)
    unsubscribe, headers = _unsubscribe(grant, head)
    valid_for = campaign.offer.valid_for if campaign.offer else None
    context = {
        "customer": kept["customer"],
        "items": show_items(grant.items, products),
        "offer": offer_terms(
            head.offers.get(grant.offer or ""), grant.coupon, grant.due_at + valid_for if valid_for else None
        ),
        "shop": {**head.shop, "url": _tagged(head.shop["url"], send.utm)},
        "campaign": {"name": campaign.name},
        "links": {"unsubscribe": unsubscribe},
        "today": grant.granted_at.astimezone(head.zone).date().isoformat(),
    }
    kind = head.kinds[grant.channel]
    body = renderer.render(
        grant.template,
        kind,
        context,
        language=kept["language"],
        otherwise=head.shop["language"],
        subject=_subject(campaign, grant.variant),
    )
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
        headers=headers if kind == "email" else {},
    )


def tag_links(products: Mapping[str, Mapping[str, object]], campaign: Campaign) -> Mapping[str, Mapping[str, object]]:
    """A batch's products as the campaign's messages link to them; once a batch, not once a message."""
    utm = campaign.send.utm if campaign.send else {}
    return {name: {**shown, "url": _tagged(shown.get("url"), utm)} for name, shown in products.items()}


def _tagged(url: object, utm: Mapping[str, str]) -> object:
    """A link to the shop with the campaign's utm parameters; what the link says already stays."""
    if not utm or not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    said = parse_qsl(parts.query, keep_blank_values=True)
    tags = [(f"utm_{name}", value) for name, value in utm.items() if f"utm_{name}" not in dict(said)]
    return urlunsplit(parts._replace(query=urlencode(said + tags)))


def _subject(campaign: Campaign, variant: str | None) -> str | Mapping[str, str] | None:
    assert campaign.send is not None
    chosen = campaign.experiment.variants.get(variant) if variant is not None else None
    return chosen.subject if chosen is not None and chosen.subject is not None else campaign.send.subject


def _unsubscribe(grant: Grant, head: Letterhead) -> tuple[str, dict[str, str]]:
    """The link in the body and the RFC 2369 and RFC 8058 headers; by mail where the shop serves no links yet."""
    token = sign(head.secret, "unsubscribe", grant.id)
    mail = f"mailto:{head.unsubscribe_to}?subject=unsubscribe%20{token}"
    if head.base_url is None:
        return mail, {"List-Unsubscribe": f"<{mail}>"}
    link = f"{head.base_url.rstrip('/')}/u/{token}"
    both = {"List-Unsubscribe": f"<{link}>, <{mail}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return link, both
