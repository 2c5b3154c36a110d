"""`automation consent`: what was said, by hand and with proof, and the suppression list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.json_commands import Run, json_commands
from support.project import write_project

from automation.cli.main import main
from automation.reporting.json_output.description import JSON_OUTPUT
from automation.workspace.workspace import open_workspace

PEOPLE = {
    "customer_id": ["c1", "c2", "c3"],
    "email": ["ana@bücher.example", "Ana@BÜCHER.example", "ben@x.example"],
    "phone": ["+4930123456", None, None],
    "first_name": ["Ana", "Ana", "Ben"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = write_project(tmp_path / "shop")
    text = (made / "config.yaml").read_text().replace("promotions: marketing", "promotions: marketing, news: marketing")
    sms = "channels:\n  sms: {using: file_sms, options: {folder: var/outbox}}"
    (made / "config.yaml").write_text(text.replace("channels:", sms))
    with open_workspace(made) as workspace:
        warehouse = workspace.warehouse()
        warehouse.upsert("customers", pl.DataFrame(PEOPLE))
        warehouse.close()
    return made


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls a command; returns what it printed as JSON, which has the documented keys."""

    def check(arguments: tuple[str, ...], found: Any) -> None:
        assert list(found) == list(JSON_OUTPUT["error" if "error" in found else form(arguments)])

    return json_commands(root, capsys, monkeypatch, check)


def form(arguments: tuple[str, ...]) -> str:
    names = {"withdraw": "grant", "consents": "suppressions"}
    words = [names.get(word, word) for word in arguments[:3] if not word.startswith("-")]
    long = " ".join(words)
    if long == "consent suppressions import":
        return "import suppressions"
    return long if long in JSON_OUTPUT else " ".join(words[:2])


def test_a_consent_set_by_hand_holds_for_every_id_of_the_address_and_is_recorded(run: Run) -> None:
    granted = run("consent", "grant", "ANA@xn--bcher-kva.example", "--topic", "promotions", "--source", "phone, 3 May",
                  "--text-version", "2026-05")  # fmt: skip
    assert granted == {"customers": ["c1", "c2"], "channel": "email", "topics": ["promotions"], "granted": True,
                       "recorded": 2}  # fmt: skip
    run("consent", "withdraw", "c2", "--topic", "promotions", "--topic", "news", "--source", "letter")
    found = run("consent", "show", "c1")
    assert found["customers"] == ["c1", "c2"]
    assert found["addresses"] == {"ana@xn--bcher-kva.example": "email", "+4930123456": "phone"}
    assert [(w["customer_id"], w["topic"], w["granted"], w["source"], w["method"]) for w in found["records"]] == [
        ("c1", "promotions", True, "phone, 3 May", "by hand"),
        ("c2", "promotions", True, "phone, 3 May", "by hand"),
        ("c2", "promotions", False, "letter", "by hand"),
        ("c2", "news", False, "letter", "by hand"),
        ("c1", "promotions", False, "letter", "by hand"),
        ("c1", "news", False, "letter", "by hand"),
    ]
    assert [w["text_version"] for w in found["records"]][:2] == ["2026-05", "2026-05"]
    assert {row["topic"] for row in found["suppressions"]} == {"promotions", "news"}


def test_by_phone(run: Run) -> None:
    found = run("consent", "grant", "+49 (0)30 123456", "--channel", "sms", "--topic", "news", "--source", "SMS")
    assert found["customers"] == ["c1", "c2"]
    assert run("consent", "show", "c1")["records"][0]["address"] == "+4930123456"


