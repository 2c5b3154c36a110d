"""Profiles worked out one customer at a time in plain Python, as slowly and as plainly as the definitions read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

Event = Mapping[str, Any]
DAY = timedelta(days=1)


@dataclass
class Shop:
    """zones: of the known customers, None where nobody knows. products: category and brand."""

    zones: Mapping[str, str | None]
    products: Mapping[str, tuple[str | None, str | None]]
    events: Sequence[Event]
    timezone: str = "UTC"
    terms: Mapping[str, timedelta] = field(default_factory=dict)


def profiles(shop: Shop, as_of: datetime) -> dict[str, dict[str, Any]]:
    """By customer, with the columns of `types.profile.PROFILE_COLUMNS`."""
    told = [e for e in shop.events if e["occurred_at"] < as_of and e["type"] in _TOLD]
    everybody = sorted({*shop.zones, *(e["customer_id"] for e in told)})
    alone = {who: _alone([e for e in told if e["customer_id"] == who], shop, who) for who in everybody}
    buyers = [one for one in alone.values() if one["days"]]
    gaps = [Fraction(gap) for one in buyers for gap in _gaps(one["days"])]
    return {who: _beside_others(who, one, buyers, gaps, shop, as_of) for who, one in alone.items()}


_TOLD = ("purchase", "email_open", "email_click", "click", "email_sent")


def _alone(events: Sequence[Event], shop: Shop, who: str) -> dict[str, Any]:
    bought = [e for e in events if e["type"] == "purchase"]
    opened = [e for e in events if e["type"] == "email_open"]
    orders: dict[object, list[Event]] = {}
    for e in bought:
        orders.setdefault(e["order_id"] or e["occurred_at"].date(), []).append(e)
    discounts = [e["discount"] for e in bought if e["discount"] is not None]
    zone = ZoneInfo(shop.zones.get(who) or shop.timezone)
    return {
        "at": [e["occurred_at"] for e in bought],
        "days": sorted({e["occurred_at"].date() for e in bought}),
        "spent": [_units(e["amount"]) for e in bought if e["amount"] is not None],
        "placed": len(orders),
        "orders": sum(any(e["amount"] is not None for e in lines) for lines in orders.values()),
        "category": _top([shop.products.get(e["product_id"], (None, None))[0] for e in bought]),
        "brand": _top([shop.products.get(e["product_id"], (None, None))[1] for e in bought]),
        "discounts": discounts,
        "buying": _usual([min(e["occurred_at"] for e in lines).astimezone(zone) for lines in orders.values()]),
        "opening": _usual([e["occurred_at"].astimezone(zone) for e in opened]),
        "sent": _messages(events, "email_sent"),
        "opened": _messages(events, "email_open"),
        "clicked": _messages(events, "email_click", "click"),
    }


def _units(amount: float) -> Fraction:
    return Fraction(round(amount * 10_000))


def _top(kinds: Sequence[str | None]) -> tuple[str | None, float | None]:
    counted = Counter(kind for kind in kinds if kind is not None)
    if not counted:
        return None, None
    best = min(counted, key=lambda kind: (-counted[kind], kind))
    return best, counted[best] / sum(counted.values())


def _usual(local: Sequence[datetime]) -> tuple[int | None, int | None]:
    if not local:
        return None, None
    hours, weekdays = Counter(at.hour for at in local), Counter(at.isoweekday() for at in local)
    first = [min(counted, key=lambda value: (-counted[value], value)) for counted in (hours, weekdays)]
    return first[0], first[1]


def _messages(events: Sequence[Event], *types: str) -> int:
    return len({e["message_id"] or e["event_id"] for e in events if e["type"] in types})


def _gaps(days: Sequence[date]) -> list[int]:
    return [(after - before).days for before, after in pairwise(days)]


def quantile(values: Sequence[Fraction], share: Fraction) -> Fraction:
    """Interpolated linearly between the two nearest ranks."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _beside_others(
    who: str,
    one: dict[str, Any],
    buyers: Sequence[dict[str, Any]],
    gaps: Sequence[Fraction],
    shop: Shop,
    as_of: datetime,
) -> dict[str, Any]:
    spent, discounts = sum(one["spent"]), one["discounts"]
    reduced = [discount for discount in discounts if discount > 0]
    found: dict[str, Any] = dict.fromkeys(_ABOUT_BUYING)
    found |= {
        "customer_id": who,
        "top_category": one["category"][0],
        "top_category_share": one["category"][1],
        "top_brand": one["brand"][0],
        "top_brand_share": one["brand"][1],
        "discount_share": len(reduced) / len(discounts) if discounts else None,
        "usual_discount": median(reduced) if reduced else None,
        "usual_hour_buying": one["buying"][0],
        "usual_weekday_buying": one["buying"][1],
        "usual_hour_opening": one["opening"][0],
        "usual_weekday_opening": one["opening"][1],
        "email_open_rate": min(one["opened"], one["sent"]) / one["sent"] if one["sent"] else None,
        "email_click_rate": min(one["clicked"], one["sent"]) / one["sent"] if one["sent"] else None,
        "lifecycle": "never_bought",
        "outlier": False,
    }
    if not one["days"]:
        return found
    ranks = {
        "r": _fifth(_seconds(max(one["at"])), [_seconds(max(other["at"])) for other in buyers]),
        "f": _fifth(Fraction(len(one["days"])), [Fraction(len(other["days"])) for other in buyers]),
        "m": _fifth(Fraction(spent), [Fraction(sum(other["spent"])) for other in buyers]),
    }
    sums = [Fraction(sum(other["spent"])) for other in buyers]
    low, high = quantile(sums, Fraction(1, 100)), quantile(sums, Fraction(99, 100))
    return found | {
        "recency_days": (as_of - max(one["at"])) / DAY,
        "frequency": len(one["days"]),
        "orders": one["placed"],
        "monetary": float(spent / Fraction(10_000)),
        "monetary_winsorised": float(max(low, min(Fraction(spent), high)) / 10_000),
        "first_purchase_at": min(one["at"]),
        "last_purchase_at": max(one["at"]),
        "average_basket": float(spent / Fraction(10_000) / one["orders"]) if one["orders"] else None,
        "lifetime_days": (as_of - min(one["at"])) / DAY,
        **{f"{name}_quintile": rank for name, rank in ranks.items()},
        "rfm": "".join(str(ranks[name]) for name in "rfm"),
        "lifecycle": _stage(one, gaps, shop.terms, as_of),
        "outlier": _far_out(one, buyers),
    }


