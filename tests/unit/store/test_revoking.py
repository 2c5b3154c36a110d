"""Whatever takes permission away is in the revocation log when its transaction is over, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection
from support.ledger import NOW

from automation import revocations
from automation.errors import StoreError
from automation.store import pauses
from automation.store.engine import Store
from automation.store.people import consent, suppressions

ANA = revocations.customer_key("ana")
ADDRESS = revocations.address_key("ana@shop.example")


def record(connection: Connection, *, granted: bool, address: str = "") -> None:
    consent.record(
        connection, ["ana"], channel="email", topic="promotions", granted=granted, at=NOW, source="x", address=address
    )


def withdraw(store: Store, error: type[Exception] | None = None) -> None:
    with store.transaction() as connection:
        record(connection, granted=False)
        if error is not None:
            raise error


def suppress(connection: Connection, address: str) -> None:
    suppressions.suppress(connection, [address], channel="email", reason="manual", source="admin", now=NOW)


TAKES_BACK: dict[str, tuple[Callable[[Connection], object], list[str]]] = {
    "a consent withdrawn": (lambda c: record(c, granted=False), [ANA]),
    "a consent withdrawn with its address": (
        lambda c: record(c, granted=False, address="Ana@Shop.example "), [ANA, ADDRESS],
    ),
    "an address suppressed": (lambda c: suppress(c, " ANA@shop.example"), [ADDRESS]),
    "a domain suppressed": (lambda c: suppress(c, "@shop.example"), [revocations.address_key("@shop.example")]),
    "a campaign stopped": (
        lambda c: pauses.stop(c, "winback", by="admin", now=NOW), [revocations.campaign_key("winback")],
    ),
    "a channel paused": (
        lambda c: pauses.pause(c, pauses.channel_scope("email"), reason="complaints", now=NOW),
        [revocations.channel_key("email")],
    ),
    "everything stopped": (
        lambda c: pauses.stop(c, pauses.EVERYTHING, by="admin", now=NOW), [revocations.customer_key("anybody")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKES_BACK)
def test_it_is_in_the_log_when_the_transaction_is_over(store: Store, name: str) -> None:
    act, keys = TAKES_BACK[name]
    reader, since = store.revocations.reader(), store.revocations.end()
    with store.transaction() as connection:
        act(connection)
        assert not reader.has_news(since)
    assert [key for key in keys if reader.revokes([key], since)] == keys
    reader.close()


@pytest.mark.parametrize(
    "act",
    [
        lambda c: record(c, granted=True),
        lambda c: pauses.resume(c, ["winback"]),
        lambda c: suppressions.unsuppress(c, "ana@shop.example", channel="email"),
    ],
    ids=["a consent granted", "a campaign resumed", "an address allowed again"],
)
def test_what_gives_permission_takes_nothing_back(store: Store, act: Callable[[Connection], object]) -> None:
    since = store.revocations.end()
    with store.transaction() as connection:
        act(connection)
    assert store.revocations.end() == since


def test_what_is_rolled_back_takes_nothing_back(store: Store) -> None:
    since = store.revocations.end()
    with pytest.raises(ZeroDivisionError):
        withdraw(store, ZeroDivisionError)
    with store.transaction() as connection:
        record(connection, granted=True)
    assert store.revocations.end() == since


def test_a_log_that_cannot_be_written_is_reported(store: Store) -> None:
    """The withdrawal itself is stored; whoever asked for it learns that messages may still be leaving."""
    assert isinstance(store.revocations.path, Path)
    store.revocations.path.mkdir()
    with pytest.raises(StoreError, match="this is stored, but messages"):
        withdraw(store)
    with store.reading() as connection:
        assert consent.states(connection, ["ana"], ["email"], "promotions")["granted"].to_list() == [False]
