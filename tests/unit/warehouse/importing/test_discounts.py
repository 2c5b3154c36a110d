"""What was taken off the lines of an order, worked out by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from automation.warehouse.importing import discounts
from automation.warehouse.importing.discounts import divide_discounts, keep_orders_whole
from automation.warehouse.importing.mapping_grammar import Discounts
from automation.warehouse.importing.table_mapping import TableMapping

FULL = Discounts(by="order", quantity="n", price="each", line="line", order="whole", paid="paid")
REDUCED = Discounts(by="order", quantity="n", price="each", price_is="reduced", full_price="before", order="whole")


def divided(rule: Discounts, *rows: dict[str, Any], decimal: str = "point") -> list[tuple[float, float | None]]:
    """discount_amount and discount_share of each line."""
    mapping = TableMapping.model_validate(
        {
            "table": "events",
            "columns": {"customer_id": "who", "type": {"constant": "purchase"}, "occurred_at": "at"},
            "decimal": decimal,
        }
    )
    names = {name: None for row in rows for name in row}
    frame = pl.DataFrame([{**names, **row} for row in rows], schema=dict.fromkeys(names, pl.String))
    found = divide_discounts(frame.with_row_index("_row", 1), rule, mapping)
    return [(round(off, 6), share) for off, share in found.select("discount_amount", "discount_share").rows()]


def test_a_discount_on_the_order_is_divided_by_the_lines_worth() -> None:
    head = {"order": "1", "n": "1", "each": "30", "whole": "10", "paid": "30"}
    assert divided(FULL, head, {"order": "1", "n": "2", "each": "5"}) == [(7.5, 0.25), (2.5, 0.25)]


@pytest.mark.parametrize("whole", ["6", "4"])
def test_it_does_not_matter_whether_the_whole_discount_counts_the_lines_own(whole: str) -> None:
    """2 off the first line, 4 off the order: 20 + 20 cost 34 together."""
    head = {"order": "1", "n": "1", "each": "20", "line": "2", "whole": whole, "paid": "34"}
    found = divided(FULL, head, {"order": "1", "n": "1", "each": "20"})
    assert found == [(3.894737, 0.1947), (2.105263, 0.1053)]  # 2 + 4 · 18/38, 4 · 20/38


def test_a_discount_on_shipping_takes_nothing_off_the_products() -> None:
    assert divided(FULL, {"order": "1", "n": "1", "each": "20", "whole": "4.90", "paid": "20"}) == [(0, 0)]


def test_a_tip_among_the_lines_is_no_discount() -> None:
    tea = {"order": "1", "n": "1", "each": "20", "whole": "0", "paid": "20"}
    assert divided(FULL, tea, {"order": "1", "n": "1", "each": "3"}) == [(0, 0), (0, 0)]


def test_without_what_was_paid_the_lines_own_discounts_are_part_of_the_orders() -> None:
    head = {"order": "1", "n": "1", "each": "20", "line": "2", "whole": "5"}
    assert divided(FULL, head, {"order": "1", "n": "1", "each": "2"}) == [(4.7, 0.235), (0.3, 0.15)]


def test_a_reduced_price_with_and_without_the_full_one() -> None:
    assert divided(REDUCED, {"order": "1", "n": "2", "each": "9", "before": "10"}) == [(2, 0.1)]
    head = {"order": "1", "n": "1", "each": "27", "whole": "4"}
    assert divided(REDUCED, head, {"order": "1", "n": "1", "each": "9"}) == [(3, 0.1), (1, 0.1)]


def test_coupons_in_several_lines_add_up_and_one_that_every_line_repeats_counts_once() -> None:
    lines: list[dict[str, Any]] = [{"order": "1", "n": "1", "each": "9", "whole": one} for one in ("2", "2")]
    assert divided(REDUCED, *lines) == [(1, 0.1), (1, 0.1)]
    several = [{**lines[0], "whole": "1"}, lines[1], {"order": "1", "n": "1", "each": "9"}]
    assert divided(REDUCED, *several) == [(1, 0.1)] * 3


def test_rounding_to_a_cent_makes_no_other_percentage() -> None:
    """10 % of 7.95 is 0.795, which shops round to 0.79 or 0.80; 12.5 % of 20 is no rounding."""
    found = [divided(FULL, {"order": "1", "n": "1", "each": "7.95", "line": off})[0] for off in ("0.79", "0.80")]
    assert found == [(0.79, 0.1), (0.8, 0.1)]
    assert divided(FULL, {"order": "1", "n": "1", "each": "20", "line": "2.50"}) == [(2.5, 0.125)]


def test_what_is_unknown_stays_unknown() -> None:
    """No column says anything about discounts; a present; lines that can't be read."""
    assert divided(REDUCED, {"order": "1", "n": "1", "each": "9"}) == [(0, None)]
    assert divided(FULL, {"order": "1", "n": "1", "each": "0", "line": "0"}) == [(0, None)]
    odd = {"order": "1", "n": "one", "each": "-5", "line": "much", "whole": "NaN", "paid": "?"}
    assert divided(FULL, odd) == [(0, None)]
    assert divided(FULL, {"order": "1", "n": "1", "each": "5", "line": "9", "whole": "99"}) == [(5, 1)]


def test_lines_without_an_order_are_not_one_order() -> None:
    rows = [{"order": None, "n": "1", "each": "10", "whole": off} for off in ("1", None, "5")]
    assert [share for _, share in divided(FULL, *rows)] == [0.1, 0, 0.5]


def test_numbers_are_written_as_the_file_writes_them() -> None:
    line = {"order": "1", "n": "1", "each": "1.000,00", "line": "150,00"}
    assert divided(FULL, line, decimal="comma") == [(150, 0.15)]


@pytest.mark.parametrize("cut", range(1, 8))
def test_no_order_is_cut_in_two(cut: int) -> None:
    orders = ["a", "a", "", "b", "c", "c", "c"]
    whole = pl.DataFrame({"_row": range(7), "order": orders})
    frames = list(keep_orders_whole(iter([whole[:cut], whole[cut:5], whole[max(cut, 5) :]]), "order"))
    assert pl.concat(frames)["_row"].to_list() == list(range(7))
    homes = [set(frame["_row"].to_list()) for frame in frames]
    for order in ({0, 1, 2}, {4, 5, 6}):
        assert any(order <= home for home in homes), (cut, homes)


def test_a_file_that_is_one_order_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discounts, "_LONGEST_ORDER", 5)
    frames = [pl.DataFrame({"order": ["a"] * 4}) for _ in range(4)]
    assert [frame.height for frame in keep_orders_whole(iter(frames), "order")] == [8, 8]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"line": "l", "full_price": "f"}, "`full_price` goes with `price_is: reduced`"),
        ({"line": "l", "paid": "p"}, "`paid` goes with `order`"),
        ({}, "needs one of full_price, line, order"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(written: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Discounts.model_validate({"by": "order", "quantity": "n", "price": "each", **written})