_ABOUT_BUYING = (
    *("recency_days", "frequency", "monetary", "monetary_winsorised", "first_purchase_at", "last_purchase_at"),
    *("orders", "average_basket", "lifetime_days", "r_quintile", "f_quintile", "m_quintile", "rfm"),
)


def _seconds(at: datetime) -> Fraction:
    return Fraction(int(at.timestamp()))


def _fifth(value: Fraction, everybodys: Sequence[Fraction]) -> int:
    return 1 + sum(value > quantile(everybodys, Fraction(n, 5)) for n in range(1, 5))


def limits(gaps: Sequence[Fraction], terms: Mapping[str, timedelta]) -> list[float]:
    """at_risk_after, lapsed_after and lost_after in days."""
    found: list[float] = []
    for name, share, usual in (("at_risk_after", 75, 90), ("lapsed_after", 90, 180), ("lost_after", 98, 365)):
        own = float(quantile(gaps, Fraction(share, 100))) if len(gaps) >= 30 else float(usual)
        found.append(terms[name] / DAY if name in terms else max(own, found[-1] if found else 1.0))
    return found


def _stage(one: dict[str, Any], gaps: Sequence[Fraction], terms: Mapping[str, timedelta], as_of: datetime) -> str:
    at_risk, lapsed, lost = limits(gaps, terms)
    recency, own = (as_of - max(one["at"])) / DAY, _gaps(one["days"])
    for stage, limit in (("lost", lost), ("lapsed", lapsed), ("at_risk", at_risk)):
        if recency > limit:
            return stage
    if own and own[-1] > lapsed:
        return "won_back"
    new_for = terms["new_for"] / DAY if "new_for" in terms else at_risk
    return "new" if not own and (as_of - min(one["at"])) / DAY <= new_for else "active"


def _far_out(one: dict[str, Any], buyers: Sequence[dict[str, Any]]) -> bool:
    sums = [float(sum(other["spent"])) for other in buyers if sum(other["spent"])]
    baskets = [float(sum(o["spent"])) / o["orders"] for o in buyers if o["orders"] and sum(o["spent"])]
    spent = float(sum(one["spent"]))
    basket = spent / one["orders"] if one["orders"] else 0.0
    return _beyond(spent, sums) or _beyond(basket, baskets)


def _beyond(value: float, everybodys: Sequence[float]) -> bool:
    if len(everybodys) < 30 or not value:
        return False
    logs = [Fraction(math.log(one)) for one in everybodys]
    lower, upper = quantile(logs, Fraction(1, 4)), quantile(logs, Fraction(3, 4))
    return upper > lower and math.log(value) > float(upper + 3 * (upper - lower)) + 1e-12
