"""Every command over a small project: what it prints for programs, what it ends with, what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.json_commands import Run, json_commands
from support.project import CAMPAIGN, write_project

from automation.cli.commands import COMMANDS
from automation.reporting.json_output.description import JSON_OUTPUT

MAPPING = """
table: customers
columns: {customer_id: id, email: mail, first_name: name}
consent: {source: sign-up form, email: {promotions: granted}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = write_project(tmp_path / "shop")
    lines = ["id,mail,name", *(f"c{n},c{n}@toy.example,Name{n}" for n in range(20)), ",nobody@toy.example,Nobody"]
    (made / "customers.csv").write_text("\n".join(lines) + "\n")
    (made / "mapping.yaml").write_text(MAPPING)
    return made


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls a command; returns what it printed as JSON, after checking what it ended with."""

    def check(arguments: tuple[str, ...], found: Any) -> None:
        if arguments[0] != "schema":
            assert list(found) == list(JSON_OUTPUT["error" if list(found) == ["error"] else form(arguments)])

    return json_commands(root, capsys, monkeypatch, check)


def form(arguments: tuple[str, ...]) -> str:
    """Which entry of `JSON_OUTPUT` describes a call."""
    command, *rest = arguments
    if command in ("plugins", "profiles", "customers"):
        return f"{command} {rest[0]}"
    if command == "status" and rest and rest[0].isdecimal():
        return "status RUN"
    return "train --list" if command == "train" and "--list" in rest else command


def test_the_output_of_every_command_but_two_is_described() -> None:
    """`daemon` prints nothing, and `schema` a JSON Schema."""
    assert {name.split()[0] for name in JSON_OUTPUT} - {"error"} == {c.name for c in COMMANDS} - {"daemon", "schema"}


@pytest.fixture
def filled(run: Run) -> Run:
    run("import", "customers", "customers.csv", "--mapping", "mapping.yaml")
    return run


def test_import_counts_every_row_and_repeats_change_nothing(run: Run, root: Path) -> None:
    first = run("import", "customers", "customers.csv", "--mapping", "mapping.yaml")
    assert {name: first[name] for name in ("rows", "added", "unchanged", "quarantined")} == {
        "rows": 21,
        "added": 20,
        "unchanged": 0,
        "quarantined": 1,
    }
    assert "nobody@toy.example" in Path(first["quarantine_file"]).read_text()
    again = run("import", "customers", "customers.csv", "--mapping", "mapping.yaml")
    assert (again["added"], again["unchanged"]) == (0, 20)


def test_import_needs_a_mapping(run: Run) -> None:
    told = run("import", "customers", "customers.csv", ends=2)
    assert told["error"]["message"] == (
        "a mapping of the columns is needed: --mapping FILE, or --preset shopify|woocommerce"
    )


def test_a_customers_own_refusal_outranks_a_later_import(filled: Run, root: Path) -> None:
    from datetime import UTC, datetime

    from automation.store.people import consent
    from automation.workspace.workspace import open_workspace

    with open_workspace(root) as workspace, workspace.store.transaction() as connection:
        consent.record(
            connection, ["c3"], channel="email", topic="promotions", granted=False,
            at=datetime(2030, 1, 1, tzinfo=UTC), source="unsubscribe link",
        )  # fmt: skip
    filled("import", "customers", "customers.csv", "--mapping", "mapping.yaml")
    outcomes = {o["reason"]: o["customers"] for o in filled("plan", "hello")["outcomes"]}
    assert sorted(outcomes.values()) == [1, 19]
    assert outcomes["selected"] == 19


def test_a_refusal_from_the_same_source_withdraws_its_consent(filled: Run, root: Path) -> None:
    (root / "mapping.yaml").write_text(MAPPING.replace("granted", "refused"))
    filled("import", "customers", "customers.csv", "--mapping", "mapping.yaml")
    assert "selected" not in {o["reason"] for o in filled("plan", "hello")["outcomes"]}


def test_plan_writes_nothing_down_and_shows_messages(filled: Run, root: Path) -> None:
    plan = filled("plan", "hello", "--samples", "2")
    assert plan["audience"] == 20
    assert plan["outcomes"] == [{"outcome": "message", "reason": "selected", "customers": 20}]
    assert [sample["rendered"]["subject"] for sample in plan["samples"]] == ["Hello", "Hello"]
    assert plan["entering"] is None
    assert not (root / "var" / "outbox").exists()
    assert filled("status")["runs"] == []


def test_launch_run_and_status_agree(filled: Run) -> None:
    assert "is not launched" in filled("run", "hello", ends=1)["error"]["message"]
    launched = filled("launch", "hello", "--yes")
    assert launched["next_due"] is not None
    first = filled("run", "hello", "--request", "a")
    assert (first["new"], first["state"], first["adds_up"]) == (True, "done", True)
    assert first["account"]["sent"] == first["account"]["audience"] == 20
    again = filled("run", "hello", "--request", "a")
    assert (again["new"], again["id"]) == (False, first["id"])
    status = filled("status")
    assert [(c["name"], c["state"]) for c in status["campaigns"]] == [("hello", "launched")]
    assert [run["id"] for run in status["runs"]] == [first["id"]]
    assert not status["daemon"]["alive"]
    assert filled("status", str(first["id"]))["account"] == first["account"]
    plan = filled("plan", "hello")
    assert (plan["entering"], plan["leaving"]) == (0, 0)


def test_launch_asks_unless_told_not_to(filled: Run) -> None:
    told = filled("launch", "hello", ends=1)["error"]["message"]
    assert told == "nobody can be asked here; to launch without a question: automation launch hello --yes"


def test_an_edit_shows_as_changed_since_launch(filled: Run, root: Path) -> None:
    filled("launch", "hello", "--yes")
    (root / "campaigns" / "hello.yaml").write_text(CAMPAIGN % ("hello", "every: day 10:00"))
    assert filled("status")["campaigns"][0]["state"] == "changed since launch"


def test_stop_and_resume(filled: Run) -> None:
    filled("launch", "hello", "--yes")
    assert filled("stop", "hello") == {"stopped": "hello", "unread": []}
    assert filled("status")["campaigns"][0]["state"] == "stopped"
    assert "was stopped by" in filled("run", "hello", ends=1)["error"]["message"]
    assert filled("resume", "hello") == {"resumed": "hello", "was_stopped": True, "unread": []}
    assert filled("run", "hello")["state"] == "done"
    assert filled("stop", "--all") == {"stopped": "*", "unread": []}
    assert "everything was stopped" in filled("run", "hello", ends=1)["error"]["message"]
    assert "name what to stop" in filled("stop", ends=2)["error"]["message"]
    assert "there is no campaign 'hallo'" in filled("stop", "hallo", ends=1)["error"]["message"]


def test_preview_and_test_send_leave_the_ledger_alone(filled: Run, root: Path) -> None:
    page = root / "page.html"
    shown = filled("preview", "hello", "--customer", "c7", "--output", str(page))
    assert shown["message"]["to"] == "c7@toy.example"
    assert "Hello Name7" in shown["message"]["text"]
    assert "Hello Name7" in page.read_text()
    sent = filled("test-send", "hello", "--customer", "c7", "--to", "me@agency.example")
    assert sent["verdict"] == "sent"
    (line,) = (root / "var" / "outbox" / "messages.jsonl").read_text().splitlines()
    assert (json.loads(line)["to"], json.loads(line)["subject"]) == ("me@agency.example", "[Test] Hello")
    assert filled("status")["runs"] == []
    assert (
        "there is no customer with the id or address 'c99'"
        in filled("preview", "hello", "--customer", "c99", ends=1)["error"]["message"]
    )
    told = filled("test-send", "hello", "--customer", "c7", "--to", "nobody", ends=1)["error"]["message"]
    assert told.startswith("the email channel answered failed")


def test_explain_tells_the_decision_and_before_it_the_rules(filled: Run) -> None:
    before = filled("explain", "hello", "c7")
    assert before["decision"] is None
    assert before["member"]
    filled("launch", "hello", "--yes")
    run = filled("run", "hello")
    after = filled("explain", "hello", "c7")
    assert (after["run"], after["decision"]["outcome"], after["decision"]["state"]) == (run["id"], "message", "sent")
    assert (after["decision"]["step"], after["decision"]["visit"]) == ("send", 0)


def test_validate_names_the_invalid_and_the_valid(run: Run, root: Path) -> None:
    assert run("validate")["valid"]
    (root / "campaigns" / "broken.yaml").write_text("name: broken\ntopic: promotion\n")
    found = run("validate", ends=2)
    assert [(c["name"], c["valid"]) for c in found["campaigns"]] == [("broken", False), ("hello", True)]
    assert {(p["file"], p["severity"]) for p in found["problems"]} == {("campaigns/broken.yaml", "error")}


def test_validate_runs_expectations_and_checks_templates(run: Run, root: Path) -> None:
    text = CAMPAIGN % ("hello", "every: 15m") + (
        "expect:\n  - {customer: {country: DE}, today: 2026-06-01, outcome: not_in_audience}\n"
    )
    (root / "campaigns" / "hello.yaml").write_text(text)
    (root / "templates" / "hello" / "email.html").write_text("<p>{{ customr.first_name }}</p>")
    places = [(p["file"], p["line"]) for p in run("validate", ends=2)["problems"]]
    assert places == [("campaigns/hello.yaml", 8), ("templates/hello/email.html", 1)]


def test_validate_tells_a_broken_config_without_a_traceback(run: Run, root: Path) -> None:
    (root / "config.yaml").write_text("shop: {name: Toy, timezone: Berlin}\n")
    found = run("validate", ends=2)
    assert ("config.yaml", 1, "error") in {(p["file"], p["line"], p["severity"]) for p in found["problems"]}


def test_plugins_are_listed_with_what_they_contribute(run: Run, root: Path) -> None:
    (root / "plugins" / "extra.py").write_text("")
    (root / "config.yaml").write_text((root / "config.yaml").read_text() + "plugins: {disable: [popular]}\n")
    found = run("plugins", "list")
    by_name = {plugin["name"]: plugin for plugin in found["plugins"]}
    assert "channel file" in by_name["email"]["contributes"]
    assert (by_name["extra"]["origin"], by_name["extra"]["contributes"]) == ("project", [])
    assert found["disabled"] == ["popular"]
    assert "popular" not in by_name


def test_plugins_check_names_what_breaks_the_contract(run: Run, root: Path) -> None:
    (root / "bad.py").write_text(
        "from automation import contracts\n"
        "from automation.hookspecs import hookimpl\n"
        "class Mine:\n"
        "    kind = 'mail'\n"
        "    class Options(contracts.Options): pass\n"
        "    def __init__(self, options): raise RuntimeError('no')\n"
        "    async def deliver(self, letters, hand_over): yield\n"
        "    async def close(self): ...\n"
        "@hookimpl\n"
        "def register_channels(register): register('mine', Mine)\n"
    )
    assert run("plugins", "check", "bad.py", ends=2)["problems"] == [
        "channel 'mine': deliver() lacks the parameter messages",
        "channel 'mine': its kind is 'mail'; it must be one of email, phone, push, customer",
        "channel 'mine': it can't be created with its default options: RuntimeError: no",
    ]
    assert run("plugins", "check", "surprise")["problems"] == []
    assert "there is no plugin 'weather'" in run("plugins", "check", "weather", ends=2)["error"]["message"]


def test_schema_is_a_json_schema_with_the_projects_names(run: Run) -> None:
    found = run("schema", "campaign")
    assert found["$schema"].startswith("https://json-schema.org/")
    assert "promotions" in json.dumps(found)
    assert run("schema", "config")["title"]


def test_init_makes_a_project_that_is_valid(run: Run, tmp_path: Path) -> None:
    made = run("init", str(tmp_path / "new"))
    assert "config.yaml" in made["files"]
    assert run("validate", "--project", str(tmp_path / "new"))["valid"]
    assert "already" in run("init", str(tmp_path / "new"), ends=1)["error"]["message"]


def test_the_other_commands_print_what_is_described(filled: Run, root: Path) -> None:
    """Each call compares the keys with `JSON_OUTPUT`."""
    with (root / "config.yaml").open("a") as config:
        config.write("mailbox: {maildir: mails}\n")
    for folder in ("cur", "new", "tmp"):
        (root / "mails" / folder).mkdir(parents=True)
    assert filled("mailbox")["mails"] == 0
    assert filled("doctor")["ok"]
    assert filled("backup", str(root / "copy.db"))["bytes"] > 0
    assert filled("migrate") == {"complete": False, "steps": []}
    filled("launch", "hello", "--yes")
    assert filled("report", "hello")["currency"] == "EUR"
    assert filled("customers", "show", "c7")["customer_id"] == "c7"
    assert filled("profiles", "report")["customers"] == 20
    assert filled("profiles", "refresh")["how"] == "nothing"
    assert "run 1 is not in the store" in filled("release", "1", ends=1)["error"]["message"]
    assert "is not in the store" in filled("resolve", "0" * 32, "--sent", ends=1)["error"]["message"]


def test_train_fits_and_lists(filled: Run, root: Path) -> None:
    from automation.testing.toy_shop import toy_events
    from automation.workspace.workspace import open_workspace

    with (root / "config.yaml").open("a") as config:
        config.write("models:\n  best: {using: popular}\n")
    assert filled("train", "--list") == {"models": [], "never_trained": ["best"]}
    with open_workspace(root) as workspace:
        warehouse = workspace.warehouse()
        warehouse.append_events(toy_events())
        warehouse.close()
    (card,) = filled("train")["models"]
    assert (card["name"], card["using"], card["admitted"]) == ("best", "popular", True)
    assert [model["version"] for model in filled("train", "--list")["models"]] == [card["version"]]
    assert "has no model 'worst'" in filled("train", "worst", ends=2)["error"]["message"]
