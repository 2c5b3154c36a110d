"""A group's figures, by hand; intervals against published ones."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
import pytest

from automation import event_types
from automation.experiment.analysis import share_interval
from automation.reporting.figures import (
    RESPONSES,
    Credit,
    Figures,
    Rate,
    compare_variants,
    figures_csv,
    make_figures,
    with_responses,
)


def messages(*rows: tuple[str, str], converted: Collection[int] = (), revenue: float = 0.0) -> pl.DataFrame:
    """Messages m0, m1 … with their channel and state; those at `converted` reached the goal."""
    return pl.DataFrame(
        [
            (f"m{n}", channel, state, n in converted, 1.0 * (n in converted), True)
            for n, (channel, state) in enumerate(rows)
        ],
        schema=["message_id", "channel", "state", "converted", "credit", "tracked"],
        orient="row",
    ).with_columns((pl.col("credit") * revenue).alias("revenue"))


def told(*events: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(events, schema={"type": pl.String, "message_id": pl.String}, orient="row")


TRACKED = {"opened": {"email"}, "clicked": {"email"}}


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3."""
    assert share_interval(count, of) == pytest.approx((count / of, low, high), abs=5e-5)


def test_messages_are_counted_once_and_those_that_may_have_arrived_too() -> None:
    left = messages(("email", "sent"), ("email", "sent"), ("email", "ambiguous"), ("email", "sent"), converted=[0])
    opens = [("email_open", "m0"), ("email_open", "m0"), ("email_open", "m2"), ("machine_open", "m1")]
    figures = make_figures(with_responses(left, told(*opens, ("email_open", "of nobody"))), TRACKED)
    assert (figures.sent, figures.ambiguous) == (3, 1)
    assert {name: n for name, n in figures.responses.items() if n} == {"opened": 2, "opened_by_bots": 1}
    assert figures.rates["opened"] == Rate(2, 4, *share_interval(2, 4))
    assert figures.rates["converted"] == Rate(1, 4, *share_interval(1, 4))
    assert figures.credit == Credit(1.0, 0.0)


def test_what_a_channel_never_reports_is_unknown_and_not_none() -> None:
    """No delivery report came; SMS have no opens, and clicks only where another system reports them."""
    left = with_responses(messages(("email", "sent"), ("sms", "sent"), ("sms", "sent")), told(("email_open", "m0")))
    figures = make_figures(left, TRACKED)
    assert figures.rates["delivered"] is None
    assert figures.rates["opened"] == Rate(1, 1, *share_interval(1, 1))
    assert figures.rates["clicked"] == Rate(0, 1, *share_interval(0, 1))
    assert make_figures(left.filter(pl.col("channel") == "sms"), TRACKED).rates["opened"] is None
    reported = with_responses(
        left.select(pl.exclude(set(RESPONSES.values()))), told(("sms_delivered", "m2"), ("click", "m1"))
    )
    figures = make_figures(reported, TRACKED)
    assert figures.rates["delivered"] == Rate(1, 2, *share_interval(1, 2))
    assert figures.rates["clicked"] == Rate(1, 3, *share_interval(1, 3))


def test_a_group_without_messages_has_no_rates() -> None:
    figures = make_figures(with_responses(messages(("email", "sent")).clear(), told()), TRACKED)
    assert (figures.sent, set(figures.rates.values())) == (0, {None})


def test_every_response_and_report_of_the_catalogue_has_a_name_here() -> None:
    known = {one.name for one in event_types.EVENT_TYPES if one.group in ("response", "delivery")}
    assert known - set(RESPONSES) == {event_types.EMAIL_SENT, event_types.EMAIL_DELAYED}


def variant(clicked: int, of: int) -> Figures:
    return Figures(of, 0, {}, {"clicked": Rate.of_counts(clicked, of), "delivered": None}, Credit())


def test_variants_are_compared_with_the_first() -> None:
    """Newcombe (1998), table II, method 10: 56 of 70 against 48 of 80."""
    figures = {"a": variant(48, 80), "b": variant(56, 70), "c": variant(0, 0), "d": variant(49, 80)}
    for one in figures.values():
        one.rates.update(dict.fromkeys(("bounced", "opened", "converted", "unsubscribed", "complained")))  # type: ignore[attr-defined]
    found = list(compare_variants(figures))
    assert [(one.figure, one.variant, one.against, one.clear) for one in found] == [
        ("clicked", "b", "a", True),
        ("clicked", "d", "a", False),
    ]
    assert (found[0].difference, found[0].low, found[0].high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_the_table_for_spreadsheets_has_a_line_for_each_known_figure() -> None:
    lines = figures_csv({"variant": {"=a": variant(1, 2)}}).splitlines()
    assert lines[0] == "group,name,figure,value,of,share,low,high"
    assert [line.split(",")[:5] for line in lines[1:]] == [
        ["variant", "'=a", "sent", "2.0", ""],
        ["variant", "'=a", "ambiguous", "0.0", ""],
        ["variant", "'=a", "untracked", "0.0", ""],
        ["variant", "'=a", "clicked", "1.0", "2"],
        ["variant", "'=a", "conversions_credited", "0.0", ""],
        ["variant", "'=a", "revenue", "0.0", ""],
    ]


def test_opens_that_nobody_counts_are_unknown_while_clicks_are_counted() -> None:
    left = with_responses(messages(("email", "sent"), ("email", "sent")), told(("email_click", "m0")))
    rates = make_figures(left, {"clicked": {"email"}}).rates
    assert rates["opened"] is None
    assert rates["clicked"] == Rate(1, 2, *share_interval(1, 2))
