"""What `validate` says about a campaign, its plan and its launch say too, and as severely."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.toy_project import toy_project

from automation.errors import AutomationError, ConfigurationError
from automation.runner.launch import LaunchOptions, plan_and_launch
from automation.runner.plan import plan
from automation.runner.validation import validate
from automation.store import launches
from automation.workspace.workspace import Workspace

CAMPAIGN = """name: toy
topic: promotions
schedule: {{every: day 09:00}}
audience: {audience}
send: {{channels: [email], template: toy}}
"""
CONFIG_SEGMENTS = """
shop: {name: Toy, url: "https://toy.example", timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels: {email: {using: file, options: {folder: var/outbox}}}
segments:
  idle: {did_not: purchas, in_the_last: 30d}
  idle_here: {all: [{segment: idle}, {trait: country, is: DE}]}
  other: {did: wish}
"""
BODY = "<p>Hello {{ customer.first_name }} <a href='{{ links.unsubscribe }}'>unsubscribe</a></p>"
WARNED = [
    ("{did_not: purchas, in_the_last: 30d}", "audience.did_not: the data has no event 'purchas' yet"),
    ("{trait: country, is: Germany}", "audience.is: the trait 'country' has never been 'Germany'"),
    (
        "{did: purchase, where: {category: tee}}",
        "audience.where.category: the attribute 'category' has never been",
    ),
    ("{did: view, then_not: {did: purchas}}", "audience.then_not.did: the data has no event 'purchas' yet"),
    ("{message: {campaign: welcom, was: opened}}", "audience.message.campaign: there is no campaign 'welcom'"),
    ("{segment: idle_here}", "segments.idle.did_not: the data has no event 'purchas' yet"),
]
REFUSED = [
    ("{trait: contry, is: DE}", "audience.trait: the data has no trait 'contry'"),
    ("{trait: contry, is_not: DE}", "audience.trait: the data has no trait 'contry'"),
    ("{did_not: purchase, where: {categori: tea}}", "audience.where.categori: neither events nor products have"),
    ("{did: purchase, sum: {quantiti: at least 3}}", "audience.sum.quantiti: neither events nor products have"),
    ("{trait: city, at_least: 3}", "audience.at_least: the trait 'city' is text, which at_least can't compare"),
    ("{top: 5, by: pionts}", "audience.by: there is no segment, profile value or trait 'pionts'"),
    ("{top: 5, by: {did: purchase, sum: quantiti}}", "audience.by.sum: neither events nor products have 'quantiti'"),
]


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[list[Workspace]]:
    opened: list[Workspace] = []
    yield opened
    for workspace in opened:
        workspace.__exit__()


def shop_of(root: Path, shops: list[Workspace], audience: str) -> Workspace:
    text = CAMPAIGN.format(audience=audience)
    shops.append(toy_project(root, campaign=text, config=CONFIG_SEGMENTS, body=BODY))
    return shops[-1]


def launched(toy: Workspace) -> bool:
    with toy.store.reading() as connection:
        return "toy" in launches.current_launches(connection)


@pytest.mark.parametrize(("audience", "text"), WARNED)
def test_a_launch_asks_to_accept_what_validate_warns_of(
    tmp_path: Path, shops: list[Workspace], audience: str, text: str
) -> None:
    toy = shop_of(tmp_path, shops, audience)
    of_validate = [problem for problem in validate(tmp_path).problems if text in str(problem)]

    planned = plan(toy, "toy")

    assert list(planned.problems) == of_validate
    assert [problem.severity for problem in planned.problems] == ["warning"]
    with pytest.raises(AutomationError, match="--accept-warnings") as caught:
        plan_and_launch(toy, "toy", LaunchOptions(), by="test")
    assert text in str(caught.value)
    assert not launched(toy)
    plan_and_launch(toy, "toy", LaunchOptions(accept_warnings=True), by="test")
    assert launched(toy)


@pytest.mark.parametrize(("audience", "text"), REFUSED)
def test_what_a_run_could_not_evaluate_is_an_error_everywhere(
    tmp_path: Path, shops: list[Workspace], audience: str, text: str
) -> None:
    toy = shop_of(tmp_path, shops, audience)
    (of_validate,) = [problem for problem in validate(tmp_path).problems if text in str(problem)]
    assert of_validate.severity == "error"

    with pytest.raises(ConfigurationError) as planned:
        plan(toy, "toy")
    with pytest.raises(ConfigurationError) as refused:
        plan_and_launch(toy, "toy", LaunchOptions(accept_warnings=True), by="test")
    for caught in (planned, refused):
        assert str(of_validate) in str(caught.value)
    assert not launched(toy)


def test_other_files_warnings_stand_in_no_ones_way(tmp_path: Path, shops: list[Workspace]) -> None:
    toy = shop_of(tmp_path, shops, "{did: purchase}")
    assert len(validate(tmp_path).problems) == 2  # of segments that the campaign does not use

    plan_and_launch(toy, "toy", LaunchOptions(), by="test")

    assert launched(toy)


def test_a_failing_expectation_is_an_error(tmp_path: Path, shops: list[Workspace]) -> None:
    expect = "{did: purchase}\nexpect: [{customer: {country: DE}, today: 2026-03-30, outcome: in_audience}]"
    toy = shop_of(tmp_path, shops, expect)

    with pytest.raises(ConfigurationError, match=r"toy.yaml:5:\d+: expect\[1\]: on 2026-03-30 this customer is not in"):
        plan(toy, "toy")
