"""Every reason not to send, in its order of precedence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest
from pydantic import BaseModel

from automation.clock import to_millis
from automation.contracts import Options
from automation.errors import ContractError
from automation.pipeline.admission import AdmissionPolicy, find_re_entered
from automation.pipeline.caps import CapRequest, CapRule
from automation.pipeline.eligibility import EligibilityPolicy, judge_eligibility
from automation.pipeline.permission import PermissionPolicy
from automation.store.engine import Store, insert_rows, open_store
from automation.store.people import consent
from automation.store.tables import CapEntry, Decision, Message, MessageStatus
from automation.types.limits import Cap, parse_reentry

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
TERMS = PermissionPolicy("winback", 7, "promotions", True, {"email": "email"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store.db")
    with opened.transaction() as connection:
        for channel in ("email", "sms"):
            ids = [f"c{n}" for n in range(9)]
            consent.record(connection, ids, channel=channel, topic="promotions", granted=True, at=NOW, source="")
    yield opened
    opened.close()


def people(**emails: str | None) -> pl.DataFrame:
    rows = [(customer, address, f"+49151000000{customer[1:]}") for customer, address in emails.items()]
    return pl.DataFrame(rows, schema={"customer_id": pl.String, "email": pl.String, "phone": pl.String}, orient="row")


def capped(cap: str, wait: timedelta | None = None) -> PermissionPolicy:
    limit = Cap.from_text(cap)
    rule = CapRule(limit.sends, limit.window, frozenset({"promotions"}))
    return replace(TERMS, cap_request=CapRequest("winback", "promotions", 50, [rule], wait))


def reasons(
    store: Store, batch: pl.DataFrame, permission: PermissionPolicy = TERMS, admission: AdmissionPolicy | None = None
) -> dict[str, str | None]:
    judged = judge(store, batch, permission, admission)
    assert judged["customer_id"].to_list() == batch["customer_id"].to_list()
    assert (judged["outcome"].is_null() == judged["reason"].is_null()).all()
    return dict(judged.select("customer_id", "reason").iter_rows())


def judge(
    store: Store, batch: pl.DataFrame, permission: PermissionPolicy, admission: AdmissionPolicy | None = None
) -> pl.DataFrame:
    with store.reading() as connection:
        return judge_eligibility(batch, EligibilityPolicy(permission, admission), connection, now=NOW)


def insert_message(store: Store, customer: str, *, at: datetime, campaign: str = "winback", run_id: int = 7) -> None:
    """A message that was promised, with its decision and contact."""
    identity = f"{customer}{at}{run_id}"
    millis = to_millis(at)
    decision = {
        "entry": identity, "run_id": run_id, "batch_no": 0, "campaign": campaign, "customer_id": customer,
        "outcome": "message", "reason": "selected", "detail": "", "items": "[]", "propensities": "{}",
        "decided_at": millis, "step": "", "visit": 0,
    }  # fmt: skip
    message = {
        "id": identity, "decision_id": hash(identity) % 10**9, "run_id": run_id, "batch_no": 0, "customer_id": customer,
        "channel": "email", "topic": "promotions", "address": f"{customer.upper()}@x.example",
        "recipient": f"{customer}@x.example", "template": "winback", "context": "{}",
    }  # fmt: skip
    status = {
        "message_id": identity, "decision_id": message["decision_id"], "run_id": run_id, "queue": "email",
        "due_at": millis, "state": "sent", "attempt": 1,
    }  # fmt: skip
    contact = {
        "message_id": identity, "customer_id": customer, "channel": "email", "topic": "promotions",
        "campaign": campaign, "at": millis, "recipient": message["recipient"],
    }  # fmt: skip
    with store.transaction() as connection:
        for model, row in ((Decision, decision), (Message, message), (MessageStatus, status), (CapEntry, contact)):
            insert_rows(connection, model, tuple(row), [tuple(row.values())])


def test_marketing_needs_consent_and_service_needs_no_refusal(store: Store) -> None:
    with store.transaction() as connection:
        consent.record(
            connection, ["c2"], channel="email", topic="promotions", granted=False, at=NOW, source="unsubscribe"
        )
    batch = people(c1="a@x.example", c2="b@x.example", c99="c@x.example")
    assert reasons(store, batch) == {"c1": None, "c2": "consent_withdrawn", "c99": "no_consent"}
    assert reasons(store, batch, replace(TERMS, marketing=False)) == {
        "c1": None,
        "c2": "consent_withdrawn",
        "c99": None,
    }


def test_addresses_that_are_missing_malformed_or_suppressed(store: Store) -> None:
    with store.transaction() as connection:
        consent.suppress(connection, ["Dead@X.example"], channel="email", reason="bounce", source="dsn", now=NOW)
    batch = people(
        c1=None, c2="no at sign", c3=" dead@x.EXAMPLE ", c4="two@x.example,three@x.example", c5="ok@x.example"
    )
    assert reasons(store, batch) == {
        "c1": "no_address", "c2": "bad_address", "c3": "suppressed_address", "c4": "bad_address", "c5": None,
    }  # fmt: skip


def test_where_a_channel_wants_no_address_the_id_is_one(store: Store) -> None:
    """`customer`: consent and suppression hold all the same, by the id."""
    with store.transaction() as connection:
        consent.record(connection, ["c1", "c2"], channel="crm", topic="promotions", granted=True, at=NOW, source="")
        consent.suppress(connection, ["c2"], channel="crm", reason="manual", source="", now=NOW)
    permission = replace(TERMS, channels={"crm": "customer"})
    batch = people(c1=None, c2=None, c3="a@x.example")
    assert reasons(store, batch, permission) == {"c1": None, "c2": "suppressed_address", "c3": "no_consent"}
    assert judge(store, batch, permission)["address"].to_list() == ["c1", None, None]


def test_the_first_usable_channel_is_chosen(store: Store) -> None:
    permission = replace(TERMS, channels={"email": "email", "sms": "phone"})
    judged = judge(store, people(c1="a@x.example", c2=None), permission)
    assert judged.select("channel", "address").rows() == [("email", "a@x.example"), ("sms", "+491510000002")]


def test_one_person_gets_one_message_in_a_run(store: Store) -> None:
    insert_message(store, "c4", at=NOW)
    batch = people(c1="same@x.example", c2="SAME@x.example", c3="c4@x.example", c5="other@x.example")
    assert reasons(store, batch) == {"c1": None, "c2": "duplicate_address", "c3": "duplicate_address", "c5": None}


@pytest.mark.parametrize(
    ("reentry", "expected"),
    [("always", None), ("never", "reentry"), ("after 30d", "reentry"), ("after 29d", None)],
)
def test_re_entry(store: Store, reentry: str, expected: str | None) -> None:
    insert_message(store, "c1", at=NOW - timedelta(days=29, hours=12), run_id=1)
    admission = AdmissionPolicy("winback", parse_reentry(reentry))
    assert reasons(store, people(c1="a@x.example"), TERMS, admission) == {"c1": expected}


def test_re_entry_counts_from_when_each_would_enter(store: Store) -> None:
    """Both got it 29 and a half days ago, one of them under an old id with the same address."""
    insert_message(store, "c1", at=NOW - timedelta(days=29, hours=12), run_id=1)
    insert_message(store, "c2", at=NOW - timedelta(days=29, hours=12), run_id=1)
    later = NOW + timedelta(days=1)
    rows = [("c1", "a@x.example", NOW), ("c3", "c2@X.example", NOW), ("c4", "c2@x.example", later), ("c5", None, NOW)]
    schema = {"customer_id": pl.String, "address": pl.String, "at": pl.Int64}
    asking = pl.DataFrame([(c, a, to_millis(at)) for c, a, at in rows], schema=schema, orient="row")
    with store.reading() as connection:
        found = find_re_entered(asking, AdmissionPolicy("winback", parse_reentry("after 30d")), connection)
    assert found == ["c1", "c3"]


def test_the_cap_counts_every_campaign_of_its_kind_in_the_window(store: Store) -> None:
    for days in (1, 3, 8):
        insert_message(store, "c1", at=NOW - timedelta(days=days), campaign="newsletter", run_id=days)
    batch = people(c1="a@x.example", c2="b@x.example")
    assert reasons(store, batch, capped("2 per 7d")) == {"c1": "frequency_cap", "c2": None}
    assert reasons(store, batch, capped("3 per 7d")) == {"c1": None, "c2": None}


def test_a_capped_message_waits_until_it_fits(store: Store) -> None:
    """Two in seven days: after those of 1 and 3 days ago, the next may leave when the older one is 7 days old."""
    for days in (1, 3, 8):
        insert_message(store, "c1", at=NOW - timedelta(days=days), campaign="newsletter", run_id=days)
    batch = people(c1="a@x.example", c2="b@x.example")
    for wait, expected in (
        (timedelta(days=4), (None, to_millis(NOW + timedelta(days=4)))),
        (timedelta(days=3), ("frequency_cap", None)),
    ):
        judged = judge(store, batch, capped("2 per 7d", wait))
        assert judged.select("reason", "not_before").rows() == [expected, (None, None)]


class Strikes:
    """A suppression for tests: refuses whom it is told to."""

    codes: ClassVar[Mapping[str, str]] = {"strike": "the post is on strike"}
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, answer: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self.answer = answer

    def refuse(self, batch: pl.DataFrame, *, at: datetime, moment: Literal["decide", "send"]) -> pl.DataFrame:
        return self.answer(batch)


def refusal(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows), schema={"customer_id": pl.String, "code": pl.String, "detail": pl.String}, orient="row"
    )


def test_a_plugin_may_add_a_reason_and_never_take_one_away(store: Store) -> None:
    strikes = Strikes(lambda batch: refusal(*((c, "strike", "Lyon") for c in batch["customer_id"])))
    found = reasons(store, people(c1="a@x.example", c2=None), replace(TERMS, suppressions=[strikes]))
    assert found == {"c1": "strike", "c2": "no_address"}


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (
            lambda batch: batch.select("customer_id"),
            "columns customer_id String, not customer_id String, code",
        ),
        (lambda batch: refusal(("c1", "flood", "")), r"codes that it does not declare: \['flood'\]"),
        (lambda batch: refusal(("c1", "strike", ""), ("c1", "strike", "")), "a customer twice"),
    ],
)
def test_a_suppression_that_breaks_its_contract_fails_the_batch(store: Store, answer: Any, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        judge(store, people(c1="a@x.example"), replace(TERMS, suppressions=[Strikes(answer)]))
