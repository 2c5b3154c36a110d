"""Two customer ids with one address are one recipient: in a run, across runs, and at the moment of sending."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from support.toy_project import CAMPAIGN, again, deliver, outbox, start, toy_project

from automation.clock import to_millis
from automation.inbound.shop_import import import_data
from automation.reporting.run_status import run_status
from automation.store.ledger import decisions, earlier_sends
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.workspace import Workspace

SIMPLE = CAMPAIGN.split("recommend:", maxsplit=1)[0] + "send: {channels: [email], template: toy}\n"
BODY = "<p>Hello {{ customer.first_name }}</p>"
SPELLINGS = ["ANA@Bücher.example", " ana@bücher.example ", "ana@xn--bcher-kva.example", "Ana@BÜCHER.example."]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """c1 bought, as did b1, whose address is the same, written otherwise."""
    with toy_project(tmp_path, campaign=SIMPLE.replace("{did: purchase}", "everyone"), body=BODY) as made:
        yield made


def people(workspace: Workspace, **addresses: str) -> None:
    """Only these customers, all of whom agreed."""
    warehouse = workspace.warehouse()
    known = warehouse.table("customers").select("customer_id").to_polars()["customer_id"].to_list()
    ids = sorted({*known, *addresses})
    emails = [addresses.get(customer) or f"{customer}@elsewhere.example" for customer in ids]
    names = [customer.upper() for customer in ids]
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ids, "email": emails, "first_name": names}))
    warehouse.close()
    with workspace.store.transaction() as connection:
        consent.record(
            connection, list(addresses), channel="email", topic="promotions", granted=True,
            at=TOY_AS_OF - timedelta(days=1), source="form",
        )  # fmt: skip
        others = [customer for customer in known if customer not in addresses]
        consent.record(
            connection, others, channel="email", topic="promotions", granted=False, at=TOY_AS_OF, source="the test"
        )


def reasons(workspace: Workspace, run_id: int) -> dict[str, str]:
    with workspace.store.reading() as connection:
        rows = decisions.find(connection, run_id=run_id)
        return {
            row.customer_id: (row.state == "suppressed" and row.state_reason) or row.reason
            for row in rows
            if row.reason not in ("consent_refused", "consent_withdrawn") or row.customer_id in ("c1", "b1")
        }


def sent_to(workspace: Workspace) -> list[str]:
    return [line["to"] for line in outbox(workspace)]


@pytest.mark.parametrize("spelling", SPELLINGS[:3])
def test_one_person_gets_one_message_in_a_run(workspace: Workspace, spelling: str) -> None:
    people(workspace, c1="ana@bücher.example", b1=spelling)
    run_id = start(workspace)
    deliver(workspace)
    assert sorted(reasons(workspace, run_id).values()) == ["duplicate_address", "selected"]
    assert len(sent_to(workspace)) == 1


def test_one_person_gets_a_campaign_once_across_runs(tmp_path: Path) -> None:
    once = SIMPLE.replace("{did: purchase}", "everyone") + "reentry: never\n"
    with toy_project(tmp_path, campaign=once, body=BODY) as workspace:
        people(workspace, c1="ana@x.example")
        start(workspace)
        deliver(workspace)
        people(workspace, c1="ana@x.example", b1="Ana@X.example")
        run_id = again(workspace, key="2")
        deliver(workspace)
        assert set(reasons(workspace, run_id)) == {"c1", "b1"}
        assert "selected" not in reasons(workspace, run_id).values()
        assert len(sent_to(workspace)) == 1


def test_a_send_of_the_sender_used_before_counts_for_re_entry(tmp_path: Path) -> None:
    monthly = SIMPLE.replace("{did: purchase}", "everyone") + "reentry: after 30d\n"
    with toy_project(tmp_path, campaign=monthly, body=BODY) as workspace:
        people(workspace, c1="ana@x.example", b1="ben@x.example")
        at = to_millis(TOY_AS_OF - timedelta(days=3))
        rows = [("imported:1", "", "ana@x.example", "email", "promotions", "toy", at)]
        with workspace.store.transaction() as connection:
            frame = pl.DataFrame(rows, schema=dict(earlier_sends.COLUMNS), orient="row")
            assert (
                earlier_sends.add_sends(connection, frame),
                earlier_sends.add_sends(connection, frame),
            ) == (1, 0)
        assert reasons(workspace, start(workspace)) == {"c1": "reentry", "b1": "selected"}


# Between planning and sending


def planned(workspace: Workspace) -> int:
    people(workspace, c1="ana@bücher.example")
    return start(workspace)


def withdraw(workspace: Workspace, customer: str, address: str = "", topic: str = "promotions") -> None:
    with workspace.store.transaction() as connection:
        consent.record(
            connection, [customer], channel="email", topic=topic, granted=False, at=TOY_AS_OF, source="link",
            address=address,
        )  # fmt: skip


def suppress(workspace: Workspace, address: str, **told: str) -> None:
    kept = {"channel": "email", "reason": "manual", "source": "support"} | told
    with workspace.store.transaction() as connection:
        consent.suppress(connection, [address], now=TOY_AS_OF, **kept)


def refused_with(workspace: Workspace, run_id: int) -> str:
    """The reason that the one message was stopped with; it was not sent."""
    deliver(workspace)
    assert sent_to(workspace) == []
    account = run_status(workspace, run_id).account
    assert account == Account(audience=8, suppressed=8)
    return reasons(workspace, run_id)["c1"]


def test_nothing_in_the_way_sends(workspace: Workspace) -> None:
    planned(workspace)
    deliver(workspace)
    assert sent_to(workspace) == ["ana@bücher.example"]


def test_a_withdrawal_stops_a_planned_message(workspace: Workspace) -> None:
    run_id = planned(workspace)
    withdraw(workspace, "c1")
    assert refused_with(workspace, run_id) == "consent_withdrawn"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_unsubscribe_by_another_id_of_the_address_stops_it(workspace: Workspace, spelling: str) -> None:
    run_id = planned(workspace)
    withdraw(workspace, "b1", spelling)
    assert refused_with(workspace, run_id) == "consent_refused"  # nobody with that address had agreed before


def test_an_unsubscribe_from_another_topic_stops_nothing(workspace: Workspace) -> None:
    planned(workspace)
    withdraw(workspace, "b1", "ana@bücher.example", topic="service")
    suppress(workspace, "ana@bücher.example", topic="service")
    suppress(workspace, "ana@bücher.example", channel="sms")
    suppress(workspace, "@example")
    deliver(workspace)
    assert len(sent_to(workspace)) == 1


@pytest.mark.parametrize(
    ("address", "told", "code"),
    [
        ("Ana@BÜCHER.example", {}, "suppressed_address"),
        ("ana@bücher.example", {"channel": ""}, "suppressed_address"),
        ("ana@bücher.example", {"topic": "promotions", "reason": "complaint"}, "suppressed_address"),
        ("ana@bücher.example", {"reason": "unsubscribed"}, "unsubscribed"),
        ("@xn--bcher-kva.example", {}, "suppressed_domain"),
    ],
)
def test_a_suppression_stops_a_planned_message(
    workspace: Workspace, address: str, told: dict[str, str], code: str
) -> None:
    run_id = planned(workspace)
    suppress(workspace, address, **told)
    assert refused_with(workspace, run_id) == code


def test_a_second_message_of_the_run_to_the_address_is_stopped_at_sending(workspace: Workspace) -> None:
    """Two planners at the same moment could not see each other's batch; the ledger still sends one."""
    people(workspace, c1="ana@x.example", b1="ben@x.example")
    run_id = start(workspace)
    with workspace.store.transaction() as connection:
        connection.execute(sa.text("UPDATE message SET address = 'ana@x.example', recipient = 'ana@x.example'"))
    deliver(workspace)
    assert sent_to(workspace) == ["ana@x.example"]
    assert sorted(reasons(workspace, run_id).values()) == ["duplicate_address", "selected"]


