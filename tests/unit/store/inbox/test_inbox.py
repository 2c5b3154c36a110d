"""The inbox keeps each event once, with what is searched for in columns of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from automation.store.engine import Store
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent

NOW = datetime(2026, 3, 30, 8, tzinfo=UTC)
OPENED = InboxEvent("e1", "c1", "email_open", NOW - timedelta(milliseconds=1), "m1", {"campaign": "winback", "link": 2})
BOUGHT = InboxEvent("e2", "c2", "purchase", NOW, None, {"name": "Grün"})


def test_an_event_comes_back_as_it_was_stored(store: Store) -> None:
    with store.transaction() as connection:
        assert inbox.add_events(connection, [OPENED, BOUGHT], now=NOW) == 2
        assert inbox.read_events(connection) == [OPENED, BOUGHT]


def test_an_event_id_counts_once(store: Store) -> None:
    with store.transaction() as connection:
        assert inbox.add_events(connection, [OPENED, OPENED], now=NOW) == 1
        assert inbox.add_events(connection, [OPENED._replace(type="email_click"), BOUGHT], now=NOW) == 1
        assert inbox.read_events(connection) == [OPENED, BOUGHT]


def test_no_events_are_no_statement(store: Store) -> None:
    with store.transaction() as connection:
        assert inbox.add_events(connection, [], now=NOW) == 0


def test_a_flush_has_its_rows_and_deletes_them_after_a_week(store: Store) -> None:
    with store.transaction() as connection:
        assert inbox.begin_flush(connection, now=NOW) is None
        inbox.add_events(connection, [OPENED], now=NOW)
        no = inbox.begin_flush(connection, now=NOW)
        assert no is not None
        inbox.add_events(connection, [BOUGHT], now=NOW)
        assert inbox.begin_flush(connection, now=NOW) == no, "an unfinished flush comes first"
        assert inbox.read_flush(connection, no) == [OPENED]
        inbox.finish_flush(connection, no, now=NOW)
        later = NOW + inbox.KEEP + timedelta(seconds=1)
        second = inbox.begin_flush(connection, now=later)
        assert second is not None
        assert inbox.read_flush(connection, second) == [BOUGHT]
        inbox.finish_flush(connection, second, now=later)
        assert inbox.read_events(connection) == [BOUGHT]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("type = 'email_open' AND id > 7", "ix_inbox_type"),
        ("type IN ('email_bounce', 'sms_failed') AND id > 7 AND id <= 9", "ix_inbox_type"),
        ("customer_id = 'c1' AND occurred_at >= 5", "ix_inbox_customer"),
    ],
)
def test_the_events_query_of_triggers_uses_an_index(store: Store, where: str, index: str) -> None:
    with store.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT id FROM inbox WHERE {where}").all()
    assert index in plan[0].detail
