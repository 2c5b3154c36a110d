"""Words that the data has never held are warned about; columns that it does not have are refused, as by a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.config.data_checks import check_against
from automation.config.project import load_project
from automation.plugin_manager import Registry
from automation.types.seen import Seen, SeenTrait

SEEN = Seen(
    frozenset({"purchase", "view", "click"}),
    {
        "country": SeenTrait("text", frozenset({"DE", "AT", "CH"})),
        "postcode": SeenTrait("text"),
        "children": SeenTrait("integer", frozenset({0, 1, 2})),
        "address_city": SeenTrait("text"),
        "birthday": SeenTrait("date"),
    },
    {
        "category": SeenTrait("text", frozenset({"tea", "mugs"})),
        "price": SeenTrait("number"),
        "product_id": SeenTrait("text"),
    },
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("audience: {did: purchase}", []),
        (
            "audience: {did: purchse}",
            ["audience.did: the data has no event 'purchse' yet; it has: click, purchase, view (did you mean"],
        ),
        (
            "audience: {all: [everyone, {did_not: wish}]}",
            ["audience.all[2].did_not: the data has no event 'wish' yet; it has: click, purchase, view"],
        ),
        (
            "experiment: {goal: {did: order, within: 1d}}",
            ["experiment.goal.did: the data has no event 'order' yet; it has: click, purchase, view"],
        ),
        (
            "audience: {trait: county, is: DE}",
            ["audience.trait: the data has no trait 'county'; it has: address_city, birthday, children, country"],
        ),
        (
            "audience: {trait: country, in: [DE, Austria]}",
            ["audience.in[2]: the trait 'country' has never been 'Austria'; it has: AT, CH, DE"],
        ),
        ("audience: {trait: postcode, is: 10115}", ["audience.is: the trait 'postcode' is text, and 10115 is not"]),
        ("audience: {trait: children, is: 7}", ["audience.is: the trait 'children' has never been 7; it has: 0, 1, 2"]),
        ("audience: {trait: children, is: 2}", []),
        ("audience: {trait: address.city, starts_with: B}", []),
        (
            "audience: {trait: postcode, at_least: 5}",
            ["audience.at_least: the trait 'postcode' is text, which at_least can't compare"],
        ),
        (
            "audience: {trait: children, contains: two}",
            ["audience.contains: the trait 'children' is a whole number, which contains can't compare"],
        ),
        ("audience: {trait: birthday, older_than: 30d}", []),
        ("audience: {trait: children, at_least: 2 EUR}", []),
        ("audience: {did: purchase, sum: at least 100 EUR}", []),
        (
            "audience: {did: purchase, sum: at least 100 USD}",
            ["audience.sum: at least 100 USD can't be compared: the amounts are in the shop's currency, EUR"],
        ),
        (
            "audience: {any: [{did: purchase, average: '>= 9.50 CHF'}, {profile: monetary, at_most: 9 GBP}]}",
            [
                "audience.any[1].average: >= 9.50 CHF can't be compared: the amounts are in the shop's currency, EUR",
                "audience.any[2].at_most: 9 GBP can't be compared: the amounts are in the shop's currency, EUR",
            ],
        ),
        (
            "audience: {did: view, where: {price: {at_least: 20 USD}}}",
            ["audience.where.price.at_least: 20 USD can't be compared: the amounts are in the shop's currency, EUR"],
        ),
        (
            "audience: {trait: children, at_least: 2 USD}",
            ["audience.at_least: 2 USD can't be compared: the amounts are in the shop's currency, EUR"],
        ),
        (
            "audience: {profile: monetry, at_least: 100}",
            ["audience.profile: the data has no profile 'monetry'; it has: "],
        ),
        (
            "audience: {profile: lifecycle, is: lapst}",
            ["audience.is: the profile 'lifecycle' has never been 'lapst'; it has: "],
        ),
        ("audience: {profile: discount_share, at_least: 20%}", []),
        (
            "audience: {did: view, then_not: {did: purchas, within: 2d}}",
            ["audience.then_not.did: the data has no event 'purchas' yet; it has: click, purchase, view (did you mean"],
        ),
        (
            "audience: {did: view, where: {categori: tea}}",
            ["audience.where.categori: neither events nor products have 'categori'; it has: "],
        ),
        (
            "audience: {did: view, where: {category: [tea, mug]}}",
            ["audience.where.category[2]: the attribute 'category' has never been 'mug'; it has: mugs, tea (did you"],
        ),
        (
            "audience: {did: view, where: {price: {at_least: 20 EUR}, category: {is: coffee}}}",
            ["audience.where.category.is: the attribute 'category' has never been 'coffee'; it has: mugs, tea"],
        ),
        (
            "audience: {did: view, where: {price: {starts_with: '2'}}}",
            ["audience.where.price.starts_with: the attribute 'price' is a number, which starts_with can't compare"],
        ),
        (
            "audience: {did: view, most: {of: brnd, is: Leaf}}",
            ["audience.most.of: neither events nor products have 'brnd'; it has: "],
        ),
        ("audience: {did: view, distinct: {product: at least 3}}", []),
        (
            "audience: {message: {campaign: helo, was: opened}}",
            ["audience.message.campaign: there is no campaign 'helo'; there are: hello (did you mean 'hello'?)"],
        ),
        (
            "audience: {not_contacted: 30d, campaign: helo}",
            ["audience.campaign: there is no campaign 'helo'; there are: hello (did you mean 'hello'?)"],
        ),
        ("audience: {top: 5, by: clv}", []),
        ("audience: {top: 5, by: monetary}", []),
        ("audience: {top: 5, by: {did: view, distinct: product}}", []),
        ("audience: {top: 5, by: {did: view, sum: price}}", []),
        (
            "audience: {top: 5, by: {did: view, sum: prise}}",
            ["audience.by.sum: neither events nor products have 'prise'; it has: "],
        ),
        (
            "audience: {top: 5, by: {did: view, average: category}}",
            ["audience.by.average: the attribute 'category' is not a number"],
        ),
        (
            "audience: {top: 5, by: {did: vieuw, where: {categori: tea}}}",
            [
                "audience.by.did: the data has no event 'vieuw' yet; it has: ",
                "audience.by.where.categori: neither events nor products have 'categori'; it has: ",
            ],
        ),
        (
            "audience: {top: 5, by: clvv}",
            ["audience.by: there is no segment, profile value or trait 'clvv'; there are:"],
        ),
    ],
)
def test_warnings(written: str, expected: list[str], toy_project: Path, registry: Registry) -> None:
    hello = toy_project / "campaigns" / "hello.yaml"
    hello.write_text(hello.read_text(encoding="utf-8") + written + "\n", encoding="utf-8")
    project = load_project(toy_project, registry, environment={"TOY_PASSWORD": "x"})
    assert project.problems == ()
    found = check_against(project, SEEN)
    assert len(found) == len(expected)
    for problem, text in zip(found, expected, strict=True):
        assert str(problem).startswith("campaigns/hello.yaml:5:")
        assert f"{problem.path}: {problem.what}".startswith(text)
        wont_run = ("the data has no trait", "the data has no profile", "neither events", "there is no segment")
        unsuited = (
            "can't compare" in text
            or "can't be compared" in text
            or " and 10115 is not" in text
            or "is not a number" in text
        )
        assert problem.severity == ("error" if problem.what.startswith(wont_run) or unsuited else "warning"), text


def test_amounts_in_another_currency_are_found(toy_project: Path, registry: Registry) -> None:
    project = load_project(toy_project, registry, environment={"TOY_PASSWORD": "x"})
    bought, traits = frozenset({"purchase"}), {"country": SeenTrait("text")}
    seen = Seen(bought, traits, currencies=frozenset({"EUR", "USD", "CHF"}))
    (found,) = check_against(project, seen)
    assert (found.severity, found.path) == ("error", "shop")
    assert found.what.startswith("the data has amounts in CHF, USD, which can't be counted as EUR; state what a unit")
    assert check_against(project, Seen(bought, traits, currencies=frozenset({"EUR"}))) == ()


def test_segments_of_the_configuration_are_checked_too(toy_project: Path, registry: Registry) -> None:
    project = load_project(toy_project, registry, environment={"TOY_PASSWORD": "x"})
    found = check_against(project, Seen(frozenset({"view"}), {"country": SeenTrait("text")}))
    assert [str(problem) for problem in found] == [
        "config.yaml:13:16: segments.loyal.did: the data has no event 'purchase' yet; it has: view"
    ]
