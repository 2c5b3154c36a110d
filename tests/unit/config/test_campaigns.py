"""The campaign grammar: what a file means, what is refused, and that nothing in a file can break the reader."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from automation.config import not_built
from automation.config.campaigns import CampaignFile, parse_campaign
from automation.config.settings import Settings
from automation.config.settings_file import read_settings
from automation.config.source_map import read_source
from automation.plugin_manager import Registry
from automation.types.campaign import Campaign
from automation.types.condition import Audience, Group, Leaf, Measure, Using, leaves
from automation.types.limits import Cap, Reentry
from automation.types.quantity import TopShare

GRAMMAR = Path(__file__).parent / "grammar"
FILES = sorted(GRAMMAR.glob("*.yaml"))
ROOT = Path(__file__).resolve().parents[3]
HEAD = "name: test\ntopic: promotions\nschedule: {every: day 09:00}\nsend: {channels: [email], template: hello}\n"

Parse = Callable[[str], CampaignFile]


@pytest.fixture
def sound(parse: Parse) -> Callable[[str], Campaign]:
    def read(text: str) -> Campaign:
        file = parse(text)
        assert file.campaign is not None, "\n".join(map(str, file.problems))
        return file.campaign

    return read


def grammar(name: str) -> str:
    return (GRAMMAR / f"{name}.yaml").read_text(encoding="utf-8")


# The whole grammar


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_whole_grammar_is_valid_or_not_built(path: Path, parse: Parse) -> None:
    file = parse(path.read_text(encoding="utf-8"))
    assert [str(problem) for problem in file.problems if problem.severity != "not_built"] == []
    assert (file.campaign is None) == bool(file.problems)


def test_every_feature_that_is_not_built_is_met(parse: Parse) -> None:
    met = {
        problem.path.replace("audience.all[1].", "rule.").replace("audience.all[2].", "rule.")
        for path in FILES
        for problem in parse(path.read_text(encoding="utf-8")).problems
    }
    expected = {".".join(map(str, path)) for path in not_built.KEYS}
    assert expected <= met
    assert {"rule.product", "audience.top"} <= met


def test_the_ten_campaigns_beside_the_checkout(registry: Registry) -> None:
    folder = Path(os.environ.get("AUTOMATION_SHARED_DATA", ROOT.parent / "shared" / "data")).parent / "campaigns"
    if not folder.is_dir():
        pytest.skip("the ten example campaigns are not beside the checkout")
    config = """\
shop: {name: Shop}
topics:
  {promotions: marketing, newsletter: marketing, stock_alerts: service, reminders: service, order_service: service}
offers:
  pct10: {kind: percent, value: 10%, label: ten}
  pct20: {kind: percent, value: 20%, label: twenty}
  coupon_5eur: {kind: amount, value: 5 EUR, label: five}
models:
  blend: {using: neighbours}
  popular: {using: favourites}
  churn_risk: {using: leavers}
  discount_optimizer: {using: optimizer}
