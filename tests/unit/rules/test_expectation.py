"""A marketer's own tests of an audience."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from unit.rules.written import core_registry, read

from automation.rules.expectation import LineValue, check_expectations
from automation.types.campaign import Campaign, Expectation
from automation.types.condition import Audience, Condition

REGISTRY = core_registry()


def check(
    written: Mapping[str, Any],
    customer: Mapping[str, Any],
    today: str,
    outcome: str,
    segments: Mapping[str, Condition] | None = None,
    timezone: str = "Europe/Berlin",
) -> Any:
    expectation = Expectation.model_validate({"customer": customer, "today": today, "outcome": outcome})
    campaign = Campaign.model_validate(
        {
            "name": "birthday",
            "topic": "promotions",
            "audience": Audience(read(written, REGISTRY)),
            "expect": [expectation],
        }
    )
    (result,) = check_expectations(campaign, REGISTRY, timezone=timezone, segments=segments or {})
    return result


BIRTHDAY = {"all": [{"trait": "birthday", "anniversary": "today"}]}


@pytest.mark.parametrize(
    ("today", "outcome"),
    [("2027-02-28", "in_audience"), ("2028-02-28", "not_in_audience"), ("2028-02-29", "in_audience")],
)
def test_an_expectation_that_is_met(today: str, outcome: str) -> None:
    assert check(BIRTHDAY, {"birthday": "1992-02-29"}, today, outcome).passed


def test_one_that_is_not_says_which_rule_decided() -> None:
    result = check(BIRTHDAY, {"birthday": "1992-03-01"}, "2027-02-28", "in_audience")

    text = '{"trait": "birthday", "anniversary": "today"}'
    assert result.lines == (LineValue("audience.all[1]", text, False),)
    assert not result.passed
    assert result.description == (
        "on 2027-02-28 this customer is not in the audience, but in audience was expected: "
        f"audience.all[1] {text} does not hold"
    )


@pytest.mark.parametrize(
    ("written", "customer", "holds"),
    [
        ({"did_not": "purchase", "in_the_last": "90d"}, {}, True),
        ({"did": "purchase", "where": {"colour": "red", "price": {"at_least": 3}}, "sum": {"weight": 2}}, {}, False),
        ({"message": {"campaign": "winback", "was": "opened"}}, {}, False),
        ({"profile": "monetary", "exists": False}, {}, True),
        ({"trait": "tier", "at_least": 3}, {}, False),
        ({"trait": "tier", "at_least": 3}, {"tier": 3}, True),
        ({"trait": "joined", "before": "2026-01-02"}, {"joined": "2026-01-01"}, True),
        ({"trait": "joined", "between": ["20d", "40d"]}, {"joined": "2026-05-01"}, True),
        ({"trait": "joined", "between": ["20d", "40d"]}, {"joined": "2026-01-01"}, False),
        ({"trait": "waited_days", "between": ["20d", "40d"]}, {"waited_days": 30}, True),
        ({"trait": "joined", "exists": True}, {"joined": 5}, True),
        ({"trait": "created_at", "after": "2026-01-01"}, {"created_at": "2026-01-02"}, True),
        ({"segment": "churn_risk", "score": "at least 0.6"}, {}, False),
        ({"segment": "german"}, {"country": "DE"}, True),
    ],
)
def test_the_made_up_customer_has_the_traits_given_and_no_history(
    written: Mapping[str, Any], customer: Mapping[str, Any], holds: bool
) -> None:
    segments = {"german": read({"trait": "country", "is": "DE"}, REGISTRY)}
    expected = "in_audience" if holds else "not_in_audience"

    result = check(written, customer, "2026-06-01", expected, segments)

    assert result.passed, result.description


@pytest.mark.parametrize(
    ("customer", "problem"),
    [
        (
            {"birthday": "29 February"},
            "customer.birthday: '29 February' is not a date; write year-month-day: 2026-11-20",
        ),
        ({"country": 49}, "customer.country: 49 is not a text; write it in quotes"),
    ],
)
def test_a_customer_that_cannot_be_is_a_failure_in_words(customer: Mapping[str, Any], problem: str) -> None:
    result = check(BIRTHDAY, customer, "2027-02-28", "in_audience")

    assert (result.passed, result.description) == (False, f"the audience can't be evaluated: {problem}")
