"""A campaign file's grammar, as frozen values.

`config` reads the YAML, replaces every condition by a `Condition` and every component's settings by its own `Options`,
and only then validates these models, so that one mistake gives one message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from automation.types.condition import Audience, Condition, Group, Leaf, Names, Text, Using, leaves
from automation.types.quantity import Amount, Duration, Percent, parse_duration
from automation.types.rate import RateText
from automation.types.schedule import parse_at, parse_every, parse_quiet_hours

__all__ = [
    "Audience",
    "Condition",
    "Group",
    "Leaf",
    "Names",
    "Text",
    "Using",
    "leaves",
]  # what stands in types.condition, for those who read the grammar here


class Grammar(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


# When


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Keeps the text as written once `parse` has accepted it."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


class Schedule(Grammar):
    every: Annotated[str, _checked(parse_every)] | None = None  # see types.schedule.parse_every
    at: Annotated[str, _checked(parse_at)] | None = None  # "2026-11-20 09:00", local
    cron: str | None = None
    timezone: str = "shop"  # shop, customer, or an IANA zone
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    not_on: tuple[str, ...] = ()
    when_missed: Literal["next", "skip"] = "next"
    catch_up: Literal["latest", "all", "none"] = "latest"
    max_lateness: Duration | None = None


def _parse_drop(text: str) -> None:
    if not re.fullmatch(r"at least \d+(\.\d+)? ?%", text):
        raise ValueError(f"{text!r} is not a price drop; write at least 10%")


class Trigger(Grammar):
    did: str | None = None
    quiet_for: Duration | None = None
    product: Literal["back_in_stock", "price_drop", "runs_out"] | None = None
    by: Annotated[str, Text(r"^at least \d+(\.\d+)? ?%$", "at least 10%"), _checked(_parse_drop)] | None = None
    collect: Duration | None = None
    in_the_next: Duration | None = None
    using: str | None = None
    consent_given: Annotated[str, Names("topics")] | None = None
    enters: Annotated[str, Names("segments")] | None = None


# What


class Recommend(Grammar):
    using: Annotated[InstanceOf[Using], Names("recommenders")]
    items: Annotated[int, Field(ge=1, le=100)] = 6
    at_least: Annotated[int, Field(ge=0, le=100)] = 0
    exclude: tuple[Literal["purchased", "out_of_stock"], ...] = ()
    otherwise: Annotated[InstanceOf[Using], Names("recommenders")] | None = None


class Budget(Grammar):
    amount: Amount
    per: Literal["run", "month", "total"] = "run"
    counts: Literal["promised", "redeemed"] = "promised"


class Cap(Grammar):
    """`2 per 7d`: at most `contacts` in any `window`."""

    text_form: ClassVar[Text] = Text(r"^\d+ per \d+\s*(s|min|m|h|d|w)$", "2 per 7d")

    contacts: Annotated[int, Field(ge=1)]
    window: Duration

    @classmethod
    def from_text(cls, text: str) -> Cap:
        number, per, window = text.partition(" per ")
        if not per or not number.strip().isdecimal() or int(number) < 1:
            raise ValueError(f"{text!r} is not a cap; write 2 per 7d")
        return cls(contacts=int(number), window=parse_duration(window))


class OfferPlan(Grammar):
    """`fixed`, or `using` a policy that chooses among `choose`."""

    fixed: Annotated[str, Names("offers")] | None = None
    using: Annotated[InstanceOf[Using], Names("offer_policies")] | None = None
    choose: tuple[Annotated[str, Names("offers")], ...] = ()
    maximize: Literal["profit", "revenue", "conversions"] | None = None
    budget: Budget | None = None
    valid_for: Duration | None = None
    per_customer: Cap | None = None


# How we learn


class Variant(Grammar):
    share: Percent
    template: str | None = None
    subject: str | Mapping[str, str] | None = None


class Winner(Grammar):
    test_on: Percent
    after: Duration
    by: Literal["opens", "clicks", "conversions", "revenue", "profit"]
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


class ProductState(Grammar):
    product: Literal["in_stock"]


class Send(Grammar):
    channels: Annotated[tuple[Annotated[str, Names("channels")], ...], Field(min_length=1)]
    template: str
    subject: str | Mapping[str, str] | None = None
    from_: str | None = Field(default=None, alias="from")
    reply_to: str | None = None
    language: str | Language | None = None
    utm: Mapping[str, str] = Field(default_factory=dict)
    only_if: InstanceOf[Leaf] | InstanceOf[Group] | ProductState | None = None
    fallback: str | None = None
    name: str | None = None
    recommend: Recommend | None = None
    offer: OfferPlan | None = None


class WaitFor(Grammar):
    did: str
    up_to: Duration


class Branch(Grammar):
    """`{if, steps}`, or last `{otherwise}`."""

    condition: InstanceOf[Leaf] | InstanceOf[Group] | None = Field(default=None, alias="if")
    steps: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _has_one_form(self) -> Branch:
        if (self.condition is None) == (not self.otherwise) or (self.condition is None) != (not self.steps):
            raise ValueError("write {if, steps}, or {otherwise} as the last")
        return self


class Step(Grammar):
    """One node of a journey: exactly one of `send`, `wait`, `wait_for`, `branch`, `stop`."""

    text_form: ClassVar[Text] = Text("^stop$", "stop")

    send: Send | None = None
    wait: Duration | None = None
    wait_for: WaitFor | None = None
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()
    branch: tuple[Branch, ...] | None = None
    stop: bool = False

    @classmethod
    def from_text(cls, text: str) -> Step:
        if text != "stop":
            raise ValueError(f"{text!r} is not a step; write send, wait, wait_for, branch or stop")
        return cls(stop=True)

    @model_validator(mode="after")
    def _is_one_node(self) -> Step:
        written = [name for name in ("send", "wait", "wait_for", "branch", "stop") if getattr(self, name)]
        if len(written) != 1:
            raise ValueError("a step is exactly one of send, wait, wait_for, branch and stop")
        if (self.then or self.otherwise) and self.wait_for is None:
            raise ValueError("`then` and `otherwise` belong to wait_for")
        return self


# Limits


def parse_when_capped(text: str) -> timedelta | None:
    """`drop` is None; `wait 2d` is how long a capped message waits. Raises ValueError."""
    if text == "drop":
        return None
    if text.startswith("wait "):
        return parse_duration(text.removeprefix("wait ").strip())
    raise ValueError(f"{text!r} is not known; write drop, or wait 2d")


class Limits(Grammar):
    cap: Cap | None = None
    when_capped: Annotated[
        str, Text(r"^(drop|wait \d+\s*(s|min|m|h|d|w))$", "wait 2d"), _checked(parse_when_capped)
    ] = "drop"
    quiet_hours: Annotated[str, Text(r"^\d\d:\d\d-\d\d:\d\d$", "20:00-09:00"), _checked(parse_quiet_hours)] | None = (
        None
    )
    when_quiet: Literal["wait", "drop"] = "wait"
    freshness: Mapping[str, Duration] = Field(
        default_factory=dict, description="another limit than config.yaml's for this campaign, by event type"
    )
    rate: RateText | None = None
    approve_above: Annotated[int, Field(ge=0)] | None = None
    on_edit: Literal["stay", "move"] = "stay"
    on_ambiguous: Literal["hold", "resend", "resolve"] = "hold"


class Expectation(Grammar):
    """A test that a marketer writes: for this made-up customer, on this day, the campaign comes to this outcome."""

    customer: Mapping[str, str | int | float | bool | None]
    today: date
    outcome: Literal["in_audience", "not_in_audience"]
    because: str | None = None


def parse_reentry(text: object) -> object:
    """`never`, `always`, or `after 30d` as a timedelta. Raises ValueError."""
    if isinstance(text, timedelta) or text in ("never", "always"):
        return text
    if isinstance(text, str) and text.startswith("after "):
        return parse_duration(text.removeprefix("after ").strip())
    raise ValueError(f"{text!r} is not known; write never, always, or after 30d")


Reentry = Annotated[
    Literal["never", "always"] | timedelta,
    BeforeValidator(parse_reentry),
    Text(r"^(never|always|after \d+\s*(s|min|m|h|d|w))$", "after 30d"),
]


class Campaign(Grammar):
    """One campaign file."""

    name: str
    description: str = ""
    owner: str = ""
    topic: Annotated[str, Names("topics")]
    priority: Annotated[int, Field(ge=1, le=100)] = 50
    schedule: Schedule | None = None
    starts_when: Trigger | None = None
    per: Literal["customer", "cart", "order", "product"] = "customer"
    reentry: Reentry = "always"
    stop_when: InstanceOf[Leaf] | InstanceOf[Group] | None = None
    audience: InstanceOf[Audience] = Audience(Group("all", ()))
    recommend: Recommend | None = None
    offer: OfferPlan | None = None
    experiment: Experiment = Experiment()
    send: Send | None = None
    steps: tuple[Step, ...] = ()
    limits: Limits = Limits()
    expect: tuple[Expectation, ...] = ()
