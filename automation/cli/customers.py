"""`automation customers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from automation.reporting.customer_view import CustomerProfile
    from automation.reporting.timeline import TimelineEntry
    from automation.workspace.shop_format import ShopFormat

_WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def customers(
    context: typer.Context,
    action: Annotated[Literal["show"], typer.Argument(help="what to do")],
    which: Annotated[str, typer.Argument(metavar="CUSTOMER", help="an id, an e-mail address or a phone number")],
) -> None:
    """Show everything about one customer.

    Traits, buying behaviour, consent, and a timeline of every message that was sent, refused or is still due, across
    all ids of that person, the newest last.

    Example: automation customers show C1042
    """
    from automation.reporting.customer_view import customer_view
    from automation.runner.refresh import refresh_profiles

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        refresh_profiles(workspace)
        found = customer_view(workspace, which)
        shop = shop_format(workspace)
    if found.customer is not None:
        shown = profile_blocks(found.customer, shop)
    else:
        shown = [Text(f"{which} belongs to no customer, but is on record", "warning")]
    invocation.output.show(found.to_json(), *shown, *_timeline(found.timeline, shop))


def profile_blocks(found: CustomerProfile, shop: ShopFormat) -> list[Block]:
    profile = found.profile
    shown: list[Block] = [Text(_name(found), "strong"), Text(_stage(profile))]
    if found.same_address_ids:
        shown.append(Text(f"same e-mail address as {', '.join(found.same_address_ids)}", "warning"))
    if profile.get("outlier"):
        shown.append(Text("outlier: averages should not include this customer's spending", "warning"))
    shown.append(Table(("trait", "value"), [(name, str(value)) for name, value in found.traits.items()]))
    shown.append(Table(("profile", ""), [*_buying(profile, shop), *_habits(profile)]))
    shown += _segments(found)
    shown += _permissions(found, shop)
    return shown


def _name(found: CustomerProfile) -> str:
    known = (found.traits.get("first_name"), found.traits.get("last_name"))
    return f"{' '.join(part for part in known if part) or 'customer'} ({found.customer_id})"


def _stage(profile: Mapping[str, Any]) -> str:
    stage = str(profile.get("lifecycle", "never_bought")).replace("_", " ")
    if "recency_days" not in profile:
        return f"{stage}"
    return f"{stage}; last purchase {format_count(round(profile['recency_days']), 'day')} ago, RFM {profile['rfm']}"


def _buying(profile: Mapping[str, Any], shop: ShopFormat) -> list[tuple[str, str]]:
    if "frequency" not in profile:
        return [("purchases", "none")]
    basket, days = profile.get("average_basket"), format_count(profile["frequency"], "day")
    rows = [
        (
            "purchases",
            f"on {days}, since {shop.day(profile['first_purchase_at'])}",
        ),
        ("spent", shop.money(profile["monetary"])),
        ("average basket", "" if basket is None else shop.money(basket)),
        ("recency, frequency, money", " ".join(f"{profile[f'{name}_quintile']} of 5," for name in "rfm").rstrip(",")),
    ]
    if "discount_share" in profile:
        usual = f", usually {profile['usual_discount']:.0%} off" if "usual_discount" in profile else ""
        rows.append(("bought on discount", f"{profile['discount_share']:.0%}{usual}"))
    return rows


def _habits(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (f"favourite {what}", f"{profile[f'top_{what}']} ({profile[f'top_{what}_share']:.0%} of lines)")
        for what in ("category", "brand")
        if f"top_{what}" in profile
    ]
    for doing, label in (("buying", "usually buys"), ("opening", "usually opens e-mails")):
        if f"usual_hour_{doing}" in profile:
            weekday = _WEEKDAYS[profile[f"usual_weekday_{doing}"]]
            rows.append((label, f"around {profile[f'usual_hour_{doing}']:02}:00 local time, on {weekday}s"))
    for rate, label in (("email_open_rate", "e-mails opened"), ("email_click_rate", "e-mails clicked")):
        if rate in profile:
            rows.append((label, f"{profile[rate]:.0%}"))
    return rows


def _segments(found: CustomerProfile) -> list[Block]:
    rows = [(s.segment, s.label or "", s.score, "; ".join(s.reasons)) for s in found.segments]
    shown: list[Block] = [Table(("segment", "label", "score", "because"), rows)] if rows else []
    if not rows:
        shown.append(Text("in no segment", "muted"))
    return [*shown, *(Text(f"segment {name}: {why}", "muted") for name, why in found.unknown_segments.items())]


def _permissions(found: CustomerProfile, shop: ShopFormat) -> list[Block]:
    rows = [
        (p.channel, p.topic, p.state or "none on record", shop.day(p.at) if p.at else "", p.source)
        for p in found.permissions
    ]
    columns = ("channel", "topic", "consent", "on", "source")
    shown: list[Block] = [Table(columns, rows)] if rows else []
    if found.suppressed is not None:
        shown.append(Text(f"the e-mail address is suppressed: {found.suppressed}", "error"))
    return shown


def _timeline(entries: Sequence[TimelineEntry], shop: ShopFormat) -> list[Block]:
    if not entries:
        return [Text("nothing on record yet", "muted")]
    rows = [
        (shop.cell(m.at), m.what, m.about, m.channel, m.customer_id, m.address, m.detail, m.coupon) for m in entries
    ]
    columns = (f"when ({shop.zone})", "what", "campaign or topic", "channel", "customer", "address", "detail", "coupon")
    return [Table(columns, rows), Text("to see why: automation explain CAMPAIGN CUSTOMER", "muted")]
