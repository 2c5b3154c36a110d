"""A campaign has steps, whichever of `send:` and `steps:` its file has."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from automation.types.campaign import Campaign
from automation.types.step import SEND, Step

HEAD = {"name": "welcome", "topic": "promotions"}


def send(template: str, **written: Any) -> dict[str, Any]:
    return {"channels": ["email"], "template": template, **written}


def test_send_is_short_for_one_step() -> None:
    campaign = Campaign.model_validate({**HEAD, "send": send("hello")})
    assert [step.send for step in campaign.steps] == [campaign.first_send]
    assert (campaign.first_send.name, campaign.first_send.template) == (SEND, "hello")
    assert list(campaign.sends) == ["send"]


def test_every_send_is_found_by_its_name_in_the_order_of_the_file() -> None:
    clicked = {"wait_for": {"did": "click", "up_to": "2d"}, "then": [{"send": send("thanks", name="thanks")}]}
    steps = [
        {"send": send("hello", name="first")},
        {"wait": "3d"},
        {**clicked, "otherwise": [{"send": send("again", name="again")}]},
        {"branch": [{"otherwise": [{"send": send("last", name="last")}]}]},
        {"stop": True},
    ]
    campaign = Campaign.model_validate({**HEAD, "steps": steps})
    assert len(campaign.steps) == 5
    assert {name: found.template for name, found in campaign.sends.items()} == {
        "first": "hello",
        "thanks": "thanks",
        "again": "again",
        "last": "last",
    }
    assert list(campaign.sends) == ["first", "thanks", "again", "last"]
    assert campaign.first_send.name == "first"


def test_a_variant_may_have_a_template_of_its_own() -> None:
    variants = {"plain": {"share": "50%"}, "story": {"share": "50%", "template": "story"}}
    campaign = Campaign.model_validate({**HEAD, "send": send("hello"), "experiment": {"variants": variants}})
    found = [campaign.template_of(campaign.first_send, variant) for variant in (None, "plain", "story")]
    assert found == ["hello", "hello", "story"]
    assert campaign.templates() == ["hello", "story"]


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ({}, "exactly one of send, wait, wait_for, branch and stop"),
        ({"wait": "3d", "stop": True}, "exactly one of send, wait, wait_for, branch and stop"),
        ({"wait": "3d", "then": [{"stop": True}]}, "`then` and `otherwise` belong to wait_for"),
        ({"branch": [{}]}, "as the last"),
    ],
)
def test_a_step_is_one_thing(written: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Step.model_validate(written)
