"""A campaign file's grammar, as frozen values.

`config` reads the YAML, replaces every condition by a `Condition` and every component's settings by its own `Options`,
and only then validates these models, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from automation.types.quantity import Amount, Duration, NumberComparison, Percent


class Grammar(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


# Conditions


@dataclass(frozen=True)
class Leaf:
    """One rule: its YAML key (`did`, `trait`, ... or a plugin's), its validated options and where it stands.

    `path` is the place in the file (`audience.all[2]`, counted from 1), `text` the rule as written, for `explain`.
    """

    key: str
    options: BaseModel
    path: str
    text: str


@dataclass(frozen=True)
class Group:
    """`all`, `any` or `not` (which has exactly one part); `everyone` is `all` of nothing."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Condition, ...]


Condition = Leaf | Group


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf, in the order of the file."""
    if isinstance(condition, Leaf):
        yield condition
    else:
        for part in condition.parts:
            yield from leaves(part)


@dataclass(frozen=True)
class Audience:
    """A condition, then at most one of `top` (by a score) and `sample`, applied last."""

    condition: Condition
    top: int | None = None
    by: str | None = None
    sample: float | None = None


# Components that a file names


@dataclass(frozen=True)
class Using:
    """A component named by the file, with its validated options; `name` is a key of config.yaml's `models:` or a
    registered component's name."""

    name: str
    options: BaseModel | None = None


# When


class Schedule(Grammar):
    every: str | None = None  # "Tuesday 09:00", "day 09:00", "15m", "hour"
    at: str | None = None  # "2026-11-20 09:00"
    cron: str | None = None
    timezone: str = "shop"  # shop, customer, or an IANA zone
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    not_on: tuple[str, ...] = ()
    when_missed: Literal["next", "skip"] = "next"
    catch_up: Literal["latest", "all", "none"] = "latest"
    max_lateness: Duration | None = None


class Trigger(Grammar):
    did: str | None = None
    quiet_for: Duration | None = None
    product: Literal["back_in_stock", "price_drop", "runs_out"] | None = None
    by: NumberComparison | str | None = None
    collect: Duration | None = None
    in_the_next: Duration | None = None
    using: str | None = None
    consent_given: str | None = None
    enters: str | None = None


# What


class Recommend(Grammar):
    using: InstanceOf[Using]
    items: Annotated[int, Field(ge=1, le=100)] = 6
    at_least: Annotated[int, Field(ge=0, le=100)] = 0
    exclude: tuple[Literal["purchased", "out_of_stock"], ...] = ()
    otherwise: InstanceOf[Using] | None = None


class Budget(Grammar):
    amount: Amount
    per: Literal["run", "month", "total"] = "run"
    counts: Literal["promised", "redeemed"] = "promised"


class OfferPlan(Grammar):
    """`fixed`, or `using` a policy that chooses among `choose`."""

    fixed: str | None = None
    using: InstanceOf[Using] | None = None
    choose: tuple[str, ...] = ()
    maximize: Literal["profit", "revenue", "conversions"] | None = None
    budget: Budget | None = None
    valid_for: Duration | None = None
    per_customer: NumberComparison | str | None = None


# How we learn


class Variant(Grammar):
    share: Percent
    template: str | None = None
    subject: str | Mapping[str, str] | None = None


class Winner(Grammar):
    test_on: Percent
    after: Duration
    by: str
    otherwise: str


class Goal(Grammar):
    did: str
    within: Duration
    measure: Literal["conversions", "revenue", "profit"] = "conversions"


class Experiment(Grammar):
    holdout: Percent | None = None
    variants: Mapping[str, Variant] = Field(default_factory=dict)
    allocate: Literal["fixed", "automatic"] = "fixed"
    winner: Winner | None = None
    goal: Goal | None = None


# The message


class Language(Grammar):
    use: str = "customer.language"
    otherwise: str


class Send(Grammar):
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    template: str
    subject: str | Mapping[str, str] | None = None
    from_: str | None = Field(default=None, alias="from")
    reply_to: str | None = None
    language: str | Language | None = None
    utm: Mapping[str, str] = Field(default_factory=dict)
    only_if: InstanceOf[Leaf] | InstanceOf[Group] | Mapping[str, str] | None = None
    fallback: str | None = None
    name: str | None = None
    recommend: Recommend | None = None
    offer: OfferPlan | None = None


class WaitFor(Grammar):
    did: str
    up_to: Duration


class Branch(Grammar):
    condition: InstanceOf[Leaf] | InstanceOf[Group] | None = None  # none: `otherwise`
    steps: tuple[Step, ...]


class Step(Grammar):
    """One node of a journey: exactly one of `send`, `wait`, `wait_for`, `branch`, `stop`."""

    send: Send | None = None
    wait: Duration | None = None
    wait_for: WaitFor | None = None
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()
    branch: tuple[Branch, ...] | None = None
    stop: bool = False


# Limits


class Cap(Grammar):
    """`2 per 7d`: at most `contacts` in any `window`."""

    contacts: Annotated[int, Field(ge=1)]
    window: Duration


class Limits(Grammar):
    cap: Cap | None = None
    when_capped: str = "drop"  # drop, or "wait 2d"
    quiet_hours: str | None = None  # "20:00-09:00"
    when_quiet: Literal["wait", "drop"] = "wait"
    rate: str | None = None
    approve_above: Annotated[int, Field(ge=0)] | None = None
    on_edit: Literal["stay", "move"] = "stay"
    on_ambiguous: Literal["hold", "resend", "resolve"] = "hold"


class Expectation(Grammar):
    """A test that a marketer writes: for this made-up customer, on this day, the campaign comes to this outcome."""

    customer: Mapping[str, str | int | float | bool | None]
    today: date
    outcome: Literal["in_audience", "not_in_audience"]
    because: str | None = None


class Campaign(Grammar):
    """One campaign file."""

    name: str
    description: str = ""
    owner: str = ""
    topic: str
    priority: Annotated[int, Field(ge=1, le=100)] = 50
    schedule: Schedule | None = None
    starts_when: Trigger | None = None
    per: Literal["customer", "cart", "order", "product"] = "customer"
    reentry: Literal["never", "always"] | Duration = "always"
    stop_when: InstanceOf[Leaf] | InstanceOf[Group] | None = None
    audience: InstanceOf[Audience] = Audience(Group("all", ()))
    recommend: Recommend | None = None
    offer: OfferPlan | None = None
    experiment: Experiment = Experiment()
    send: Send | None = None
    steps: tuple[Step, ...] = ()
    limits: Limits = Limits()
    expect: tuple[Expectation, ...] = ()
