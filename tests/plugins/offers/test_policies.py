"""The offer policies `fixed` and `rules`."""

from __future__ import annotations

import polars as pl
import pytest
from pydantic import ValidationError

from automation.errors import ConfigurationError
from automation.plugin_manager import load_plugins
from automation.rules import core
from automation.rules.profile import ProfileOptions
from automation.testing.offer_policy import check_offer_policy
from automation.types.condition import Group, Leaf
from automation_offers.policies import FirstMatch, FirstMatchOptions, Fixed, FixedOptions

OFFERS = pl.DataFrame(
    {
        "offer": ["no_message", "no_discount", "pct10", "pct20"],
        "kind": ["none", "none", "percent", "percent"],
        "value": [0.0, 0.0, 0.1, 0.2],
        "expected_cost": [None, 0.0, 3.5, 8.0],
    }
)
BATCH = pl.DataFrame(
    {
        "customer_id": ["c1", "c2", "c3", "c4"],
        "when_0": [True, False, True, False],
        "when_1": [True, True, False, False],
    }
)


def rich() -> Leaf:
    options = ProfileOptions.model_validate({"profile": "monetary", "at_least": 100})
    return Leaf("profile", options, "offer.options.first_of[1].if", "{profile: monetary, at_least: 100}")


def certain(chosen: pl.DataFrame) -> dict[str, str]:
    rows = chosen.filter(pl.col("probability") == 1.0)
    return dict(rows.select("customer_id", "offer").sort("customer_id").iter_rows())


def test_fixed_gives_everybody_the_same_offer() -> None:
    chosen = check_offer_policy(Fixed, {"offer": "pct10"}, BATCH, OFFERS)

    assert certain(chosen) == dict.fromkeys(["c1", "c2", "c3", "c4"], "pct10")
    costs = dict(chosen.select("offer", "expected_cost").unique().iter_rows())
    assert costs == {"no_message": 0.0, "no_discount": 0.0, "pct10": 3.5, "pct20": 8.0}


def test_rules_give_the_first_match() -> None:
    written = {
        "first_of": [
            {"if": rich(), "give": "pct20"},
            {"if": Group("not", (rich(),)), "give": "pct10"},
            {"otherwise": "no_message"},
        ]
    }
    chosen = check_offer_policy(FirstMatch, written, BATCH, OFFERS)

    assert certain(chosen) == {"c1": "pct20", "c2": "pct10", "c3": "pct20", "c4": "no_message"}


def test_rules_without_otherwise_give_no_discount() -> None:
    chosen = check_offer_policy(FirstMatch, {"first_of": [{"if": rich(), "give": "pct20"}]}, BATCH, OFFERS)

    assert certain(chosen) == {"c1": "pct20", "c2": "no_discount", "c3": "pct20", "c4": "no_discount"}


def test_an_offer_that_the_campaign_does_not_allow_is_an_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Fixed(FixedOptions(offer="pct50")).choose(BATCH, OFFERS, {})

    assert str(caught.value) == (
        "the offer policy gives pct50, which the campaign does not allow; "
        "allowed: no_message, no_discount, pct10, pct20"
    )


@pytest.mark.parametrize(
    ("first_of", "place", "text"),
    [
        ([], ("first_of",), "Value error, the list is empty; write at least {otherwise: an offer}"),
        (
            [{"if": rich()}],
            ("first_of", 0),
            "Value error, write {if: a condition, give: an offer}, or as the last rule {otherwise: an offer}",
        ),
        (
            [{"otherwise": "pct10"}, {"if": rich(), "give": "pct20"}],
            ("first_of",),
            "Value error, otherwise must be the last rule; rules after it would never apply",
        ),
    ],
)
def test_invalid_rules_are_refused_with_their_location(
    first_of: list[object], place: tuple[object, ...], text: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        FirstMatchOptions.model_validate({"first_of": first_of})

    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (place, text)


def test_the_plugin_registers_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMATION_PLUGINS", "offers")
    registry = load_plugins(core=[core])

    assert registry.find("offer_policies", "fixed") is Fixed
    assert registry.find("offer_policies", "rules") is FirstMatch
