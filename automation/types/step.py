"""The steps of a campaign: send, wait, wait_for, branch, stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, model_validator

from automation.types.condition import Group, Leaf, Where
from automation.types.grammar import FileModel, Names, Text
from automation.types.offer_plan import OfferPlan
from automation.types.quantity import Duration, parse_duration
from automation.types.recommendation import Recommend
from automation.types.schedule import ClockText, WallTimeText

SEND = "send"
"""The name of a send that the file gives none: the only step of a campaign with `send:`."""


class Language(FileModel):
    """The language of a customer's messages, and the one for customers whose own is unknown or has no texts."""

    use: str = "customer.language"
    otherwise: str


class ProductState(FileModel):
    """A condition on the products that the message is about."""

    product: Literal["in_stock"]


@dataclass(frozen=True)
class Fallback:
    """When the next channel takes the message: the first can't reach the customer or, with `undelivered_after`, reports
    no delivery within that time.

    `text` is what the file says.
    """

    undelivered_after: timedelta | None = None
    text: str = field(default="unreachable", compare=False)

    def __str__(self) -> str:
        return self.text


def parse_fallback(text: object) -> Fallback:
    """`unreachable`, or `unreachable or undelivered after 30m`. Raises ValueError."""
    if isinstance(text, Fallback):
        return text
    if text == "unreachable":
        return Fallback()
    beginning = "unreachable or undelivered after "
    if isinstance(text, str) and text.startswith(beginning):
        return Fallback(parse_duration(text.removeprefix(beginning)), text)
    raise ValueError(f"{text!r} is not known; write unreachable, or {beginning}30m")


FallbackText = Annotated[
    Fallback,
    BeforeValidator(parse_fallback),
    PlainSerializer(str, return_type=str),
    Text(r"^unreachable( or undelivered after \d+\s*(s|min|m|h|d|w))?$", "unreachable or undelivered after 30m"),
]


class Send(FileModel):
    """One message: by which channels, made from which template. `name` is the step's name in the ledger."""

    channels: Annotated[tuple[Annotated[str, Names("channels")], ...], Field(min_length=1)]
    template: str
    subject: str | Mapping[str, str] | None = None
    from_: str | None = Field(default=None, alias="from")
    reply_to: str | None = None
    language: str | Language | None = None
    utm: Mapping[str, str] = Field(default_factory=dict)
    only_if: InstanceOf[Leaf] | InstanceOf[Group] | ProductState | None = None
    fallback: FallbackText = Fallback()
    name: str = SEND
    recommend: Recommend | None = None
    offer: OfferPlan | None = None


class DayOf(FileModel):
    """A date of the customer (`trait`) or of the event that started the campaign (`event`): so long before it, at a
    time of day on the customer's clock."""

    trait: str | None = None
    event: str | None = None
    before: Duration = timedelta(0)
    at: ClockText

    @model_validator(mode="after")
    def _has_one_source(self) -> DayOf:
        if (self.trait is None) == (self.event is None):
            raise ValueError("write `trait`, a date of the customer, or `event`, a date of the event that started it")
        return self


class WaitUntil(FileModel):
    """Waits until a wall time on the customer's clock, or until a date. when_past: what a date that is over does."""

    until: WallTimeText | DayOf
    when_past: Literal["stop", "go_on"] = "stop"


class WaitFor(FileModel):
    """Waits until the customer did something or entered a segment, at most `up_to`."""

    did: str | tuple[str, ...] | None = None
    where: InstanceOf[Where] | None = None
    product: Literal["same"] | None = None
    enters: Annotated[str, Names("segments")] | None = None
    up_to: Duration

    @property
    def types(self) -> tuple[str, ...]:
        """The types of event that it waits for."""
        return (self.did,) if isinstance(self.did, str) else self.did or ()

    @model_validator(mode="after")
    def _waits_for_one_thing(self) -> WaitFor:
        if bool(self.types) == (self.enters is not None):
            raise ValueError("write `did`, a type of event or a list of them, or `enters`, a segment")
        if self.enters is not None and (self.where is not None or self.product is not None):
            raise ValueError("`where` and `product` belong to `did`")
        return self


class Branch(FileModel):
    """`{if, steps}`, or last `{otherwise}`."""

    condition: InstanceOf[Leaf] | InstanceOf[Group] | None = Field(default=None, alias="if")
    steps: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _has_one_form(self) -> Branch:
        if (self.condition is None) == (not self.otherwise) or (self.condition is None) != (not self.steps):
            raise ValueError("write {if, steps}, or {otherwise} as the last")
        return self


class Step(FileModel):
    """One node of a journey: exactly one of `send`, `wait`, `wait_for`, `branch`, `stop`."""

    text_form: ClassVar[Text] = Text("^stop$", "stop")

    send: Send | None = None
    wait: Duration | WaitUntil | None = None
    wait_for: WaitFor | None = None
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()
    branch: tuple[Branch, ...] | None = None
    stop: bool = False

    @classmethod
    def from_text(cls, text: str) -> Step:
        """Raises ValueError."""
        if text != "stop":
            raise ValueError(f"{text!r} is not a step; write send, wait, wait_for, branch or stop")
        return cls(stop=True)

    @model_validator(mode="after")
    def _is_one_node(self) -> Step:
        given = (self.send, self.wait, self.wait_for, self.branch, self.stop or None)
        written = [one for one in given if one is not None]
        if len(written) != 1:
            raise ValueError("a step is exactly one of send, wait, wait_for, branch and stop")
        if (self.then or self.otherwise) and self.wait_for is None:
            raise ValueError("`then` and `otherwise` belong to wait_for")
        return self


def sends_of(steps: Sequence[Step]) -> Iterator[Send]:
    """Every send in these steps and in those that branch off them, in the order of the file."""
    for step in steps:
        if step.send is not None:
            yield step.send
        for branch in step.branch or ():
            yield from sends_of((*branch.steps, *branch.otherwise))
        yield from sends_of((*step.then, *step.otherwise))
