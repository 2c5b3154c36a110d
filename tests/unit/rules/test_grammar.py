"""A rule that makes no sense is refused as it is read: one error, at its place, in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from unit.rules.written import core_registry

NAMES = (
    "is, is_not, in, not_in, at_least, at_most, more_than, less_than, between, contains, contains_any, contains_all, "
    "starts_with, ends_with, matches, exists, before, after, within, older_than"
)


@pytest.mark.parametrize(
    ("key", "written", "place", "text"),
    [
        ("trait", {"trait": "country"}, (), f"there is no operator; use one of {NAMES}, anniversary"),
        (
            "trait",
            {"trait": "points", "at_least": 1, "at_most": 5},
            (),
            "at_least and at_most can't be in one rule; write a rule for each under all: or any:",
        ),
        (
            "trait",
            {"trait": "country", "is": None},
            ("is",),
            "the value is empty; to test whether a value is known, write exists: true or exists: false",
        ),
        ("trait", {"trait": "country", "in": "DE"}, ("in",), "'DE' is not a list; write [DE], or use is"),
        ("trait", {"trait": "country", "in": []}, ("in",), "the list is empty; write at least one value"),
        (
            "trait",
            {"trait": "points", "at_least": "100 euros"},
            ("at_least",),
            "'100 euros' is not a number; write 100, 19.90, 100 EUR, 20% or 30d",
        ),
        (
            "trait",
            {"trait": "points", "between": [10, 5]},
            ("between",),
            "the range ends before it starts; write [5, 10]",
        ),
        (
            "trait",
            {"trait": "points", "between": [1, "2026-01-01"]},
            ("between",),
            "[1, '2026-01-01'] mixes a date with a number",
        ),
        (
            "trait",
            {"trait": "birthday", "before": "1.2.2026"},
            ("before",),
            "'1.2.2026' is not a date; write year-month-day: 2026-11-20",
        ),
        (
            "trait",
            {"trait": "birthday", "anniversary": "tomorrow"},
            ("anniversary",),
            "'tomorrow' is not an anniversary; write today or {in_the_next: 7d}",
        ),
        (
            "trait",
            {"trait": "birthday", "anniversary": {"in_the_next": "12h"}},
            ("anniversary",),
            "in_the_next is 12h; an anniversary needs whole days, from 1d to 366d",
        ),
        (
            "did",
            {"did": "purchase", "times": "at most 0"},
            ("times",),
            "times must allow 1 or more; for something that never happened, use did_not",
        ),
        (
            "did",
            {"did": "purchase", "times": ">> 2"},
            ("times",),
            "'>> 2' is not a comparison; write at least 2, at most 2, exactly 2, more than 2 or less than 2",
        ),
        (
            "did",
            {"did": "purchase", "times": "at least 2 EUR"},
            ("times",),
            "times is a count, not an amount of money; write at least 2, or use sum",
        ),
        ("did", {"did": "purchase", "times": 1.5}, ("times",), "times must be a whole number, not 1.5"),
        (
            "did",
            {"did": "purchase", "in_the_last": "0d"},
            ("in_the_last",),
            "the duration must be longer than 0; write one such as 30d",
        ),
        (
            "did",
            {"did": "purchase", "in_the_last": "-3d"},
            ("in_the_last",),
            "'-3d' is not a duration; write a whole number and a unit: 45s, 30m, 2h, 90d, 2w",
        ),
        (
            "did",
            {"did": "purchase", "in_the_last": "3d", "between": ["2026-01-01", "2026-01-31"]},
            (),
            "in_the_last and between can't be in one rule; keep one span of time",
        ),
        (
            "did",
            {"did": "purchase", "between": ["2026-02-01", "2026-01-31"]},
            ("between",),
            "the span ends before it starts; write [2026-01-31, 2026-02-01]",
        ),
        (
            "did",
            {"did": "purchase", "sum": {"amount": "at least 1", "quantity": 2}},
            ("sum",),
            "write a comparison such as at least 100 EUR, or one attribute: {quantity: at least 3}",
        ),
        (
            "did",
            {"did": "purchase", "sum": {"quantity": "at least 3 EUR"}},
            ("sum",),
            "only amounts have a currency; write {quantity: at least 3}",
        ),
        (
            "did",
            {"did": "purchase", "where": {"price": {"at_least": 1, "is": 2}}},
            ("where", "price"),
            "is and at_least can't be in one rule; write a rule for each under all: or any:",
        ),
    ],
)
def test_nonsense_is_one_error_at_its_place(key: str, written: Any, place: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        core_registry().find("rules", key).Options.model_validate(written)

    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (place, f"Value error, {text}")


@pytest.mark.parametrize(
    ("key", "written", "place"),
    [
        ("did", {"did": "purchase", "tims": 2}, ("tims",)),
        ("did_not", {"did_not": ""}, ("did_not",)),
        ("segment", {"segment": "x", "score": "high"}, ("score",)),
        ("message", {"message": {"was": "seen"}}, ("message", "was")),
        ("profile", {"profile": "monetary", "anniversary": "today"}, ("anniversary",)),
    ],
)
def test_a_wrong_key_or_value_is_one_error_at_its_place(key: str, written: Any, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        core_registry().find("rules", key).Options.model_validate(written)

    (error,) = [problem for problem in caught.value.errors() if problem["loc"] == place]
    assert error["msg"]


def test_every_rule_has_a_schema_and_an_example() -> None:
    registry = core_registry()

    assert registry.names("rules") == [
        *("condition", "did", "did_not", "message", "not_contacted", "profile", "segment", "trait")
    ]
    for key in registry.names("rules"):
        rule = registry.find("rules", key)
        schema = TypeAdapter(rule.Options).json_schema()
        assert key in schema["required"]
        assert schema["additionalProperties"] is False
        assert f"{{{key}: " in rule.__doc__


DID: dict[str, Any] = {"did": "view"}
WITHIN: dict[str, Any] = {"did": "purchase", "within": "2d"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            {"between": ["40d", "20d"]},
            "the shorter time comes first; write [20d, 40d], which is between",
        ),
        ({"between": ["0d", "20d"]}, "the span ends now; write in_the_last: 20d"),
        ({"between": ["20d", "20d"]}, "the span is empty; write two different durations, such as [20d, 40d]"),
        (
            {"between": ["20d", "2026-01-01"]},
            "['20d', '2026-01-01'] mixes a day with a duration; write two days",
        ),
        ({"between": "20d"}, "'20d' is not a span of time; write its first and last day, [2026-11-01, 2026-11-30], or"),
        (
            {"in_the_last": "2d", "then_not": WITHIN},
            "then_not waits 2d, and no event of the last 2d is old",
        ),
        (
            {"in_the_last": "1d", "then_not": WITHIN},
            "then_not waits 2d, and no event of the last 1d is old",
        ),
        ({"between": ["1d", "2d"], "then_not": WITHIN}, "then_not waits 2d, and no event of the last 2d is older"),
        ({"in_the_last": "7d", "every": "week", "for": 2}, "every and for look back 14d, the rule's span only 7d"),
        (
            {"in_the_last": "30d", "first": {"between": ["40d", "60d"]}},
            "no event can be in the rule's span and",
        ),
        (
            {"before": "2026-03-01", "last": {"after": "2026-02-28"}},
            "no event can be in the rule's span and",
        ),
        (
            {"before": "0001-01-01", "last": {"after": "9999-12-31"}},
            "no event can be in the rule's span and",
        ),
    ],
)
def test_a_span_that_no_event_can_be_in_is_refused(written: dict[str, Any], text: str) -> None:
    for key in ("did", "did_not"):
        with pytest.raises(ValidationError) as caught:
            core_registry().find("rules", key).Options.model_validate({key: "view", **written})
        (error,) = caught.value.errors()
        assert error["msg"].removeprefix("Value error, ").startswith(text)


@pytest.mark.parametrize(
    "written",
    [
        {"in_the_last": "3d", "then_not": WITHIN},
        {"in_the_last": "2d", "then_not": {"did": "purchase"}},
        {"in_the_last": "8d", "every": "week", "for": 2},
        {"in_the_last": "40d", "first": {"between": ["20d", "60d"]}},
        {"in_the_last": "40d", "first": {"after": "2026-01-01"}},
        {"after": "2026-02-27", "last": {"before": "2026-03-01"}},
    ],
)
def test_a_span_that_some_event_can_be_in_is_not(written: dict[str, Any]) -> None:
    core_registry().find("rules", "did").Options.model_validate({**DID, **written})


@pytest.mark.parametrize(
    ("score", "text"),
    [
        ("top 0%", "0% selects nobody; write 10%, or remove the line"),
        ("top 101%", "'101%' is more than 100 %"),
        ("top 20", "'20' is not a percentage; write 10% or 2.5%"),
        ("best 20%", "'best 20%' is not a comparison; write at least 2"),
    ],
)
def test_a_share_of_the_highest_scores_is_a_percentage(score: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        core_registry().find("rules", "segment").Options.model_validate({"segment": "churn", "score": score})
    assert text in str(caught.value)
