"""A campaign file's grammar, as frozen values.

`config` reads the YAML, replaces every condition by a `Condition` and every component's settings by its own `Options`,
and only then validates these models, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, InstanceOf

from automation.types.condition import Audience, Group, Leaf
from automation.types.experiment import Experiment
from automation.types.grammar import Grammar, Names
from automation.types.limits import Limits, ReentryText, parse_reentry
from automation.types.offer_plan import OfferPlan
from automation.types.recommendation import Recommend
from automation.types.schedule import Schedule
from automation.types.step import Send, Step
from automation.types.trigger import Trigger


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
    send: Send | None = None
    steps: tuple[Step, ...] = ()
    limits: Limits = Limits()
    expect: tuple[Expectation, ...] = ()
