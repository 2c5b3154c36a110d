"""A report's figures per variant and channel, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from automation.cli.output import Cell, Table
from automation.event_types import PURCHASE
from automation.workspace.shop_format import ShopFormat

if TYPE_CHECKING:
    from automation.reporting.figures import Difference, Figures, Rate
    from automation.reporting.report import Report

_CHANNEL_FIGURES = ("delivered", "bounced", "opened", "clicked", "converted", "unsubscribed")
_COMPARED = ("converted", "clicked", "unsubscribed")
UNRELIABLE = (
    "opens are unreliable: privacy proxies such as Apple's open messages by themselves, and some programs never report "
    "an opening"
)


def variants_table(found: Report, shop: ShopFormat) -> Table:
    """A column a variant: counts, and shares of the messages sent with their 95 % intervals."""
    figures = list(found.variants.values())
    rows: list[tuple[Cell, ...]] = [("sent", *(one.sent for one in figures))]
    if any(one.ambiguous for one in figures):
        rows.append(("may have arrived", *(one.ambiguous for one in figures)))
    if any(one.untracked for one in figures):
        rows.append(("not tracked", *(one.untracked for one in figures)))
    rows += [
        (goal_name(found, name), *(_rate(one.rates[name]) for one in figures))
        for name in figures[0].rates
        if any(rate is not None and (rate.count or name in _COMPARED) for rate in (one.rates[name] for one in figures))
    ]
    rows.append((f"{_goal(found)} credited", *(_number(one.credit.conversions) for one in figures)))
    if any(one.credit.revenue for one in figures):
        rows.append(("revenue", *(shop.money(one.credit.revenue) for one in figures)))
        rows.append(("revenue per message", *(_per_message(one, shop) for one in figures)))
    return Table(("variant", *found.variants), rows)


def channels_table(found: Report) -> Table:
    """A row a channel and one for all of them; what nobody reports is left out."""
    figures = found.channels
    shown = [name for name in _CHANNEL_FIGURES if any(one.rates[name] is not None for one in figures.values())]
    extra = {
        name: head
        for name, head in (("ambiguous", "may have arrived"), ("untracked", "not tracked"))
        if any(getattr(one, name) for one in figures.values())
    }
    rows = [_channel_row(name, [one], shown, extra) for name, one in figures.items()]
    if len(figures) > 1:
        rows.append(_channel_row("all", list(figures.values()), shown, extra))
    heads = ("channel", "sent", *extra.values())
    return Table((*heads, *(goal_name(found, name) for name in shown)), rows)


def _channel_row(name: str, figures: list[Figures], shown: list[str], extra: Iterable[str]) -> tuple[Cell, ...]:
    def total(figure: str) -> int | None:
        counts = [rate.count for one in figures if (rate := one.rates[figure]) is not None]
        return sum(counts) if counts else None

    more = [sum(getattr(one, count) for one in figures) for count in extra]
    return (name, sum(one.sent for one in figures), *more, *(total(figure) for figure in shown))


def difference_sentences(found: Report) -> Iterator[str]:
    """What can be said about each variant beside the first."""
    for one in found.differences:
        rates = [found.variants[name].rates[one.figure] for name in (one.variant, one.against)]
        if one.figure in _COMPARED and any(rate is not None and rate.count for rate in rates):
            yield _difference(one, goal_name(found, one.figure))


def _difference(one: Difference, figure: str) -> str:
    points = abs(one.difference) * 100
    where = "above" if one.difference > 0 else "below"
    apart = f"{points:.1f} points {where}" if round(points, 1) else "level with"
    surely = "a clear difference" if one.clear else "no clear difference yet"
    between = f"between {_signed(one.low)} and {_signed(one.high)}"
    return f"{figure}: {one.variant} is {apart} {one.against}, {between}: {surely}"


def _signed(share: float) -> str:
    """`−0.3`, `2.7`: percentage points."""
    return f"{share * 100:.1f}".replace("-0.0", "0.0").replace("-", "−")


def goal_name(found: Report, name: str) -> str:
    """The figure `converted` by what customers did."""
    if name != "converted":
        return name.replace("_", " ")
    return "bought" if found.goal.did == PURCHASE else f"reached the goal ({found.goal.did})"


def _goal(found: Report) -> str:
    return "orders" if found.goal.did == PURCHASE else found.goal.did


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "not reported"
    return f"{rate.count:,}: {rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _per_message(one: Figures, shop: ShopFormat) -> str:
    left = one.sent + one.ambiguous
    return shop.money(one.credit.revenue / left) if left else ""


def _number(value: float) -> int | float:
    number = round(value, 2)
    return int(number) if number == int(number) else number