channels: {email: {using: post, options: {host: mail}}, sms: {using: phone}, push: {using: app}}
"""
    settings, _ = read_settings(read_source(config, "config.yaml"), registry, {})
    assert settings is not None
    files = [
        parse_campaign(p.read_text(encoding="utf-8"), p.name, settings, registry) for p in sorted(folder.glob("*"))
    ]
    assert len(files) == 10
    assert [str(p) for file in files for p in file.problems if p.severity != "not_built"] == []
    assert [file.name for file in files if file.campaign] == ["abandoned-cart", "birthday", "vip-early-access"]


# What a file means


def test_the_audience_is_a_tree_of_leaves_with_their_places(sound: Callable[[str], Campaign]) -> None:
    text = grammar("we-miss-you").replace("  maximize: revenue\n", "").replace("  per_customer: 1 per 90d\n", "")
    lines = [line for line in text.splitlines() if "budget:" not in line]
    campaign = sound("\n".join(lines))
    condition = campaign.audience.condition
    assert isinstance(condition, Group)
    assert [type(part) for part in condition.parts] == [Leaf, Leaf, Group]
    assert [(leaf.key, leaf.path) for leaf in leaves(condition)] == [
        ("did", "audience.all[1]"),
        ("did_not", "audience.all[2]"),
        ("segment", "audience.all[3].any[1]"),
        ("trait", "audience.all[3].any[2].not"),
    ]
    first = next(leaves(condition))
    assert first.text == "did: purchase, times: at least 3, in_the_last: 730d, where: {category: books}"
    assert campaign.recommend is not None
    assert campaign.recommend.using == Using("blend")
    assert campaign.recommend.otherwise == Using("bestsellers")
    assert campaign.reentry == Reentry("after", timedelta(days=45))
    assert campaign.experiment.holdout == Decimal("0.125")
    assert campaign.limits.cap == Cap(sends=3, window=timedelta(days=14))
    assert (campaign.limits.when_capped.wait, campaign.limits.when_capped.text) == (timedelta(hours=36), "wait 36h")
    assert campaign.offer is not None
    assert campaign.offer.choose == ("no_message", "no_discount", "pct10", "pct20")


def test_conditions_inside_a_components_options_are_read(sound: Callable[[str], Campaign]) -> None:
    campaign = sound(grammar("a-tenth"))
    assert campaign.audience == Audience(Group("all", ()), sample=0.1)
    assert campaign.offer is not None
    assert campaign.offer.using is not None
    options: Any = campaign.offer.using.options
    loyal, everyone = options.choices
    assert (loyal.when.key, loyal.when.path) == ("segment", "offer.options.choices[1].when")
    assert everyone.when == Group("all", ())


def test_top_by_beside_a_group(sound: Callable[[str], Campaign]) -> None:
    campaign = sound(grammar("best-customers"))
    assert (campaign.audience.top, campaign.audience.by) == (250, "clv")
    assert isinstance(campaign.audience.condition, Group)
    assert campaign.audience.condition.kind == "not"
    assert {name: variant.share for name, variant in campaign.experiment.variants.items()} == {
        "letter": Decimal("0.333"),
        "picture": Decimal("0.667"),
    }
    assert campaign.first_send.from_ == "Toy Shop <hello@toys.example>"


def test_top_by_a_figure_of_events(sound: Callable[[str], Campaign]) -> None:
    audience = sound(grammar("next-best")).audience
    assert (audience.top, audience.top_of) == (TopShare(Decimal("0.05")), "everyone")
    assert isinstance(audience.by, Measure)
    assert (audience.by.kind, audience.by.attribute, audience.by.events.path) == ("sum", "amount", "audience.by")
    assert str(audience.by) == "sum: amount, did: purchase, in_the_last: 90d, where: {category: books}"


@pytest.mark.parametrize(
    ("audience", "text"),
    [
        ("{top: 0%, by: clv}", "audience.top: 0% selects nobody; write 10%, or remove the line"),
        ("{top: 0, by: clv}", "audience.top: 0 must be a whole number of customers, at least 1, or a share of"),
        ("{top: half, by: clv}", "audience.top: 'half' must be a whole number of customers, at least 1, or a share"),
        ("{top: 5%}", "audience.top: needs `by`, the score that ranks the customers; write `by: clv`"),
        ("{by: clv}", "audience.by: needs `top`: how many?"),
        ("{top_of: everyone}", "audience.top_of: needs `top`: how many?"),
        ("{top: 5, by: clv, top_of: all}", "audience.top_of: 'all' is not known; write reachable or everyone"),
        (
            "{top: 5, by: [clv]}",
            "audience.by: must be the name of a segment, a profile value or a trait, or a fig",
        ),
        ("{top: 5, by: {sum: amount}}", "audience.by: must be the name of a segment, a profile value or a trait"),
        ("{top: 5, by: {did: x, times: 2}}", "audience.by.times: tests customers, but `by` only ranks them; put it"),
        ("{top: 5, by: {did: x, sum: at least 5 EUR}}", "audience.by.sum: 'at least 5 EUR' is not an attribute; write"),
        (
            "{top: 5, by: {did: x, sum: a, average: b}}",
            "audience.by.average: can't be combined with `sum`; write",
        ),
        ("{top: 5, by: {did: x, wher: {a: b}}}", "audience.by.wher: unknown key"),
        ("{top: 5, by: {did: x, in_the_last: soon}}", "audience.by.in_the_last: 'soon' is not a duration"),
    ],
)
def test_what_top_and_by_can_t_be(audience: str, text: str, problems: Callable[[str], list[str]]) -> None:
    (problem,) = problems(f"{HEAD}audience: {audience}\n")
    assert problem.split(": ", 1)[1].startswith(text)


def test_schedule_dates_and_expectations(sound: Callable[[str], Campaign]) -> None:
    campaign = sound(grammar("birthday-greeting"))
    assert campaign.schedule is not None
    assert (campaign.schedule.from_, campaign.schedule.until) == (date(2026, 1, 1), date(2027, 12, 31))
    assert [expectation.today for expectation in campaign.expect] == [date(2027, 6, 15), date(2027, 6, 16)]
    assert campaign.expect[0].customer == {"birthday": "1990-06-15"}


def test_what_is_not_written_has_its_default(sound: Callable[[str], Campaign]) -> None:
    campaign = sound(HEAD)
    assert campaign.audience == Audience(Group("all", ()))
    assert (campaign.per, campaign.reentry.text, campaign.priority) == ("customer", "always", 50)
    assert campaign.limits.cap is None


def test_the_file_keeps_its_text_and_hash(parse: Parse) -> None:
    file = parse(HEAD)
    assert (file.name, file.path, file.text) == ("test", "campaigns/test.yaml", HEAD)
    assert len(file.sha256) == 64
    assert parse(HEAD + "# x\n").sha256 != file.sha256


def test_a_file_that_cannot_be_read_is_named_by_its_path(parse: Parse) -> None:
    file = parse("name: [")
    assert (file.name, file.campaign) == ("test", None)


# One typo, one problem


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("audience: {did: purchase, tims: 2}", "5:27: audience.tims: unknown key;"),
        (
            "audience: {did: purchase, where: {price: {at_leest: 2}}}",
            "5:43: audience.where.price.at_leest: unknown key;",
        ),
        (
            "audience: {all: [everyone, {not: {any: [{did: 5}]}}]}",
            "5:47: audience.all[2].not.any[1].did: 5 must be text",
        ),
        ("audience: {segment: loyal, any: [{did: view}]}", "5:12: audience.segment: can't be combined with `any`"),
        ("recommend: {using: neighbours, options: {k: 0}}", "5:45: recommend.options.k: must be at least 1"),
        ("recommend: {using: neighbours, options: {kk: 9}}", "5:42: recommend.options.kk: unknown key; allowed: k"),
        (
            "recommend: {using: blend, otherwise: {using: favorites}}",
            "5:46: recommend.otherwise.using: there is no recommender",
        ),
        ("recommend: {usin: blend}", "5:13: recommend.usin: unknown key;"),
        ("offer: {using: first}", "5:1: offer.options.choices: is missing"),
        (
            "offer: {using: first, options: {choices: [{when: {dit: x}, give: a}]}}",
            "5:51: offer.options.choices[1].when.dit: there is no rule",
        ),
        ("offer: {fixed: ''}", "5:16: offer.fixed: there is no offer ''"),
        ("experiment: {holdout: 10, goal: {did: x, within: 1d}}", "5:23: experiment.holdout: 10 is not a percentage"),
        ("experiment: {goal: {did: purchase}}", "5:14: experiment.goal.within: is missing"),
        ("limits: {approve_above: true}", "5:25: limits.approve_above: true must be a whole number"),
        (
            "limits: {on_edit: moved}",
            "5:19: limits.on_edit: 'moved' is not allowed; allowed: stay, move (did you mean 'move'?)",
        ),
        (
            "expect: [{customer: {a: 1}, today: 2026-01-01, outcome: in_audiense}]",
            "5:57: expect[1].outcome: 'in_audiense' is not allowed",
        ),
        (
            "expect: [{customer: {a: [1]}, today: 2026-01-01, outcome: in_audience}]",
            "5:25: expect[1].customer.a: must be text",
        ),
    ],
)
def test_one_typo_gives_one_problem(written: str, expected: str, problems: Callable[[str], list[str]]) -> None:
    found = problems(HEAD + written + "\n")
    assert len(found) == 1, found
    assert found[0].startswith(expected)


@pytest.mark.parametrize("subject", ["Déjà vu\u202f?", "Für dich 👩\u200d🔧", "10\u00a0% off"])
def test_spaces_and_emoji_of_real_subjects_are_fine(subject: str, sound: Callable[[str], Campaign]) -> None:
    campaign = sound(HEAD.replace("hello}", f'hello, subject: "{subject}"}}'))
    assert campaign.first_send.subject == subject


def test_no_text_can_hold_a_nul(problems: Callable[[str], list[str]]) -> None:
    found = problems(HEAD.replace("hello}", 'hello, subject: {de: "a\\0"}}'))
    assert [text.partition(": ")[2] for text in found] == [
        "a text with \\0, or with half of a character such as \\ud800; remove it"
    ]


@pytest.mark.parametrize("subject", ["a\\nb", "a\\rBcc: x", "a\\Lb"])
def test_a_subject_cannot_hold_a_header(subject: str, problems: Callable[[str], list[str]]) -> None:
    found = problems(HEAD.replace("hello}", f'hello, subject: {{de: "{subject}"}}}}'))
    assert [text.partition(": ")[2] for text in found] == [
        "send.subject: a subject is one line without control characters"
    ]


def test_a_warning_does_not_refuse(parse: Parse) -> None:
    file = parse(HEAD + "experiment: {holdout: 10%}\n")
    assert file.campaign is not None
    assert [(problem.severity, problem.path) for problem in file.problems] == [("warning", "experiment.holdout")]


def test_a_typo_inside_what_is_not_built_is_shown_as_well(problems: Callable[[str], list[str]]) -> None:
    found = problems(grammar("first-steps").replace("up_to: 3d", "upto: 3d"))
    assert any("steps[4].wait_for.upto: unknown key" in text for text in found)


# Nothing in a file can break the reader

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2.5,
    "",
    "x",
    "${HOME}",
    [],
    {},
    [[]],
    [None],
    {"using": []},
    {"x": {"y": 1}},
    {"all": 1},
)


def mutants(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by each kind of junk, and each of its keys removed."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children):
        for replacement in (*JUNK, *mutants(child)):
            changed = copy.copy(value)
            changed[key] = replacement
            yield changed
        if isinstance(value, dict):
            yield {name: item for name, item in value.items() if name != key}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_junk_anywhere_breaks_the_reader(path: Path, settings: Settings, registry: Registry) -> None:
    value = read_source(path.read_text(encoding="utf-8"), path.name).value
    # All of them pass as well, in a minute.
    for number, mutant in enumerate(islice(mutants(value), 0, None, 17)):
        text = yaml.safe_dump(mutant, default_flow_style=True, sort_keys=False, width=1_000_000)
        file = parse_campaign(text, "a.yaml", settings, registry)
        assert file.campaign is not None or file.problems, (number, text)
