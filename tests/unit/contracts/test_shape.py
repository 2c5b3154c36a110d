"""What shows of a component's class without making one: required and optional members, and their values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from automation.contracts import (
    ComplementRule,
    DeclaresLive,
    HandOver,
    JudgedModel,
    Options,
    PredicateRule,
    ReadsTables,
    ResolvingChannel,
    TallyRule,
    is_live,
    judged_by,
    tables_read,
)
from automation.contracts.shape import BY_KIND, OPTIONAL, lacking, members, shape_problems
from automation.plugin_manager import load_plugins
from automation.rules import core
from automation.types.message import Receipt, Rendered, Verdict


class Tall:
    """A rule with nothing optional."""

    key: ClassVar[str] = "tall"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, options: object) -> None: ...

    def matching(self, data: Any) -> Any:
        return data.customers.select("customer_id")


class Post:
    """A channel with nothing optional."""

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, options: object) -> None: ...

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            yield Receipt(message.id, message.attempt, Verdict.SENT)

    async def close(self) -> None: ...


def changed(base: type, **members: Any) -> type:
    return type("Changed", (base,), members)


def problems(kind: str, component: type) -> list[str]:
    name = getattr(component, "key", "post")
    assert lacking(kind, component) is None
    return list(shape_problems(kind, name, component))


@pytest.mark.parametrize(
    ("kind", "component", "what"),
    [
        ("rules", changed(Tall, matching=lambda self: None), "matching() lacks the parameter data"),
        ("rules", changed(Tall, predicate=lambda self, data: None), "predicate() lacks the parameter customers"),
        ("rules", changed(Tall, complement_of=lambda self: None), "complement_of() lacks the parameter data"),
        ("rules", changed(Tall, tally="purchase"), "tally must be a method"),
        (
            "rules",
            changed(Tall, reads={"people"}),
            "its reads is {'people'}; it must be a set of customers, decisions, events, products, profiles, segments",
        ),
        ("channels", changed(Post, live="no"), "its live is 'no'; it must be True or False"),
        (
            "channels",
            changed(Post, kind="letter"),
            "its kind is 'letter'; it must be one of email, phone, push, customer",
        ),
        ("channels", changed(Post, resolve=lambda self, messages: ()), "resolve() must be a coroutine: async def"),
    ],
)
def test_a_wrong_shape_is_named(kind: str, component: type, what: str) -> None:
    assert problems(kind, component) == [what]


def test_a_rule_has_the_name_that_it_is_registered_as() -> None:
    told = list(shape_problems("rules", "short", Tall))
    assert told == ["its key is 'tall'; it must be 'short', the name that it is registered as"]


def test_a_delivery_that_is_a_coroutine_is_no_stream() -> None:
    async def deliver(self: object, messages: object, hand_over: object) -> None: ...

    told = problems("channels", changed(Post, deliver=deliver))
    assert told == ["deliver() must be an async generator: async def with yield"]


def test_everything_that_is_shipped_has_its_shape() -> None:
    registry = load_plugins(core=[core])
    for kind in BY_KIND:
        for name, (component, _) in registry.components[kind].items():
            assert (name, lacking(kind, component)) == (name, None)
            assert (name, list(shape_problems(kind, name, component))) == (name, [])


def test_optional_members_are_declared_beside_the_kind_that_has_them() -> None:
    found = {kind: {m for each in OPTIONAL[kind] for m in members(each) - members(BY_KIND[kind])} for kind in OPTIONAL}
    assert found == {
        "rules": {"predicate", "complement_of", "tally", "reads"},
        "segmenters": {"judged_by"},
        "recommenders": {"judged_by"},
        "offer_policies": {"judged_by"},
        "channels": {"resolve", "live"},
    }


def test_what_a_component_leaves_out_has_a_default() -> None:
    every = {"customers", "products", "events", "profiles", "decisions", "segments"}
    assert tables_read(Tall) == every
    assert tables_read(changed(Tall, reads=frozenset({"events"}))) == {"events"}
    assert is_live(Post)
    assert not is_live(changed(Post, live=False))
    registry = load_plugins()
    assert judged_by(registry.find("segmenters", "churn")) == ("AUC", "recency alone")
    assert judged_by(registry.find("recommenders", "popular")) == ("quality", "the baseline")


def test_which_rules_have_what() -> None:
    rules = {name: rule for name, (rule, _) in load_plugins(core=[core]).components["rules"].items()}
    having = {
        protocol: sorted(name for name, rule in rules.items() if isinstance(rule, protocol))
        for protocol in (PredicateRule, ComplementRule, TallyRule, ReadsTables)
    }
    assert having == {
        PredicateRule: ["trait"],
        ComplementRule: ["did_not", "not_contacted"],
        TallyRule: ["did", "did_not"],
        ReadsTables: sorted(rules),
    }
    assert not isinstance(Post, ResolvingChannel | DeclaresLive | JudgedModel)
