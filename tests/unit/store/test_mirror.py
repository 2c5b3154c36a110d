"""What the audience rules see of the decisions."""

from __future__ import annotations

from support.ledger import NOW, plan_run

from automation.store.engine import Store
from automation.store.ledger import decisions
from automation.warehouse.embedded import DECISIONS


def test_every_decision_is_listed_with_its_message(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2"], {"c2": "holdout"}, variant="a")

    with store.reading() as connection:
        seen = decisions.read_mirror(connection).sort("customer_id")
        (row,) = decisions.find(connection, customer_id="c1")

    assert seen.schema == DECISIONS
    assert seen.rows() == [
        ("c1", "winback", str(run_id), "message", NOW, "a", row.message_id),
        ("c2", "winback", str(run_id), "holdout", NOW, "a", None),
    ]
    assert row.message_id is not None
