"""A campaign file's grammar, as frozen values.

`config` reads the YAML, replaces every condition by a `Condition` and every component's settings by its own `Options`,
and only then validates these models, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, InstanceOf

from automation.types.condition import Audience, Group, Leaf
from automation.types.experiment import Experiment
from automation.types.grammar import FileModel, Names
from automation.types.limits import Limits, ReentryText, parse_reentry
from automation.types.offer_plan import OfferPlan
from automation.types.recommendation import Recommend
from automation.types.schedule import Schedule
from automation.types.step import Send, Step, sends_of
from automation.types.trigger import Trigger


class Expectation(FileModel):
    """A test in a campaign: the expected outcome for an example customer on a day."""

    customer: Mapping[str, str | int | float | bool | None]
    today: date
    outcome: Literal["in_audience", "not_in_audience"]
    because: str | None = None


class Campaign(FileModel):
    """One campaign file. What it sends is in `steps`, whichever of `send:` and `steps:` it has."""

    name: str
    description: str = ""
    owner: str = ""
    topic: Annotated[str, Names("topics")]
    priority: Annotated[int, Field(ge=1, le=100)] = 50
    schedule: Schedule | None = None
    starts_when: Trigger | None = None
    per: Literal["customer", "cart", "order", "product"] = "customer"
    reentry: ReentryText = parse_reentry("always")
    stop_when: InstanceOf[Leaf] | InstanceOf[Group] | None = None
    audience: InstanceOf[Audience] = Audience(Group("all", ()))
    recommend: Recommend | None = None
    offer: OfferPlan | None = None
    experiment: Experiment = Experiment()
    written_send: Send | None = Field(default=None, alias="send")
    written_steps: tuple[Step, ...] = Field(default=(), alias="steps")
    limits: Limits = Limits()
    expect: tuple[Expectation, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The campaign's steps; `send:` is short for one step that sends."""
        return self.written_steps if self.written_send is None else (Step(send=self.written_send),)

    @cached_property
    def sends(self) -> Mapping[str, Send]:
        """Every message that the campaign may send, by the name of its step, in the order of the file."""
        return {send.name: send for send in sends_of(self.steps)}

    @property
    def first_send(self) -> Send:
        """The first message of the file: the only one of a campaign with `send:`."""
        return next(iter(self.sends.values()))

    def template_of(self, send: Send, variant: str | None) -> str:
        """The template of a step's message: the variant's own, where it has one."""
        own = self.experiment.variants.get(variant) if variant is not None else None
        return own.template if own is not None and own.template is not None else send.template

    def templates(self) -> list[str]:
        """Every template that its messages may be made from, by name."""
        own = {variant.template for variant in self.experiment.variants.values() if variant.template}
        return sorted(own | {send.template for send in self.sends.values()})
