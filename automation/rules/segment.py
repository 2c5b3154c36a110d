"""`segment`: customers in a named segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Figure, Options, Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import near_misses
from automation.types.quantity import Score, TopShare

if TYPE_CHECKING:
    import ibis.expr.types as ir


class SegmentOptions(Options):
    segment: str = Field(min_length=1)
    score: Score = None
    label: str | None = Field(default=None, min_length=1)


class Segment:
    """Customers in a named segment: a condition of config.yaml, or a model's labelled or scored set.

        {segment: churn_risk, score: at least 0.6}
        {segment: churn_risk, score: top 20%}
        {segment: lifecycle, label: at risk}

    `score` compares the model's score. `top 20%` is the fifth of all members of the segment with the highest scores,
    rounded up; of equal scores, the lower customer_id comes first. A customer without a score is never above or below
    a limit and doesn't count for a share.
    """

    key: ClassVar[str] = "segment"
    reads: ClassVar[frozenset[str]] = frozenset({"segments"})

    Options: ClassVar[type[BaseModel]] = SegmentOptions

    def __init__(self, options: SegmentOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` for an unknown segment."""
        members = self._members(data)
        if isinstance(self.options.score, TopShare):
            members = _highest(members, self.options.score)
        elif self.options.score is not None:
            members = members.filter(self.options.score.holds(members.score))
        if self.options.label is not None:
            members = members.filter(members.label == self.options.label)
        return members.select("customer_id")

    def measure(self, data: Snapshot) -> list[Figure]:
        """Whether the customer is in the segment, with what the options ask for of its score and label."""
        rows = self._members(data).limit(1).to_polars().to_dicts()
        if not rows:
            return [Figure("not in the segment")]
        found, options = rows[0], self.options
        score = [] if found["score"] is None else [Figure(f"{found['score']:.2f}", str(options.score or ""), "score")]
        label = [] if found["label"] is None else [Figure(found["label"], what="label")]
        return [*score, *label] or [Figure("in the segment")]

    @property
    def compares(self) -> bool:
        """Whether the score is compared with other customers' scores."""
        return isinstance(self.options.score, TopShare)

    def place(self, data: Snapshot, customer_id: str) -> list[Figure]:
        """The place by the score among all members who have one."""
        rows = _placed(self._members(data)).filter(lambda row: row.customer_id == customer_id).to_polars().to_dicts()
        if not rows:
            return [Figure("not in the segment, or without a score")]
        (found,) = rows
        place = f"place {found['place'] + 1:,} of {found['of']:,} with {found['score']:.2f}"
        label = [] if found["label"] is None else [Figure(found["label"], what="label")]
        return [Figure(place, str(self.options.score), "score"), *label]

    def _members(self, data: Snapshot) -> ir.Table:
        name = self.options.segment
        if name not in data.segments:
            raise ConfigurationError(f"there is no segment {name!r}{near_misses(name, data.segments)}")
        return data.segments[name]


def _highest(members: ir.Table, share: TopShare) -> ir.Table:
    """The share of the members with the highest scores; counted in integers, so exact."""
    placed = _placed(members)
    return placed.filter(share.includes(placed.place, placed.of))


def _placed(members: ir.Table) -> ir.Table:
    """The members with a score: their `place`, 0 for the highest, `of` how many."""
    import ibis

    scored = members.filter(members.score.notnull())
    order = ibis.window(order_by=[ibis.desc("score"), ibis.asc("customer_id")])
    return scored.mutate(place=ibis.row_number().over(order), of=scored.customer_id.count().over(ibis.window()))
