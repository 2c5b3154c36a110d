"""Consent records, their proof, and the suppressions that follow from them."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from support.ledger import NOW

from automation.clock import to_millis
from automation.store.engine import Store
from automation.store.people import consent, double_opt_in, suppressions

DAY = timedelta(days=1)


def give(
    store: Store,
    customer: str,
    *,
    granted: bool,
    at: datetime = NOW,
    address: str = "",
    topic: str = "promotions",
    source: str = "form",
) -> int:
    with store.transaction() as connection:
        return consent.record(
            connection, [customer], channel="email", topic=topic, granted=granted, at=at, source=source,
            text_version="2026-05", method="sign-up form", by="ana", address=address,
        )  # fmt: skip


def granted(store: Store, customer: str, topic: str = "promotions") -> bool | None:
    with store.reading() as connection:
        found = consent.latest_record(connection, customer, "email", topic)
    return None if found is None else found.granted


def refused(store: Store, address: str, topic: str = "promotions", channel: str = "email") -> str | None:
    """The code with which a message to this address would be refused."""
    with store.reading() as connection:
        found = consent.suppressed(connection, [address], channel, topic)
    return found[address].code if found else None


def stop(store: Store, address: str, **told: str) -> int:
    kept = {"channel": "email", "reason": "manual", "source": "support"} | told
    with store.transaction() as connection:
        return consent.suppress(connection, [address], now=NOW, **kept)


def test_the_proof_has_when_how_on_which_text_and_by_whom(store: Store) -> None:
    give(store, "c1", granted=True, address=" Ana@X.example")
    with store.reading() as connection:
        found = consent.latest_record(connection, "c1", "email", "promotions")
    assert found == consent.ConsentRecordRow(
        "c1", "email", "promotions", True, NOW, "form", "sign-up form", "2026-05", "ana", NOW, "ana@x.example"
    )


def test_a_repeated_record_counts_once(store: Store) -> None:
    assert give(store, "c1", granted=True) == 1
    assert give(store, "c1", granted=True) == 0
    assert give(store, "c1", granted=True, at=NOW + DAY) == 1


def test_an_older_record_is_kept_but_overrules_nothing(store: Store) -> None:
    give(store, "c1", granted=False, address="a@x.example")
    give(store, "c1", granted=True, at=NOW - DAY, address="a@x.example")
    assert granted(store, "c1") is False
    assert refused(store, "a@x.example") == "unsubscribed"
    with store.reading() as connection:
        assert [row.granted for row in consent.history(connection, ["c1"])] == [True, False]
        assert consent.states(connection, ["c1"], ["email"], "promotions")["granted"].to_list() == [False]


@pytest.mark.parametrize("other", ["ana@x.example", "ANA@X.example", " ana@x.example "])
def test_a_withdrawal_holds_for_every_id_of_the_address(store: Store, other: str) -> None:
    give(store, "c1", granted=True, address="ana@x.example")
    give(store, "c2", granted=True, address=other)
    give(store, "c1", granted=False, at=NOW + DAY, address="ana@x.example")
    assert refused(store, other) == "unsubscribed"
    assert refused(store, other, topic="newsletter") is None
    assert refused(store, "somebody@x.example") is None


def test_a_newer_grant_by_any_id_of_the_address_lifts_a_withdrawal(store: Store) -> None:
    give(store, "c1", granted=False, address="ana@bücher.example")
    give(store, "c2", granted=True, at=NOW + DAY, address="Ana@xn--bcher-kva.example")
    assert refused(store, "ana@bücher.example") is None


def test_at_the_same_instant_a_withdrawal_wins(store: Store) -> None:
    give(store, "c1", granted=False, address="ana@x.example")
    give(store, "c2", granted=True, address="ana@x.example")
    assert refused(store, "ana@x.example") == "unsubscribed"


def test_an_older_withdrawal_does_not_overrule_a_newer_grant(store: Store) -> None:
    give(store, "c2", granted=True, address="ana@x.example")
    give(store, "c1", granted=False, at=NOW - DAY, address="ana@x.example")
    assert refused(store, "ana@x.example") is None


def test_a_record_without_an_address_applies_to_one_id(store: Store) -> None:
    give(store, "c1", granted=False)
    with store.reading() as connection:
        assert suppressions.list_rows(connection) == []


@pytest.mark.parametrize("reason", ["hard_bounce", "complaint", "manual"])
def test_a_grant_does_not_lift_a_reason_that_is_not_its_owners(store: Store, reason: str) -> None:
    stop(store, "ana@x.example", reason=reason)
    give(store, "c1", granted=True, at=NOW + DAY, address="ana@x.example")
    assert refused(store, "ana@x.example") == "suppressed_address"


def test_a_grant_for_one_topic_leaves_the_others_unsubscribed(store: Store) -> None:
    give(store, "c9", granted=True, topic="newsletter")
    stop(store, "ana@x.example", reason="unsubscribed")
    give(store, "c1", granted=True, at=NOW + DAY, address="ana@x.example", topic="promotions")
    assert refused(store, "ana@x.example", topic="promotions") is None
    assert refused(store, "ana@x.example", topic="newsletter") == "unsubscribed"


def test_an_address_a_domain_a_channel_or_a_topic_may_be_suppressed(store: Store) -> None:
    stop(store, "@Bücher.example")
    stop(store, "b@x.example", topic="newsletter")
    stop(store, "c@x.example", channel="")
    stop(store, "+49 30 123456", channel="sms")
    assert refused(store, "anybody@xn--bcher-kva.example") == "suppressed_domain"
    assert refused(store, "anybody@sub.bücher.example") is None
    assert refused(store, "b@x.example", topic="newsletter") == "suppressed_address"
    assert refused(store, "b@x.example", topic="promotions") is None
    assert refused(store, "c@x.example", channel="push") == "suppressed_address"
    assert refused(store, "0049 (0)30 123456", channel="sms") == "suppressed_address"


def test_an_address_on_the_list_keeps_its_first_reason(store: Store) -> None:
    assert stop(store, "a@x.example", reason="complaint") == 1
    assert stop(store, " A@x.example", reason="manual") == 0
    with store.reading() as connection:
        (row,) = suppressions.list_rows(connection, address="a@X.example")
    assert (row.reason, row.source, row.at) == ("complaint", "support", NOW)


def test_a_hard_bounce_outranks_a_later_grant(store: Store) -> None:
    stop(store, "a@x.example", reason="unsubscribed")
    assert stop(store, "a@x.example", reason="hard_bounce") == 0
    give(store, "c1", granted=True, at=NOW + DAY, address="a@x.example")
    assert refused(store, "a@x.example") == "suppressed_address"


def test_a_repeated_unsubscribe_counts_from_its_newer_time(store: Store) -> None:
    stop(store, "a@x.example", topic="promotions", reason="unsubscribed")
    with store.transaction() as connection:
        consent.suppress(
            connection, ["a@x.example"], channel="email", topic="promotions", reason="unsubscribed", source="link",
            now=NOW + 2 * DAY,
        )  # fmt: skip
    give(store, "c1", granted=True, at=NOW + DAY, address="a@x.example")
    assert refused(store, "a@x.example") == "unsubscribed"
    give(store, "c1", granted=True, at=NOW + 3 * DAY, address="a@x.example")
    assert refused(store, "a@x.example") is None


def test_an_address_is_removed_from_the_list(store: Store) -> None:
    stop(store, "a@x.example")
    with store.transaction() as connection:
        assert consent.unsuppress(connection, "A@x.example", channel="email")
        assert not consent.unsuppress(connection, "A@x.example", channel="email")
    assert refused(store, "a@x.example") is None


# Double opt-in


def ask(store: Store, *customers: str, at: datetime = NOW) -> int:
    rows = [
        (c, "email", "promotions", True, to_millis(at), "form", "2026-05", "sign-up form", f"{c}@x.example")
        for c in customers
    ]
    with store.transaction() as connection:
        return double_opt_in.add_requests(connection, pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row"))


def send(store: Store, message: str = "m1", now: datetime = NOW) -> None:
    with store.transaction() as connection:
        waiting = double_opt_in.waiting_requests(connection, "promotions", now=now)
        double_opt_in.mark_asked(connection, {one.id: message for one in waiting}, now=now)


def confirm(store: Store, message: str = "m1", at: datetime = NOW + DAY) -> list[str]:
    with store.transaction() as connection:
        return [one.customer_id for one in double_opt_in.confirm_requests(connection, message, at=at)]


def test_a_request_grants_nothing_until_it_is_confirmed(store: Store) -> None:
    assert ask(store, "c1", "c2") == 2
    assert granted(store, "c1") is None
    assert confirm(store) == []
    send(store)
    assert confirm(store) == ["c1", "c2"]
    with store.reading() as connection:
        found = consent.latest_record(connection, "c1", "email", "promotions")
        assert double_opt_in.unconfirmed_requests(connection) == []
    assert found is not None
    assert (found.granted, found.at, found.method, found.text_version) == (True, NOW + DAY, "double opt-in", "2026-05")
    assert found.recorded_by == "confirm link, message m1"


def test_confirming_twice_is_once(store: Store) -> None:
    ask(store, "c1")
    send(store)
    assert confirm(store) == confirm(store, at=NOW + 2 * DAY) == ["c1"]
    with store.reading() as connection:
        assert [row.at for row in consent.history(connection, ["c1"])] == [NOW + DAY]


def test_nobody_is_asked_twice(store: Store) -> None:
    assert ask(store, "c1") == 1
    assert ask(store, "c1", at=NOW + DAY) == 0
    send(store)
    assert ask(store, "c1", at=NOW + DAY) == 0
    confirm(store)
    assert ask(store, "c1", at=NOW + 2 * DAY) == 0


def test_a_request_expires(store: Store) -> None:
    ask(store, "c1")
    send(store)
    assert confirm(store, at=NOW + timedelta(days=31)) == []
    assert granted(store, "c1") is None
    assert ask(store, "c1", at=NOW + timedelta(days=31)) == 1


def test_the_shop_says_how_long_a_request_can_be_confirmed(store: Store) -> None:
    ask(store, "c1")
    send(store)
    with store.transaction() as connection:
        valid = timedelta(hours=23)
        assert double_opt_in.confirm_requests(connection, "m1", at=NOW + DAY, valid=valid) == []


def test_a_withdrawal_ends_the_request(store: Store) -> None:
    ask(store, "c1")
    send(store)
    give(store, "c1", granted=False, at=NOW + DAY / 2)
    assert confirm(store) == []
    assert granted(store, "c1") is False


def test_a_request_that_could_not_be_sent_is_listed(store: Store) -> None:
    ask(store, "c1")
    send(store)
    with store.transaction() as connection:
        double_opt_in.refuse_requests(connection, ["m1"], now=NOW)
        assert [(one.customer_id, one.state) for one in double_opt_in.unconfirmed_requests(connection)] == [
            ("c1", "refused")
        ]
    assert ask(store, "c1", at=NOW + DAY) == 1


def word(store: Store, customer: str) -> str | None:
    with store.reading() as connection:
        found = consent.states(connection, [customer], ["email"], "promotions")["state"].to_list()
    return found[0] if found else None


def test_nothing_on_record_refused_and_withdrawn_are_three_things(store: Store) -> None:
    assert word(store, "c1") is None
    give(store, "c1", granted=False)
    assert word(store, "c1") == "refused"
    give(store, "c1", granted=True, at=NOW + DAY)
    assert word(store, "c1") == "given"
    give(store, "c1", granted=False, at=NOW + 2 * DAY)
    assert word(store, "c1") == "withdrawn"


def test_a_refusal_is_a_withdrawal_as_soon_as_an_older_consent_turns_up(store: Store) -> None:
    give(store, "c1", granted=False, address="ana@x.example")
    assert (word(store, "c1"), refused(store, "ana@x.example")) == ("refused", "consent_refused")
    give(store, "c1", granted=True, at=NOW - DAY, address="ana@x.example")
    assert (word(store, "c1"), refused(store, "ana@x.example")) == ("withdrawn", "unsubscribed")


def test_every_record_says_what_it_was(store: Store) -> None:
    for number, granted in enumerate([False, True, False, True]):
        give(store, "c1", granted=granted, at=NOW + number * DAY)
    give(store, "c2", granted=False)
    with store.reading() as connection:
        named = consent.name_records(consent.history(connection, ["c1", "c2"]))
    assert sorted((row.customer_id, row.at, state) for row, state in named) == [
        ("c1", NOW, "refused"),
        ("c1", NOW + DAY, "given"),
        ("c1", NOW + 2 * DAY, "withdrawn"),
        ("c1", NOW + 3 * DAY, "given"),
        ("c2", NOW, "refused"),
    ]
