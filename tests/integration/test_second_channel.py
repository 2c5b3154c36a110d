"""`channels: [email, sms]`: whom SMS takes and why, in the plan, for one person and in `validate`; by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CONFIG, account_of, deliver, start, toy_project

from automation.cli.explain_blocks import explain_blocks
from automation.cli.output import Table
from automation.cli.plan_blocks import plan_blocks
from automation.cli.validate import _blocks as validate_blocks
from automation.reporting.explain import explain
from automation.reporting.json_output.plans import plan_json
from automation.reporting.json_output.problems import validation_json
from automation.runner.plan import plan
from automation.runner.validation import validate
from automation.store.people import consent, suppressions
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import Workspace

SMS = """  sms: {using: http_sms, options: {url: "https://sms.example/v1", form: {to: "{to}", text: "{text}"}}}
"""
CAMPAIGN = """
name: toy
topic: news
schedule: {every: day 09:00}
audience: everyone
send: {channels: [email, sms], template: toy}
"""
BODY = "<p>Hello</p><a href='{{ links.unsubscribe }}'>unsubscribe</a>"
WORDS = [
    ("email", "c1", True), ("email", "c1", False),  # withdrew
    ("email", "c5", False),  # never agreed
    *(("email", customer, True) for customer in ("c3", "c4", "c6", "c7", "c8")),  # c2: no word; c7: no address
    *(("sms", customer, True) for customer in ("c1", "c2", "c3", "c5", "c7")),  # c2 has no number
]  # fmt: skip


@contextmanager
def opened(root: Path) -> Iterator[Workspace]:
    """The toy shop with two channels and these consents."""
    (root / "templates/toy").mkdir(parents=True)
    (root / "templates/toy/sms.txt").write_text("Hello. Reply STOP to end.\n")
    config = CONFIG.replace("offers:\n", f"{SMS}offers:\n").replace(
        "promotions: marketing,", "promotions: marketing, news: marketing,"
    )
    with toy_project(root, campaign=CAMPAIGN, config=config, body=BODY) as toy:
        with toy.store.transaction() as connection:
            for channel, customer, granted in WORDS:
                consent.record(
                    connection, [customer], channel=channel, topic="news", granted=granted, at=TOY_AS_OF, source="test"
                )
            suppressions.suppress(
                connection, ["chloe@example.com"], channel="email", reason="hard_bounce", source="test", now=TOY_AS_OF
            )
        yield toy


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """No run has decided."""
    with opened(tmp_path_factory.mktemp("toy")) as toy:
        yield toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, int]]:
    """A run of its own that is planned and sent."""
    with opened(tmp_path_factory.mktemp("sent")) as toy:
        number = start(toy)
        deliver(toy, make=scripted(sent))
        yield toy, number


def test_the_plan_says_how_many_and_why(toy: Workspace) -> None:
    found = plan(toy, "toy", samples=0, preflight="off")
    assert found.channels == {"email": 3, "sms": 4}
    assert found.passed_over == {
        ("sms", "email", reason): 1
        for reason in ("consent_withdrawn", "consent_refused", "suppressed_address", "no_address")
    }
    assert found.outcomes["suppressed", "no_consent"] == 1  # c2: neither channel
    (table,) = [b for b in plan_blocks(toy, found) if isinstance(b, Table) and b.title == "Channels"]
    told = "email: refused consent 1, withdrew consent 1, no address 1, address suppressed 1"
    assert table.rows == [("sms", 4, told), ("email", 3, "")]
    assert plan_json(found)["channels"] == [
        {"channel": "email", "customers": 3, "passed_over": []},
        {
            "channel": "sms",
            "customers": 4,
            "passed_over": [
                {"channel": "email", "reason": reason, "customers": 1}
                for reason in ("consent_refused", "consent_withdrawn", "no_address", "suppressed_address")
            ],
        },
    ]


def test_validate_says_whom_the_second_channel_takes(toy: Workspace) -> None:
    order = (
        "sms takes those whom email can't reach: no address or an invalid one, no consent to news on it (none on "
        "record, refused or withdrawn), or a suppressed address; each channel needs its own consent to news"
    )
    found = validate(toy.project.root)
    assert [vars(block)["text"] for block in validate_blocks(found) if order in str(block)] == [f"toy: {order}"]
    assert validation_json(found)["campaigns"] == [
        {"name": "toy", "file": "campaigns/toy.yaml", "valid": True, "channels": order}
    ]


@pytest.mark.parametrize(
    ("customer", "told"),
    [
        ("c1", "would be sent by sms, since email can't reach the customer: withdrew consent; no run has"),
        ("c3", "would be sent by sms, since email can't reach the customer: address suppressed; no run has"),
        ("c7", "would be sent by sms, since email can't reach the customer: no address; no run has"),
        ("c4", "no run has"),
        ("c2", "no channel could reach the customer (email: no consent on record; sms: no address); no run has"),
    ],
)
def test_explain_says_it_before_a_run_has_decided(toy: Workspace, customer: str, told: str) -> None:
    found = explain(toy, "toy", customer)
    assert found.decision is None
    (line,) = [str(vars(block)["text"]) for block in explain_blocks(found) if "in the audience" in str(block)]
    assert line.startswith(f"would be in the audience now; {told}")


@pytest.mark.parametrize(
    ("customer", "passed_over", "told"),
    [
        ("c1", {"email": "consent_withdrawn"}, ["email: withdrew consent"]),
        ("c3", {"email": "suppressed_address"}, ["email: address suppressed"]),
        ("c5", {"email": "consent_refused"}, ["email: refused consent"]),
        ("c7", {"email": "no_address"}, ["email: no address"]),
        ("c4", {}, []),
        ("c2", {"email": "no_consent", "sms": "no_address"}, ["email: no consent on record", "sms: no address"]),
    ],
)
def test_explain_says_it_for_one_person(
    run: tuple[Workspace, int], customer: str, passed_over: dict[str, str], told: list[str]
) -> None:
    toy, number = run
    found = explain(toy, "toy", customer)
    assert found.decision is not None
    assert found.decision.passed_over == passed_over
    facts = [row for block in explain_blocks(found) if isinstance(block, Table) for row in block.rows]
    assert [row[1] for row in facts if row[0] == "passed over"] == told
    expected = None if customer == "c2" else "sms" if passed_over else "email"
    assert (found.decision.channel, found.decision.state) == (expected, "sent" if expected else None)
    assert account_of(toy, number).sent == 7
