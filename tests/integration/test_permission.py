"""Planning and granting answer the question "may this person get this message" alike, in every case."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import polars as pl
import pytest
import sqlalchemy as sa
from support.ledger import NOW, plan_run, tick
from support.stores import store

from automation.pipeline.eligibility import EligibilityPolicy, judge_eligibility
from automation.pipeline.permission import PermissionPolicy
from automation.store.engine import Store, table
from automation.store.people import consent
from automation.store.people.permission import refusal_code
from automation.store.tables import MessageStatus
from automation.types.consent import ConsentState
from automation.types.decision import REASONS

__all__ = ["store"]

Row = tuple[str, str, str, str]
"""Of the suppression list: address, channel, topic, reason."""
SUPPRESSIONS: Sequence[tuple[Sequence[Row], dict[str, str | None]]] = (
    ([], {"promotions": None, "service": None}),
    ([("c1@shop.example", "email", "", "hard_bounce")], dict.fromkeys(("promotions", "service"), "suppressed_address")),
    ([("c1@shop.example", "email", "", "refused")], dict.fromkeys(("promotions", "service"), "consent_refused")),
    ([("c1@shop.example", "", "", "unsubscribed")], dict.fromkeys(("promotions", "service"), "unsubscribed")),
    ([("c1@shop.example", "email", "promotions", "manual")], {"promotions": "suppressed_address", "service": None}),
    ([("c1@shop.example", "sms", "", "hard_bounce")], {"promotions": None, "service": None}),
    ([("@shop.example", "email", "", "manual")], dict.fromkeys(("promotions", "service"), "suppressed_domain")),
    (
        [("@shop.example", "email", "", "manual"), ("c1@shop.example", "email", "promotions", "withdrawn")],
        {"promotions": "unsubscribed", "service": "suppressed_domain"},
    ),
    (
        [("c1@shop.example", "email", "", "unsubscribed"), ("c1@shop.example", "email", "promotions", "manual")],
        dict.fromkeys(("promotions", "service"), "unsubscribed"),
    ),
    (
        [("c1@shop.example", "", "", "hard_bounce"), ("c1@shop.example", "email", "", "unsubscribed")],
        dict.fromkeys(("promotions", "service"), "suppressed_address"),
    ),
)


class Case(NamedTuple):
    topic: str
    word: ConsentState | None
    listed: Sequence[Row]
    suppression: str | None

    @property
    def expected(self) -> str | None:
        """Worked out again: marketing needs a yes, any other topic only no no; then the suppression list."""
        if self.word in ("withdrawn", "refused"):
            return f"consent_{self.word}"
        if self.word is None and self.topic == "promotions":
            return "no_consent"
        return self.suppression


WORDS: Sequence[ConsentState | None] = (None, "given", "withdrawn", "refused")
CASES = [
    Case(topic, word, listed, codes[topic])
    for topic, word, (listed, codes) in product(("promotions", "service"), WORDS, SUPPRESSIONS)
]


def prepare(store: Store, case: Case) -> None:
    form: Any = {"channel": "email", "topic": case.topic, "source": "form"}
    with store.transaction() as connection:
        if case.word in ("given", "withdrawn"):
            consent.record(connection, ["c1"], at=NOW, granted=True, **form)
        if case.word in ("withdrawn", "refused"):
            consent.record(connection, ["c1"], at=NOW, granted=False, **form)
        for address, channel, topic, reason in case.listed:
            consent.suppress(
                connection, [address], channel=channel, topic=topic, reason=reason, source="support", now=NOW
            )


def reason_at_planning(store: Store, case: Case) -> str | None:
    people = pl.DataFrame({"customer_id": ["c1"], "email": ["c1@shop.example"]})
    permission = PermissionPolicy("winback", 7, case.topic, case.topic == "promotions", {"email": "email"})
    policy = EligibilityPolicy(permission, admission=None)
    with store.reading() as connection:
        judged = judge_eligibility(people, policy, connection, now=NOW)
    assert judged["outcome"].to_list() == [None if case.expected is None else "suppressed"]
    reason: str | None = judged["reason"].item()
    return reason


def reason_at_granting(store: Store, case: Case) -> str | None:
    plan_run(store, ["c1"], topic=case.topic)
    granted = tick(store).grants
    status = table(MessageStatus)
    with store.reading() as connection:
        state, reason = connection.execute(sa.select(status.c.state, status.c.reason)).one()
    assert state == ("sending" if granted else "suppressed")
    return None if reason is None else str(reason)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_planning_and_granting_agree(store: Store, case: Case) -> None:
    prepare(store, case)
    assert reason_at_planning(store, case) == case.expected
    assert reason_at_granting(store, case) == case.expected


def test_every_reason_is_explained() -> None:
    codes = {refusal_code(consent=word, marketing=True, suppression=None) for word in WORDS}
    assert codes == {None, "no_consent", "consent_refused", "consent_withdrawn"}
    assert {*filter(None, codes), "suppressed_address", "suppressed_domain", "unsubscribed"} <= REASONS.keys()
