"""The steps of a campaign: send, wait, wait_for, branch, stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, InstanceOf, model_validator

from automation.types.condition import Group, Leaf
from automation.types.grammar import FileModel, Names, Text
from automation.types.offer_plan import OfferPlan
from automation.types.quantity import Duration
from automation.types.recommendation import Recommend

SEND = "send"
"""The name of a send that the file gives none: the only step of a campaign with `send:`."""


class Language(FileModel):
    """The language of a customer's messages, and the one for customers whose own is unknown or has no texts."""

    use: str = "customer.language"
    otherwise: str


class ProductState(FileModel):
    """A condition on the products that the message is about."""

    product: Literal["in_stock"]


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
    fallback: str | None = None
    name: str = SEND
    recommend: Recommend | None = None
    offer: OfferPlan | None = None


class WaitFor(FileModel):
    """Waits until the customer did something, at most `up_to`."""

    did: str
    up_to: Duration


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
    wait: Duration | None = None
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
        written = [name for name in ("send", "wait", "wait_for", "branch", "stop") if getattr(self, name)]
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
