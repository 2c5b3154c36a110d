"""Rows for the ledger, as the pipeline would make them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from automation.clock import to_millis
from automation.store.ledger import ledger

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def batch_rows(customers: list[str], outcomes: dict[str, str], **columns: object) -> pl.DataFrame:
    rows = []
    for customer in customers:
        outcome = outcomes.get(customer, "message")
        promised = outcome in {"message", "holdout"}
        values: dict[str, object] = {
            "customer_id": customer,
            "step": "send",
            "visit": 0,
            "outcome": outcome,
            "reason": "selected",
            "detail": "",
            "variant": None,
            "offer": "pct10",
            "items": "[]",
            "propensities": "{}",
            "channel": "email",
            "address": f"{customer}@shop.example",
            "due_at": to_millis(NOW),
            "expires_at": to_millis(NOW) + 86_400_000,
            "quiet_from": None,
            "quiet_until": None,
            "template": "winback",
            "context": "{}",
            "coupon": None,
        } | columns
        rows.append(
            {name: value if promised or name in ledger.DECISION_COLUMNS else None for name, value in values.items()}
        )
    return pl.DataFrame(rows, schema={**ledger.DECISION_COLUMNS, **ledger.MESSAGE_COLUMNS})
