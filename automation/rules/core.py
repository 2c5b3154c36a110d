"""The built-in rules, registered in the same way as a plugin's."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Rule
from automation.hookspecs import hookimpl
from automation.rules.did import Did, DidNot
from automation.rules.message import Message
from automation.rules.named_condition import NamedCondition
from automation.rules.not_contacted import NotContacted
from automation.rules.profile import Profile
from automation.rules.segment import Segment
from automation.rules.trait import Trait


@hookimpl
def register_rules(register: Callable[[str, type[Rule]], None]) -> None:
    rules: tuple[type[Rule], ...] = (Trait, Profile, Did, DidNot, Segment, Message, NotContacted, NamedCondition)
    for rule in rules:
        register(rule.key, rule)