# Imports

MAPPING = """
table: customers
columns: {customer_id: id, email: mail, first_name: id}
consent: {source: the shop, email: {promotions: {column: agrees, granted: ["yes"]}}}
"""


def import_shop(workspace: Workspace, **agrees: str) -> None:
    root = workspace.project.root
    (root / "mapping.yaml").write_text(MAPPING)
    lines = [f"{customer},Ana@x.example,{word}" for customer, word in agrees.items()]
    (root / "shop.csv").write_text("\n".join(["id,mail,agrees", *lines]) + "\n")
    workspace.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]  # a ManualClock
    import_data(workspace, "customers", [root / "shop.csv"], load_mapping(root / "mapping.yaml"))


def may_get(workspace: Workspace) -> bool:
    with workspace.store.reading() as connection:
        return not consent.suppressed(connection, ["ana@X.example"], "email", "promotions")


def test_a_consent_that_the_shop_withdraws_is_withdrawn_for_every_id_of_the_address(workspace: Workspace) -> None:
    import_shop(workspace, a1="yes", a2="yes")
    assert may_get(workspace)
    import_shop(workspace, a1="yes", a2="no")
    assert not may_get(workspace)
    import_shop(workspace, a1="yes", a2="yes")
    assert may_get(workspace)


def test_a_refusal_without_an_earlier_consent_applies_to_one_id(workspace: Workspace) -> None:
    """A guest's order says no for whoever never ticked the box; it is no withdrawal."""
    import_shop(workspace, a1="yes", a2="no")
    assert may_get(workspace)


def test_an_import_does_not_override_a_persons_own_refusal(workspace: Workspace) -> None:
    import_shop(workspace, a1="yes", a2="yes")
    withdraw(workspace, "a1", "ana@x.example")
    import_shop(workspace, a1="yes", a2="yes", a3="yes")
    assert not may_get(workspace)
