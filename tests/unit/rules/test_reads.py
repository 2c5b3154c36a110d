"""What a run must read before its rules can be asked."""

from __future__ import annotations

import pytest

from automation.config.campaigns import parse_campaign
from automation.config.settings import Settings, Shop
from automation.plugin_manager import Registry
from automation.rules import core
from automation.rules.reads import reads_decisions
from automation.types.channel_settings import ChannelSettings
from automation.types.condition import Group

SETTINGS = Settings(
    shop=Shop(name="Toy"),
    topics={"promotions": "marketing"},
    segments={"loyal": Group("all", ())},
    channels={"email": ChannelSettings("file")},
)
FILE = """\
name: hello
topic: promotions
schedule: {{every: day 09:00}}
audience: {audience}
send: {{channels: [email], template: hello}}
"""


@pytest.mark.parametrize(
    ("audience", "reads"),
    [
        ("everyone", False),
        ("{all: [{trait: country, is: DE}, {not: {did: purchase}}, {did_not: view}]}", False),
        ("{not: {message: {was: received}}}", True),
        ("{not_contacted: 30d}", True),
        ("{segment: loyal}", True),  # whose condition may look at messages
    ],
)
def test_decisions_are_read_where_a_rule_may_look_at_them(audience: str, reads: bool) -> None:
    registry = Registry()
    core.register_rules(lambda name, rule: registry.components["rules"].__setitem__(name, (rule, "core")))
    file = parse_campaign(FILE.format(audience=audience), "hello.yaml", SETTINGS, registry)

    assert file.campaign is not None, file.problems
    assert reads_decisions(file.campaign, registry) is reads
