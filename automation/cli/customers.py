"""`automation customers`."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from automation.reporting.portrait import Portrait
    from automation.reporting.timeline import Moment

_WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def customers(
    context: typer.Context,
    action: Annotated[Literal["show"], typer.Argument(help="what to do")],
    which: Annotated[str, typer.Argument(metavar="CUSTOMER", help="the shop's own id, an e-mail address or a number")],
) -> None:
    """Show everything about one customer.

    Traits, buying behaviour, consent, and a timeline of every message that was sent, refused or is still due, across
    all ids of that person, the newest last.

    Example: automation customers show C1042
    """
    from automation.inbound.identity import person
    from automation.reporting.portrait import Portrait, portrait
    from automation.reporting.timeline import timeline

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        who = person(workspace, which)
        found = portrait(workspace, who.ids[0]) if who.customer else None
        moments = timeline(workspace, who)
        currency = workspace.project.settings.shop.currency
    known = asdict(found) if found else {field.name: None for field in fields(Portrait)}
    payload = {**known, "timeline": [vars(m).copy() for m in moments]}
    shown = blocks(found, currency) if found else [Text(f"{which} is no customer, but something is on record", "odd")]
    invocation.output.show(payload, *shown, *_timeline(moments))


def blocks(found: Portrait, currency: str) -> list[Block]:
    """The portrait as a person reads it."""
    profile = found.profile
    shown: list[Block] = [Text(_name(found), "loud"), Text(_standing(profile))]
    if found.namesakes:
        shown.append(Text(f"the same e-mail address belongs to {', '.join(found.namesakes)}", "odd"))
    if profile.get("outlier"):
        shown.append(Text("spends so unlike others that averages should not count on it", "odd"))
    shown.append(Table(("trait", "value"), [(name, str(value)) for name, value in found.traits.items()]))
    shown.append(Table(("profile", ""), [*_buying(profile, currency), *_habits(profile)]))
    shown += _segments(found)
    shown += _permissions(found)
    return shown


def _name(found: Portrait) -> str:
    known = (found.traits.get("first_name"), found.traits.get("last_name"))
    return f"{' '.join(part for part in known if part) or 'customer'} ({found.customer_id})"


def _standing(profile: Mapping[str, Any]) -> str:
    stage = str(profile.get("lifecycle", "never_bought")).replace("_", " ")
    if "recency_days" not in profile:
        return f"{stage}"
    return f"{stage}; last purchase {profile['recency_days']:,.0f} days ago, RFM {profile['rfm']}"


def _buying(profile: Mapping[str, Any], currency: str) -> list[tuple[str, str]]:
    if "frequency" not in profile:
        return [("purchases", "none")]
    basket = profile.get("average_basket")
    rows = [
        ("purchases", f"on {profile['frequency']:,} days, since {profile['first_purchase_at']:%Y-%m-%d}"),
        ("spent", f"{profile['monetary']:,.2f} {currency}"),
        ("average basket", "" if basket is None else f"{basket:,.2f} {currency}"),
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
    for doing, told in (("buying", "usually buys"), ("opening", "usually opens e-mails")):
        if f"usual_hour_{doing}" in profile:
            weekday = _WEEKDAYS[profile[f"usual_weekday_{doing}"]]
            rows.append((told, f"around {profile[f'usual_hour_{doing}']:02}:00, on {weekday}s, their own time"))
    for rate, told in (("email_open_rate", "e-mails opened"), ("email_click_rate", "e-mails clicked")):
        if rate in profile:
            rows.append((told, f"{profile[rate]:.0%}"))
    return rows


def _segments(found: Portrait) -> list[Block]:
    rows = [(s.segment, s.label or "", s.score, "; ".join(s.reasons)) for s in found.segments]
    told = [Table(("segment", "label", "score", "because"), rows)] if rows else [Text("in no segment", "faint")]
    return [*told, *(Text(f"segment {name}: {why}", "faint") for name, why in found.unknown.items())]


def _permissions(found: Portrait) -> list[Block]:
    words = {True: "yes", False: "no", None: "never asked"}
    rows = [(p.channel, p.topic, words[p.granted]) for p in found.permissions]
    listed: list[Block] = [Table(("channel", "topic", "consent"), rows)] if rows else []
    if found.suppressed is not None:
        listed.append(Text(f"the e-mail address is suppressed: {found.suppressed}", "bad"))
    return listed


def _timeline(moments: Sequence[Moment]) -> list[Block]:
    if not moments:
        return [Text("no campaign has decided on this customer yet", "faint")]
    rows = [
        (f"{m.at:%Y-%m-%d %H:%M}", m.what, m.about, m.channel, m.customer_id, m.address, m.detail, m.coupon)
        for m in moments
    ]
    columns = ("when (UTC)", "what", "campaign or topic", "channel", "customer", "address", "why or how", "coupon")
    return [Table(columns, rows), Text("automation explain CAMPAIGN CUSTOMER says why", "faint")]
