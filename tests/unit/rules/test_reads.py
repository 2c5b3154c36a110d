"""What a run must read before its rules can be asked."""

from __future__ import annotations

import pytest

from automation.config.campaigns import parse_campaign
from automation.config.settings import Settings, Shop
from automation.plugin_manager import Registry
from automation.rules import core
from automation.rules.reads import chooses_by_profiling, reads_decisions
from automation.types.channel_settings import ChannelSettings
from automation.types.condition import Group, Using
from automation.types.offer_plan import OfferPlan
from automation.types.trigger import Trigger

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


@pytest.mark.parametrize(
    ("changed", "profiles"),
    [
        ("", False),
        ("audience: {all: [{trait: country, is: DE}, {not_contacted: 7d}]}", False),
        ("audience: {segment: loyal}", False),
        ("audience: {segment: buyers}", True),
        ("audience: {not: {did: purchase}}", True),
        ("audience: {profile: lifecycle, is: lapsed}", True),
        ("audience: {message: {was: opened}}", True),
        ("audience: {all: [{trait: country, is: DE}], top: 5, by: points}", True),
    ],
)
def test_what_chooses_people_by_more_than_traits(changed: str, profiles: bool) -> None:
    registry = Registry()
    core.register_rules(lambda name, rule: registry.components["rules"].__setitem__(name, (rule, "core")))
    buyers = parse_campaign(FILE.format(audience="{did: purchase}"), "hello.yaml", SETTINGS, registry).campaign
    loyal = parse_campaign(FILE.format(audience="{trait: country, is: DE}"), "hello.yaml", SETTINGS, registry).campaign
    assert buyers is not None
    assert loyal is not None
    named = {"loyal": loyal.audience.condition, "buyers": buyers.audience.condition}
    settings = SETTINGS.model_copy(update={"segments": named})
    campaign = FILE.format(audience="everyone").replace("audience: everyone", changed or "audience: everyone")
    file = parse_campaign(campaign, "hello.yaml", settings, registry)
    assert file.campaign is not None, file.problems
    assert chooses_by_profiling(file.campaign, named) is profiles
    if not changed:
        for starts, chosen in ((Trigger(did="add_to_cart"), True), (Trigger(consent_given="promotions"), False)):
            triggered = file.campaign.model_copy(update={"starts_when": starts})
            assert chooses_by_profiling(triggered, named) is chosen
        offering = OfferPlan(using=Using("rules", None), choose=("pct10",))
        assert chooses_by_profiling(file.campaign.model_copy(update={"offer": offering}), named)
        stopping = file.campaign.model_copy(update={"stop_when": buyers.audience.condition})
        assert not chooses_by_profiling(stopping, named)
