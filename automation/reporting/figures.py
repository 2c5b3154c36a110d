"""What came of the messages of a group, such as a variant or a channel: counts, shares and their intervals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from automation import event_types
from automation.experiment.analysis import difference_interval, share_interval
from automation.warehouse.importing.spreadsheet import quote_formulas

RESPONSES: Mapping[str, str] = MappingProxyType(
    {
        event_types.EMAIL_DELIVERED: "delivered",
        event_types.SMS_DELIVERED: "delivered",
        event_types.EMAIL_OPEN: "opened",
        event_types.EMAIL_CLICK: "clicked",
        event_types.CLICK: "clicked",
        event_types.MACHINE_OPEN: "opened_by_bots",
        event_types.MACHINE_CLICK: "clicked_by_bots",
        event_types.UNSUBSCRIBE: "unsubscribed",
        event_types.EMAIL_BOUNCE: "bounced",
        event_types.SMS_FAILED: "bounced",
        event_types.PUSH_FAILED: "bounced",
        event_types.EMAIL_COMPLAINT: "complained",
    }
)
"""Event type → its name here. Messages are counted, not events: a message opened twice counts once."""
MEASURED = ("delivered", "bounced", "opened", "clicked", "converted", "unsubscribed", "complained")
"""The figures with a share, in the order in which they are shown."""
_ONLY_WHERE_REPORTED = ("delivered", "opened", "clicked")


@dataclass(frozen=True)
class Credit:
    """Goal events attributed to messages or to being held out, and their revenue in the shop's currency."""

    conversions: float = 0.0
    revenue: float = 0.0

    def to_json(self) -> dict[str, object]:
        return vars(self).copy()


@dataclass(frozen=True)
class Rate:
    """`count` of `of` messages; the share, 0 to 1, with its 95 % interval (Wilson)."""

    count: int
    of: int
    share: float
    low: float
    high: float

    @classmethod
    def of_counts(cls, count: int, of: int) -> Rate | None:
        """None where there is nothing to count."""
        return cls(count, of, *share_interval(count, of)) if of else None


@dataclass(frozen=True)
class Figures:
    """sent: messages that were sent. ambiguous: those that may have arrived. Both are what `rates` are shares of.

    untracked: those of both that left without pixel and tracked links for want of a consent; opens and clicks are
    shares of the others. responses: messages by response. rates: by `MEASURED`; None where nobody reports it or nothing
    was sent.
    """

    sent: int
    ambiguous: int
    responses: Mapping[str, int]
    rates: Mapping[str, Rate | None]
    credit: Credit
    untracked: int = 0

    def to_json(self) -> dict[str, object]:
        return {
            "sent": self.sent,
            "ambiguous": self.ambiguous,
            "untracked": self.untracked,
            "responses": dict(self.responses),
            "rates": {name: None if rate is None else vars(rate).copy() for name, rate in self.rates.items()},
            "credit": self.credit.to_json(),
        }


@dataclass(frozen=True)
class Difference:
    """A variant's share minus another's, with its 95 % interval (Newcombe 1998, method 10)."""

    figure: str
    variant: str
    against: str
    difference: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, object]:
        return {**vars(self), "clear": self.clear}


def count_responses(messages: pl.DataFrame) -> dict[str, int]:
    """Messages by response, of the frame of `with_responses`."""
    return {name: int(messages[name].sum()) for name in dict.fromkeys(RESPONSES.values())}


def with_responses(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """A row for each message, with a true or false column for each response; events: message_id, type."""
    told = (
        events.filter(pl.col("type").is_in(list(RESPONSES)), pl.col("message_id").is_not_null())
        .select("message_id", pl.col("type").replace_strict(RESPONSES).alias("response"))
        .unique()
    )
    for name in dict.fromkeys(RESPONSES.values()):
        said = told.filter(pl.col("response") == name).select("message_id", pl.lit(value=True).alias(name))
        messages = messages.join(said, on="message_id", how="left", maintain_order="left")
    return messages.with_columns(pl.col(list(dict.fromkeys(RESPONSES.values()))).fill_null(value=False))


def make_figures(messages: pl.DataFrame, tracked: Mapping[str, Collection[str]]) -> Figures:
    """The figures of the group's messages that left: state, channel, tracked, a column for each response, converted,
    credit, revenue.

    tracked: the channels whose `opened` and `clicked` are counted, by links of ours: shares of their tracked messages.
    The same for `converted`, where the goal is one of these. Deliveries, and what another channel reports, are shares
    of the messages of those channels from which there is any such report.
    """
    sent = messages.filter(pl.col("state") == "sent").height
    rates = {name: _rate(messages, name, tracked.get(name, ())) for name in MEASURED}
    credit = Credit(round(float(messages["credit"].sum()), 6), round(float(messages["revenue"].sum()), 2))
    linked = {channel for channels in tracked.values() for channel in channels}
    untracked = messages.filter(pl.col("channel").is_in(list(linked)), ~pl.col("tracked")).height
    return Figures(sent, messages.height - sent, count_responses(messages), rates, credit, untracked)


def _rate(messages: pl.DataFrame, name: str, tracked: Collection[str]) -> Rate | None:
    messages = messages.filter(pl.col("tracked") | ~pl.col("channel").is_in(list(tracked)))
    if name in _ONLY_WHERE_REPORTED:
        reporting = {*tracked, *messages.filter(pl.col(name))["channel"]}
        messages = messages.filter(pl.col("channel").is_in(reporting))
    return Rate.of_counts(int(messages[name].sum()), messages.height)


def compare_variants(variants: Mapping[str, Figures]) -> Iterator[Difference]:
    """Every variant with the first one, in each figure that both have."""
    names: Sequence[str] = list(variants)
    for figure in MEASURED:
        for name in names[1:]:
            ours, first = variants[name].rates[figure], variants[names[0]].rates[figure]
            if ours is not None and first is not None:
                interval = difference_interval(ours.count, ours.of, first.count, first.of)
                yield Difference(figure, name, names[0], *interval)


_CSV = pl.Schema(
    {
        "group": pl.String(),
        "name": pl.String(),
        "figure": pl.String(),
        "value": pl.Float64(),
        "of": pl.Int64(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)


def figures_csv(groups: Mapping[str, Mapping[str, Figures]]) -> str:
    """A line for each figure that is known: its group (`variant`, `channel`), name, value, share and interval."""
    lines = [
        (group, name, *line)
        for group, members in groups.items()
        for name, figures in members.items()
        for line in _csv_lines(figures)
    ]
    return quote_formulas(pl.DataFrame(lines, schema=_CSV, orient="row")).write_csv()


def _csv_lines(figures: Figures) -> Iterator[tuple[str, float, int | None, float | None, float | None, float | None]]:
    yield "sent", float(figures.sent), None, None, None, None
    yield "ambiguous", float(figures.ambiguous), None, None, None, None
    yield "untracked", float(figures.untracked), None, None, None, None
    for name, rate in figures.rates.items():
        if rate is not None:
            yield name, float(rate.count), rate.of, rate.share, rate.low, rate.high
    yield "conversions_credited", figures.credit.conversions, None, None, None, None
    yield "revenue", figures.credit.revenue, None, None, None, None
