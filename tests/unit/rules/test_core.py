"""Every core rule on the toy shop, its answers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import polars as pl
import pytest

from automation.contracts import Figure, Rule
from automation.errors import ConfigurationError
from automation.rules.did import Did, DidNot
from automation.rules.message import Message
from automation.rules.not_contacted import NotContacted
from automation.rules.profile import Profile
from automation.rules.segment import Segment
from automation.rules.trait import Trait
from automation.testing.rule import check_rule
from automation.testing.toy_shop import TOY_AS_OF, toy_events, toy_snapshot

ALL = {f"c{n}" for n in range(1, 9)}


@pytest.mark.parametrize(
    ("rule", "written", "expected"),
    [
        (Trait, {"trait": "country", "in": ["DE", "FR"]}, {"c2", "c3"}),
        (Trait, {"trait": "tier", "is_not": "gold"}, ALL - {"c1", "c3"}),
        (Trait, {"trait": "points", "between": [5, 120]}, {"c2", "c6", "c7"}),
        (Trait, {"trait": "email", "exists": False}, {"c7"}),
        (Trait, {"trait": "postcode", "starts_with": "0"}, {"c2", "c8"}),
        (Trait, {"trait": "birthday", "anniversary": "today"}, {"c1"}),
        (Trait, {"trait": "birthday", "anniversary": {"in_the_next": "3d"}}, {"c1", "c6"}),
        (Trait, {"trait": "birthday", "before": "1988-02-29"}, {"c3", "c7"}),
        (Trait, {"trait": "created_at", "after": "2026-01-14"}, {"c6", "c8"}),
        (Profile, {"profile": "frequency", "at_least": 3}, {"c1", "c3"}),
        (Profile, {"profile": "monetary", "exists": False}, {"c6", "c8"}),
        (Did, {"did": "purchase", "in_the_last": "90d"}, {"c1", "c2", "c3", "c4", "c7"}),
        (Did, {"did": "purchase", "in_the_last": "89d"}, {"c1", "c2", "c3", "c4"}),
        (Did, {"did": "purchase", "times": "at least 3"}, {"c1", "c3"}),  # c1's o3 has two lines: o2, o3, o4
        (Did, {"did": "view", "times": 2, "where": {"category": "coffee"}}, {"c6"}),
        (Did, {"did": "purchase", "where": {"category": "tea", "quantity": {"at_least": 2}}}, {"c1", "c2"}),
        (Did, {"did": "purchase", "where": {"organic": True, "brand": ["Roast", "Clay"]}}, {"c3", "c4"}),
        (Did, {"did": "purchase", "sum": "more than 41.40 EUR"}, {"c3"}),  # c1 comes to exactly 41.40
        (Did, {"did": "purchase", "sum": {"quantity": "at least 4"}}, {"c1", "c2", "c3"}),
        (DidNot, {"did_not": "purchase", "in_the_last": "90d"}, {"c5", "c6", "c8"}),
        (DidNot, {"did_not": "purchase", "times": "at least 2"}, {"c4", "c5", "c6", "c8"}),
        (Trait, {"trait": "email", "matches": "[a-c].*"}, {"c1", "c2", "c3"}),
        (Trait, {"trait": "city", "ends_with": "r"}, {"c7"}),
        (Trait, {"trait": "points", "more_than": "120 EUR"}, {"c1", "c3"}),
        (Trait, {"trait": "points", "less_than": 5}, {"c4"}),
        (Trait, {"trait": "created_at", "within": {"in_the_last": "100d"}}, {"c6", "c8"}),
        (Trait, {"trait": "created_at", "older_than": "400d"}, {"c1", "c2", "c5"}),
        (Did, {"did": "purchase", "average": "at least 13 EUR"}, {"c2", "c3", "c4"}),  # c4: (14 + 12) / 2
        (Did, {"did": "purchase", "average": {"price": "at least 13 EUR"}}, {"c4"}),
        (Did, {"did": "purchase", "distinct": {"product": "at least 3"}}, {"c1", "c3"}),
        (Did, {"did": "purchase", "distinct": {"category": 2}}, {"c1", "c3", "c7"}),
        (Did, {"did": "purchase", "first": {"after": "2025-12-01"}}, {"c2", "c3", "c4"}),
        (Did, {"did": "purchase", "last": {"in_the_last": "30d"}}, {"c1", "c2", "c3", "c4"}),
        (Did, {"did": "purchase", "most": {"of": "category", "is": "tea"}}, {"c1", "c2", "c5", "c7"}),  # c7: as mugs
        (Did, {"did": "purchase", "every": "30d", "for": 3}, {"c3"}),
        (Did, {"did": "purchase", "every": "week", "for": 1}, set()),
        (Did, {"did": "purchase", "every": "2w", "for": 1}, {"c1"}),  # c4's was at 19:00 on the 15th, 14.6 days ago
        (Did, {"did": "view", "then": {"did": "view", "within": "1d"}}, {"c6"}),
        (Did, {"did": "view", "then_not": {"did": "view", "within": "1d"}}, {"c1", "c6"}),
        (Did, {"did": "view", "then_not": {"did": "view", "within": "2d"}}, {"c6"}),  # c1's two days aren't over
        (Did, {"did": "purchase", "then": {"did": "purchase", "product": "same"}}, {"c1", "c3"}),
        (Did, {"did": "purchase", "weekday": "Monday"}, {"c1", "c4"}),  # c4: half past midnight in Pune
        (Did, {"did": "purchase", "time_of_day": "00:00-05:00"}, {"c2", "c4"}),
        (Did, {"did": "add_to_cart", "time_of_day": "03:30-03:31", "weekday": ["Sunday"]}, {"c2"}),
        (DidNot, {"did_not": "purchase", "after": "2026-03-01"}, ALL - {"c1", "c3", "c4"}),
        (DidNot, {"did_not": "purchase", "before": "2026-04-01"}, set()),
        (NotContacted, {"not_contacted": "30d"}, ALL),
        (Message, {"message": {"was": "opened"}, "in_the_last": "10d"}, {"c1", "c5"}),
        (Message, {"message": {"was": "received", "campaign": "winback"}}, set()),
    ],
)
def test_a_rule_matches_whom_it_says(rule: type[Rule], written: dict[str, Any], expected: set[str]) -> None:
    check_rule(rule, written, expected=expected)


def test_dates_are_meant_in_the_shops_zone() -> None:
    """Ben bought at 23:30 UTC on 31 January, which is 1 February in Berlin."""
    written = {"did": "purchase", "between": ["2026-02-01", "2026-02-01"]}

    check_rule(Did, written, expected=set())
    check_rule(Did, written, expected={"c2"}, data=replace(toy_snapshot(), timezone="Europe/Berlin"))


def test_received_counts_messages_of_the_campaign_alone() -> None:
    rows = [
        ("c1", "winback", "message", 5),
        ("c2", "winback", "holdout", 5),
        ("c3", "welcome", "message", 5),
        ("c4", "winback", "message", 40),
    ]
    decisions = pl.DataFrame(
        [
            {"customer_id": who, "campaign": name, "outcome": outcome, "decided_at": TOY_AS_OF - timedelta(days=ago)}
            for who, name, outcome, ago in rows
        ]
    )
    data = replace(toy_snapshot(), decisions=ibis.memtable(decisions))

    check_rule(Message, {"message": {"campaign": "winback", "was": "received"}}, expected={"c1", "c4"}, data=data)
    written = {"message": {"was": "received"}, "in_the_last": "30d"}
    check_rule(Message, written, expected={"c1", "c3"}, data=data)
    check_rule(NotContacted, {"not_contacted": "30d"}, expected=ALL - {"c1", "c3"}, data=data)
    check_rule(NotContacted, {"not_contacted": "30d", "campaign": "winback"}, expected=ALL - {"c1"}, data=data)


def test_an_answer_belongs_to_the_campaign_of_the_message_that_it_names() -> None:
    sent = [("c1", "m1", "winback"), ("c1", "m2", "welcome"), ("c5", None, "winback"), ("c5", "m3", "winback")]
    decisions = pl.DataFrame(
        [
            {"customer_id": who, "campaign": name, "outcome": "message", "message_id": message, "decided_at": TOY_AS_OF}
            for who, message, name in sent
        ]
    )
    opens = toy_events().with_columns(
        message_id=pl.when(pl.col("event_id") == "e34")
        .then(pl.lit("m2"))
        .when(pl.col("event_id") == "e36")
        .then(pl.lit("m3"))
    )
    data = replace(toy_snapshot(events=opens), decisions=ibis.memtable(decisions))

    check_rule(Message, {"message": {"campaign": "winback", "was": "opened"}}, expected={"c5"}, data=data)
    check_rule(Message, {"message": {"campaign": "welcome", "was": "opened"}}, expected={"c1"}, data=data)
    check_rule(Message, {"message": {"campaign": "other", "was": "opened"}}, expected=set(), data=data)


def test_a_conversion_is_a_goal_soon_after_the_message() -> None:
    """Ana bought on 20 March at 8:15; Dev on 15 March at 19:00."""
    sent = [("c1", datetime(2026, 3, 19, 8, 15, tzinfo=UTC)), ("c4", datetime(2026, 3, 8, 19, 0, tzinfo=UTC))]
    decisions = pl.DataFrame(
        [
            {"customer_id": who, "campaign": "winback", "outcome": "message", "message_id": None, "decided_at": at}
            for who, at in sent
        ]
    )
    data = replace(toy_snapshot(), decisions=ibis.memtable(decisions))

    def converted(**goal: str) -> dict[str, Any]:
        return {"message": {"campaign": "winback", "was": "converted", **({"goal": goal} if goal else {})}}

    check_rule(Message, converted(), expected={"c1", "c4"}, data=data)  # exactly 7 days after
    check_rule(Message, converted(within="1d"), expected={"c1"}, data=data)
    check_rule(Message, converted(within="23h"), expected=set(), data=data)
    check_rule(Message, converted(did="view", within="10d"), expected={"c1"}, data=data)


def test_a_segment_is_narrowed_by_score_and_label() -> None:
    members = pl.DataFrame(
        {"customer_id": ["c1", "c2", "c3"], "label": ["hot", "hot", None], "score": [0.6, None, 0.9]}
    )
    data = replace(toy_snapshot(), segments={"churn_risk": ibis.memtable(members)})

    check_rule(Segment, {"segment": "churn_risk"}, expected={"c1", "c2", "c3"}, data=data)
    check_rule(Segment, {"segment": "churn_risk", "score": "at least 0.6"}, expected={"c1", "c3"}, data=data)
    check_rule(Segment, {"segment": "churn_risk", "label": "hot"}, expected={"c1", "c2"}, data=data)


@pytest.mark.parametrize(
    ("rule", "written", "text"),
    [
        (Trait, {"trait": "contry", "is": "DE"}, "there is no trait 'contry'; did you mean 'country' or 'city'?"),
        (
            Trait,
            {"trait": "country", "at_least": 3},
            "trait 'country' is a text, which at_least can't compare; "
            "use is, is_not, in, not_in, exists, contains, contains_any, contains_all, starts_with, ends_with, matches",
        ),
        (
            Trait,
            {"trait": "postcode", "is": 1067},
            "trait 'postcode' is a text and can't be compared with the number 1067; write '1067' in quotes",
        ),
        (
            Trait,
            {"trait": "points", "in": [1, "many"]},
            "trait 'points' is a number and can't be compared with the text 'many'",
        ),
        (Trait, {"trait": "points", "is": True}, "trait 'points' is a number and can't be compared with true"),
        (
            Trait,
            {"trait": "birthday", "is": "29.2.1992"},
            "trait 'birthday' is a date: '29.2.1992' is not a date; write year-month-day: 2026-11-20",
        ),
        (
            Trait,
            {"trait": "points", "anniversary": "today"},
            "trait 'points' is not a date, so it has no anniversary",
        ),
        (
            Profile,
            {"profile": "monetry", "at_least": 3},
            "there is no profile field 'monetry'; did you mean 'monetary'?",
        ),
        (
            Did,
            {"did": "purchase", "where": {"categori": "tea"}},
            "where: neither events nor products have 'categori'; did you mean 'category'?",
        ),
        (
            Did,
            {"did": "purchase", "where": {"price": "20"}},
            "product attribute 'price' is a number and can't be compared with the text '20'",
        ),
        (
            Did,
            {"did": "purchase", "sum": {"type": "at least 2"}},
            "attribute 'type' is not a number, so it has no sum or average",
        ),
        (
            Did,
            {"did": "purchase", "product": "same"},
            "product: same needs a campaign that starts with a product, which is not built yet",
        ),
        (Segment, {"segment": "vip"}, "there is no segment 'vip'; none are known"),
    ],
)
def test_what_the_data_cannot_answer_is_said(rule: type[Rule], written: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rule(rule.Options.model_validate(written)).matching(toy_snapshot())

    assert str(caught.value) == text


def test_check_rule_refuses_figures_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trait, "measure", lambda _rule, _data: [Figure("")])

    with pytest.raises(AssertionError, match="says nothing"):
        check_rule(Trait, {"trait": "tier", "is_not": "gold"}, expected=ALL - {"c1", "c3"})
