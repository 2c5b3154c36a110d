"""What another tool exported is imported whole: suppressions, consents and sends, none lost and none counted twice."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from support.migration_file import take
from support.toy_project import CAMPAIGN, CONFIG, start, toy_project

from automation.errors import ConfigurationError, SourceError
from automation.inbound.migration.migrate import MigrationReport
from automation.store.ledger import decisions
from automation.store.people import consent, double_opt_in, migration, suppressions
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.schema import MigrationTable
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.workspace import Workspace, open_workspace

KLAVIYO = """\
Email,Klaviyo ID,First Name,Phone Number,Source,Email Marketing Consent,Email Marketing Consent Timestamp,\
SMS Marketing Consent,SMS Marketing Consent Timestamp,Email Suppressions,Email Suppressions Timestamp
Ana@Example.com,K1,Ana,+351 210 000 001,Footer form,SUBSCRIBED,2025-05-01T10:00:00+00:00,UNSUBSCRIBED,2025-06-01,,
ben@example.com,K2,Ben,,Checkout,UNSUBSCRIBED,2025-06-01 10:00:00,,,,
dead@example.com,K3,,,,NEVER_SUBSCRIBED,,,,"[""HARD_BOUNCE""]",2024-02-21T20:07:38+00:00
spam@example.com,K4,,,,SUBSCRIBED,2023-01-01,,,SPAM_COMPLAINT,2024-03-01 08:00
nobody at all,K5,,,,SUBSCRIBED,2025-01-01,,,USER_SUPPRESSED,2025-01-01
hana@example.com,K6,Hana,,,SUBSCRIBED,,,,,
dev@example.com,K7,Dev,,,SUBSCRIBED,yesterday,,,,
eve@example.com,K8,Eve,,,MAYBE,2025-01-01,,,,
"""
BRAZE = """\
user_id,first_name,last_name,email,unsubscribed_from_emails_at,opted_in_to_emails_at,user_aliases
c1,Ana,Silva,ana@example.com,,2025-05-01 10:00:00 UTC,
c2,Ben,Berg,BEN@example.com,2025-06-01T10:00:00Z,2024-01-01T00:00:00Z,
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    config = CONFIG.replace("promotions: marketing,", "promotions: marketing, newsletter: marketing,").replace(
        "offers:", "  sms: {using: file_sms, options: {folder: var/outbox}}\noffers:"
    )
    with toy_project(tmp_path, config=config) as made:
        made.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]  # a ManualClock
        with made.store.transaction() as connection:
            for table in ("consent", "consent_record", "migration"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        yield made


def listed(workspace: Workspace) -> set[tuple[str, str, str, str]]:
    with workspace.store.reading() as connection:
        return {(s.address, s.channel, s.topic, s.reason) for s in suppressions.list_rows(connection)}


def records(workspace: Workspace, *customers: str) -> list[tuple[object, ...]]:
    with workspace.store.reading() as connection:
        return [
            (w.customer_id, w.channel, w.topic, w.granted, w.at, w.source, w.method)
            for w in consent.history(connection, customers)
        ]


def quarantined(report: MigrationReport) -> list[tuple[str, str, str, str]]:
    assert report.quarantine_file is not None
    with report.quarantine_file.open() as stream:
        return [(row["row"], row["column"], row["reason"], row["value"]) for row in csv.DictReader(stream)]


# Klaviyo and Braze


def test_klaviyos_suppressions(workspace: Workspace) -> None:
    report = take(workspace, "suppressions", KLAVIYO, "klaviyo")
    assert (report.lines, report.used, report.left_out, report.quarantined) == (8, 4, 3, 1)
    assert quarantined(report) == [("5", "address", "is not an e-mail address", "nobody at all")]
    assert listed(workspace) == {
        ("+351210000001", "sms", "promotions", "unsubscribed"),
        ("+351210000001", "sms", "newsletter", "unsubscribed"),
        ("ben@example.com", "email", "promotions", "unsubscribed"),
        ("ben@example.com", "email", "newsletter", "unsubscribed"),
        ("dead@example.com", "email", "", "hard_bounce"),
        ("spam@example.com", "email", "", "complaint"),
    }
    with workspace.store.reading() as connection:
        (dead,) = suppressions.list_rows(connection, address="dead@example.com")
    assert (dead.at, dead.source) == (datetime(2024, 2, 21, 20, 7, 38, tzinfo=UTC), "import: klaviyo")


def test_klaviyos_consents_with_their_proof(workspace: Workspace) -> None:
    report = take(workspace, "consents", KLAVIYO, "klaviyo", topics=["newsletter"])
    assert (report.lines, report.used, report.left_out, report.quarantined) == (8, 2, 1, 5)
    at, no = datetime(2025, 5, 1, 10, tzinfo=UTC), datetime(2025, 5, 31, 22, tzinfo=UTC)  # midnight in Berlin
    assert records(workspace, "c1") == [
        ("c1", "email", "newsletter", True, at, "klaviyo", "imported: Footer form"),
        ("c1", "sms", "newsletter", False, no, "klaviyo", "imported: Footer form"),
    ]
    assert records(workspace, "c2") == [
        ("c2", "email", "newsletter", False, datetime(2025, 6, 1, 8, tzinfo=UTC), "klaviyo", "imported: Checkout")
    ]
    assert sorted(quarantined(report)) == [
        ("4", "address", "no customer has this address: import customers first, then this file again",
         "spam@example.com"),
        ("5", "address", "is not an e-mail address", "nobody at all"),
        ("6", "at", "is empty: a consent needs the time it was given as its proof", ""),
        ("7", "at", "is not a time such as 2024-12-31 18:00:00 or 1735668000", "yesterday"),
        ("8", "granted", "is neither yes nor no", "MAYBE"),
    ]  # fmt: skip


def test_brazes_export(workspace: Workspace) -> None:
    assert take(workspace, "suppressions", BRAZE, "braze").used == 1
    report = take(workspace, "consents", BRAZE, "braze", topics=["promotions"])
    assert (report.used, report.added) == (2, 3)
    assert [(row[0], row[3], row[4]) for row in records(workspace, "c1", "c2")] == [
        ("c2", True, datetime(2024, 1, 1, tzinfo=UTC)),
        ("c1", True, datetime(2025, 5, 1, 10, tzinfo=UTC)),
        ("c2", False, datetime(2025, 6, 1, 10, tzinfo=UTC)),
    ]
    assert ("ben@example.com", "email", "promotions", "unsubscribed") in listed(workspace)


@pytest.mark.parametrize(("kind", "mapping"), [("suppressions", "klaviyo"), ("consents", "klaviyo")])
def test_a_repeat_changes_nothing(workspace: Workspace, kind: MigrationTable, mapping: str) -> None:
    first = take(workspace, kind, KLAVIYO, mapping)
    before = (listed(workspace), records(workspace, "c1", "c2", "c8"))
    again = take(workspace, kind, KLAVIYO, mapping)
    assert first.added > 0
    assert again.added == 0
    assert (again.used, again.quarantined, again.left_out) == (first.used, first.quarantined, first.left_out)
    assert (listed(workspace), records(workspace, "c1", "c2", "c8")) == before


def test_klaviyo_has_no_file_of_sends(workspace: Workspace) -> None:
    with pytest.raises(SourceError, match="the mapping klaviyo is for consents, suppressions, not for sends"):
        take(workspace, "sends", KLAVIYO, "klaviyo")


def test_a_file_without_the_columns_is_refused_whole(workspace: Workspace) -> None:
    with pytest.raises(SourceError, match=r"needs columns that the file doesn't have: 'email'.*it has 'Email'"):
        take(workspace, "suppressions", "Email,Reason\na@x.example,\n", "braze")
    with workspace.store.reading() as connection:
        assert not migration.is_migrated(connection)


# Files of one's own


def test_a_plain_list(workspace: Workspace) -> None:
    text = (
        "address,channel,topic,reason\nA@x.example,,,\n@Spam.example,email,newsletter,manual\nb@x.example,email,nws,\n"
    )
    report = take(workspace, "suppressions", text + "to be done,,,\n")
    assert sorted(quarantined(report)) == [
        ("3", "topic", "is not a topic of config.yaml: promotions, newsletter, service", "nws"),
        ("4", "address", "is neither an e-mail address nor a number", "to be done"),
    ]
    assert listed(workspace) == {
        ("a@x.example", "", "", "imported"),
        ("@spam.example", "email", "newsletter", "manual"),
    }


def test_a_withdrawal_of_an_unknown_address_is_kept_for_later_customers(workspace: Workspace) -> None:
    text = "address,channel,granted,at\nlater@x.example,email,no,2025-01-01\nlater@x.example,email,yes,2024-01-01\n"
    report = take(workspace, "consents", text, topics=["promotions"])
    assert report.quarantined == 1
    assert listed(workspace) == {("later@x.example", "email", "promotions", "refused")}  # its yes is of nobody


def test_consents_of_a_topic_with_double_opt_in_wait_unless_they_were_confirmed(tmp_path: Path) -> None:
    asked = "consent: {double_opt_in: {promotions: {template: a, topic: service}}}\n"
    double = f"links: {{base_url: 'https://x.example'}}\n{asked}"
    text = "address,channel,granted,at\nana@example.com,email,yes,2025-01-01\n"
    with toy_project(tmp_path, config=CONFIG + double) as workspace:
        with workspace.store.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM consent")
        report = take(workspace, "consents", text)
        assert (report.added, report.pending) == (0, 1)
        with workspace.store.reading() as connection:
            assert [one.customer_id for one in double_opt_in.unconfirmed_requests(connection)] == ["c1"]
        assert take(workspace, "consents", text, confirmed=True).added == 1
        assert records(workspace, "c1")[0][-1] == "imported, confirmed there"
        with workspace.store.reading() as connection:
            assert double_opt_in.unconfirmed_requests(connection) == []


def test_recent_sends_count_under_the_cap(workspace: Workspace) -> None:
    day = TOY_AS_OF.date()
    text = f"address,channel,campaign,at\nANA@example.com,email,spring,{day}T08:00:00Z\n,email,x,{day}\n"
    report = take(workspace, "sends", text)
    assert (report.used, report.added, report.quarantined) == (1, 1, 1)
    assert take(workspace, "sends", text).added == 0
    capped = CAMPAIGN + "limits: {cap: 1 per 7d}\n"
    (workspace.project.root / "campaigns/toy.yaml").write_text(capped)
    with open_workspace(workspace.project.root, clock=workspace.clock) as reopened:
        with reopened.store.transaction() as connection:
            consent.record(connection, ["c1", "c2"], channel="email", topic="promotions", granted=True, at=TOY_AS_OF,
                           source="test")  # fmt: skip
        run_id = start(reopened)
        with reopened.store.reading() as connection:
            found = {row.customer_id: row.reason for row in decisions.find(connection, run_id=run_id)}
    assert (found["c1"], found["c2"]) == ("frequency_cap", "selected")


def test_a_mapping_of_ones_own_and_what_is_wrong_with_one(workspace: Workspace) -> None:
    path = workspace.project.root / "their.yaml"
    path.write_text(
        "table: suppressions\n"
        "columns:\n"
        "  address: mail\n"
        "  channel: {constant: email}\n"
        "  reason: {column: why, lower: true, values: {b: hard_bounce}, otherwise: manual}\n"
    )
    text = "mail,why\na@x.example,B\nb@x.example,?\n"
    take(workspace, "suppressions", text, str(path))
    assert {(row[0], row[3]) for row in listed(workspace)} == {
        ("a@x.example", "hard_bounce"),
        ("b@x.example", "manual"),
    }
    path.write_text("table: suppressions\ncolumns: {adress: mail}\n")
    with pytest.raises(ConfigurationError, match=r"their\.yaml:1:1: columns: suppressions need address"):
        load_mapping(path)
    path.write_text("table: suppressions\ncolumns: {address: mail, raeson: why}\n")
    with pytest.raises(ConfigurationError, match=r"suppressions have no 'raeson' \(did you mean 'reason'\?\)"):
        load_mapping(path)


def test_a_mapping_of_consents_skips_rows_and_reads_times_as_any_import_does(workspace: Workspace) -> None:
    path = workspace.project.root / "their.yaml"
    path.write_text(
        "table: consents\n"
        "times: ['%d.%m.%Y %H:%M']\n"
        "skip: [{column: Newsletter, in: [offen], reason: not answered}]\n"
        "columns:\n"
        "  address: {first: [Mail, Mail 2]}\n"
        "  channel: {constant: email}\n"
        "  topic: {constant: newsletter}\n"
        "  granted: {column: Newsletter, values: {ja: true, nein: false}}\n"
        "  at: Seit\n"
    )
    text = "Mail,Newsletter,Seit\nana@example.com,ja,31.12.2024 18:00\nben@example.com,offen,\nben@example.com,x,\n"
    report = take(workspace, "consents", text, str(path))
    assert (report.used, report.left_out, report.quarantined) == (1, 1, 1)
    assert quarantined(report) == [("3", "granted", "is neither yes nor no", "x")]
    at = datetime(2024, 12, 31, 17, tzinfo=UTC)  # 18:00 in Berlin
    assert records(workspace, "c1") == [("c1", "email", "newsletter", True, at, "import", "imported")]


def test_seconds_since_1970_are_a_time(workspace: Workspace) -> None:
    text = "address,channel,granted,at\nana@example.com,email,yes,1735668000\n"
    take(workspace, "consents", text, topics=["newsletter"])
    assert [record[4] for record in records(workspace, "c1")] == [datetime(2024, 12, 31, 18, tzinfo=UTC)]


def test_a_topic_that_config_does_not_have(workspace: Workspace) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.yaml has no topic 'news'; it has: promotions, newsletter"):
        take(workspace, "consents", BRAZE, "braze", topics=["news"])


def test_a_hundred_thousand_suppressions_in_batches(workspace: Workspace) -> None:
    frame = pl.DataFrame({"address": [f"a{n}@x.example" for n in range(100_000)]})
    statements: list[object] = []
    sa.event.listen(workspace.store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    report = take(workspace, "suppressions", frame.write_csv())
    assert len(statements) < 1_000  # not one a row
    assert (report.added, len(listed(workspace))) == (100_000, 100_000)
    with workspace.store.reading() as connection:
        assert len(consent.suppressed(connection, ["A7@x.example", "b@x.example"], "email", "promotions")) == 1