def test_the_suppression_list_by_hand(run: Run) -> None:
    assert run("consent", "suppressions", "add", " Ben@X.example", "@spam.example", "--topic", "news")["added"] == 2
    assert run("consent", "suppressions", "add", "ben@x.example", "--topic", "news")["added"] == 0
    (row,) = run("consent", "suppressions", "list", "BEN@x.example")["suppressions"]
    assert (row["channel"], row["topic"], row["reason"]) == ("", "news", "manual")
    assert row["source"].startswith("by hand, ")
    assert len(run("consent", "suppressions", "list")["suppressions"]) == 2
    assert run("consent", "suppressions", "remove", "ben@x.example", "--topic", "promotions")["removed"] == 0
    assert run("consent", "suppressions", "remove", "ben@x.example")["removed"] == 1
    assert [r["address"] for r in run("consent", "suppressions", "list")["suppressions"]] == ["@spam.example"]


def test_an_export_is_the_proof_and_can_be_imported_again(run: Run, root: Path) -> None:
    run("consent", "grant", "c3", "--topic", "news", "--source", "=cmd()")
    assert run("consent", "export")["records"][0]["source"] == "=cmd()"
    assert run("consent", "export", "--to", "proof.csv") == {"file": str(root / "proof.csv"), "records": 1}
    assert "'=cmd()" in (root / "proof.csv").read_text()
    again = run("import", "consents", "proof.csv")
    assert (again["used"], again["added"]) == (1, 0)


def test_a_list_is_imported_either_way(run: Run, root: Path) -> None:
    (root / "list.csv").write_text("address\na@x.example\n")
    assert run("consent", "suppressions", "import", "list.csv")["added"] == 1
    assert run("import", "suppressions", "list.csv")["added"] == 0


def test_nothing_waits_without_double_opt_in(run: Run) -> None:
    assert run("consent", "pending") == {"pending": []}
    assert run("consent", "ask") == {"runs": [], "asked": 0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grant", "c1", "--source", "x"], "by hand needs --topic NAME: automation consent grant c1 --topic"),
        (["grant", "c1", "--topic", "news"], "by hand needs --source TEXT: automation consent grant c1 --so"),
        (["withdraw", "c1", "--topic", "new", "--source", "x"],
         "config.yaml has no topic 'new'; it has: promotions, news"),
        (["grant", "c1", "--topic", "news", "--source", "x", "--channel", "fax"],
         "config.yaml has no channel 'fax'; it has: sms, email"),
        (["show"], "name the person: automation consent show CUSTOMER|ADDRESS"),
        (["suppressions", "drop"], "there is no `suppressions drop`; use one of list, add, remove, import"),
        (["suppressions", "add"], "name the address: automation consent suppressions add ADDRESS|@DOMAIN"),
        (["suppressions", "add", "a@x.example", "--reason", "bored"],
         "'bored' is not a reason; use one of hard_bounce, complaint, unsubscribed, withdrawn, refused, dead_token"),
        (["suppressions", "import", "none.csv"], "none.csv: there is no such file"),
        (["suppressions", "import", "config.yaml", "--mapping", "mailchimp"],
         "mailchimp: there is no such mapping file; presets: shopify, woocommerce, klaviyo, braze, plain"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_explained(run: Run, arguments: list[str], told: str) -> None:
    assert told in run("consent", *arguments, ends=2)["error"]["message"]


def test_an_unknown_address_is_an_error_that_says_so(run: Run) -> None:
    message = run("consent", "show", "eve@x.example", ends=1)["error"]["message"]
    assert message.startswith("there is no customer with the id or address 'eve@x.example', and nothing is on record")


def test_a_stranger_on_the_list_is_shown_to_a_program_with_every_key(run: Run) -> None:
    run("consent", "suppressions", "add", "eve@x.example")
    found = run("customers", "show", "eve@x.example")
    assert (found["customer_id"], [moment["what"] for moment in found["timeline"]]) == (None, ["suppressed"])


def test_the_view_of_a_customer_is_readable(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("consent", "suppressions", "add", "ben@x.example", "--reason", "complaint", "--source", "by phone")
    assert main(["consent", "show", "c3"]) == 0
    told = capsys.readouterr().out
    assert "c3, ben@x.example" in told
    assert "no consent on record" in told
    assert "ben@x.example  every    every  complaint" in told
