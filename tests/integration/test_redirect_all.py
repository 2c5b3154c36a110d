"""Trying a shop out: redirected runs, copies for seeds, and customers for tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from support.tokens import token_of
from support.toy_project import CAMPAIGN, CONFIG, account_of, again, deliver, outbox, start, toy_project

from automation.config.project import load_project
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner.plan import plan
from automation.runner.preview import preview_versions
from automation.runner.seed_copies import send_seeds
from automation.store.ledger import decisions, mirror
from automation.types.run import Account
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.plugins import registry_of
from automation.workspace.workspace import Workspace, open_workspace

REDIRECTED = CONFIG + "testing: {redirect_all: tests@toy.example}\n"
ONCE = CAMPAIGN + "reentry: never\nlimits: {cap: 1 per 7d}\n"
VARIANTS = CAMPAIGN + "experiment: {variants: {plain: {share: 50%}, warm: {share: 50%, subject: Hello again}}}\n"


@pytest.fixture
def redirected(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path, config=REDIRECTED, campaign=ONCE) as workspace:
        yield workspace


def mails(workspace: Workspace) -> list[EmailMessage]:
    """What was written, parsed."""
    root = workspace.project.root / "var/outbox"
    read = BytesParser(EmailMessage, policy=policy.default)
    return [read.parsebytes((root / line["path"]).read_bytes()) for line in outbox(workspace)]


def reconfigured(workspace: Workspace, config: str) -> Workspace:
    """The same shop with another config.yaml, at the same time of day."""
    root = workspace.project.root
    (root / "config.yaml").write_text(config)
    return open_workspace(root, clock=workspace.clock)


def test_under_redirect_all_no_customer_gets_anything(redirected: Workspace) -> None:
    run_id = start(redirected)
    deliver(redirected)
    assert account_of(redirected, run_id) == Account(audience=6, unreachable=1, sent=5)
    assert run_status(redirected, run_id).run.test
    assert {line["to"] for line in outbox(redirected)} == {"tests@toy.example"}
    first = sorted(mails(redirected), key=lambda mail: str(mail["Subject"]))[0]
    assert (first["Subject"], first["X-Test-Customer"]) == ("[Test for c1] Hello Ana", "c1")
    with redirected.store.reading() as connection:
        (row,) = decisions.find(connection, customer_id="c1")
    assert row.message_id is not None
    real = token_of(redirected.store.secret, "unsubscribe", row.message_id)
    assert real not in first.as_string()  # the tester's click says nothing about Ana


def test_a_redirected_run_counts_for_no_cap_and_no_re_entry(redirected: Workspace) -> None:
    """Neither the cap nor re-entry: once redirecting ends, everybody still gets the real message."""
    start(redirected)
    deliver(redirected)
    with reconfigured(redirected, CONFIG) as real:
        run_id = again(real, key="2")
        deliver(real)
        assert account_of(real, run_id) == Account(audience=6, unreachable=1, sent=5)
        assert not run_status(real, run_id).run.test
        with real.store.reading() as connection:
            assert mirror.read_decisions(connection)["run_id"].unique().to_list() == ["2"]


def test_what_was_promised_before_waits_until_redirecting_ends(tmp_path: Path) -> None:
    with toy_project(tmp_path) as real:
        run_id = start(real)
        with reconfigured(real, REDIRECTED) as testing:
            deliver(testing)
            assert account_of(testing, run_id) == Account(audience=6, unreachable=1, queued=5)
            assert list(outbox(testing)) == []
        with reconfigured(real, CONFIG) as back:
            deliver(back, after=timedelta(minutes=5))
            assert account_of(back, run_id).sent == 5


def test_what_was_planned_redirected_never_reaches_a_customer(redirected: Workspace) -> None:
    run_id = start(redirected)
    with reconfigured(redirected, CONFIG) as real:
        deliver(real)
        assert account_of(real, run_id) == Account(audience=6, unreachable=1, failed=5)
        assert list(outbox(real)) == []
        settled = explain(real, "toy", "c1").decision
        assert settled is not None
        assert settled.state_reason == "can't be rendered: it was planned under redirect_all, which is no longer set"


def test_seeds_get_one_copy_of_each_variant_and_language(tmp_path: Path) -> None:
    config = CONFIG + "testing: {seeds: [seed1@toy.example, seed2@toy.example]}\n"
    campaign = VARIANTS.replace("template: toy", "template: toy, language: {use: customer.language, otherwise: en}")
    (tmp_path / "templates/toy").mkdir(parents=True)
    (tmp_path / "templates/toy/de.yaml").write_text("subject: Hallo {{ customer.first_name }}\n")
    with toy_project(tmp_path, config=config, campaign=campaign) as toy:
        run_id = start(toy)
        pinned = LaunchedCampaigns(toy.project)
        with toy.store.reading() as connection:
            rows = [row for row in decisions.find(connection, run_id=run_id) if row.message_id]
        versions = {(row.variant, str(row.context["language"])) for row in rows}
        assert send_seeds(toy, pinned, run_id) == 2 * len(versions)
        assert send_seeds(toy, pinned, run_id) == 0
        copies = mails(toy)
        assert sorted(str(mail["To"]) for mail in copies) == sorted(
            ["seed1@toy.example", "seed2@toy.example"] * len(versions)
        )
        assert {str(mail["X-Seed-Of"]) for mail in copies} == {f"toy/1/{v}/{language}" for v, language in versions}
        codes = {row.coupon for row in rows if row.coupon}
        assert not any(code in mail.as_string() for code in codes for mail in copies)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
        deliver(toy)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
        with toy.store.reading() as connection:
            assert {row[0] for row in connection.exec_driver_sql("SELECT verdict FROM seed")} == {"sent"}
            assert connection.exec_driver_sql("SELECT count(*) FROM cap_entry").scalar() == 5


def test_customers_for_tests_are_in_no_audience(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=CONFIG + "testing: {customers: [c1, c2]}\n") as toy:
        assert plan(toy, "toy").audience == 4
        run_id = start(toy)
        assert account_of(toy, run_id) == Account(audience=4, unreachable=1, queued=3)


def test_every_version_of_a_message(tmp_path: Path) -> None:
    (tmp_path / "templates/toy").mkdir(parents=True)
    (tmp_path / "templates/toy/de.yaml").write_text("subject: Hallo {{ customer.first_name }}\n")
    with toy_project(tmp_path, campaign=VARIANTS) as toy:
        shown = [(s.variant, s.rendered and s.rendered.language, s.rendered and s.rendered.subject)
                 for s in preview_versions(toy, "toy", "c1")]  # fmt: skip
    assert shown == [
        ("plain", "de", "Hallo Ana"), ("plain", "en", "Hello Ana"),
        ("warm", "de", "Hello again"), ("warm", "en", "Hello again"),
    ]  # fmt: skip


def test_testing_is_refused_where_it_makes_no_sense(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "testing: {redirect_all: nobody, seeds: seed@toy.example}\n")
    with pytest.raises(Exception, match="redirect_all") as refused:
        load_project(tmp_path, registry_of(tmp_path))
    assert str(refused.value).splitlines() == [
        "config.yaml:11:25: testing.redirect_all: 'nobody' is not an e-mail address",
        "config.yaml:11:40: testing.seeds: must be a list; write [seed@toy.example]",
    ]
