"""What the audience rules see of the decisions."""

from __future__ import annotations

from collections.abc import Callable

from support.ledger import NOW

from automation.store.engine import Store
from automation.store.ledger import decisions
from automation.warehouse.connect import DECISIONS


def test_every_decision_stands_there_with_the_message_that_it_led_to(
    store: Store, run_of: Callable[..., int], plan: Callable[..., None]
) -> None:
    run_id = run_of(["c1", "c2"])
    plan(run_id, 0, ["c1", "c2"], {"c2": "holdout"}, variant="a")

    with store.reading() as connection:
        seen = decisions.mirror(connection).sort("customer_id")
        (row,) = decisions.find(connection, customer_id="c1")

    assert seen.schema == DECISIONS
    assert seen.rows() == [
        ("c1", "winback", str(run_id), "message", NOW, "a", row.message_id),
        ("c2", "winback", str(run_id), "holdout", NOW, "a", None),
    ]
    assert row.message_id is not None
