"""Nothing is really sent before a suppression list was imported, or somebody confirmed that there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.migration_file import take
from support.project import write_project

from automation.cli.main import main
from automation.clock import ManualClock
from automation.errors import AutomationError
from automation.inbound.migration.gate import confirm_nothing_to_import
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.schedule.due_times import Due
from automation.store.people import migration
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import RunKind
from automation.types.schema import MigrationTable
from automation.workspace.workspace import Workspace, open_workspace

LIVE = """
shop: {name: Toy, timezone: Europe/Berlin, email: hi@toy.example, address: Street 1}
topics: {promotions: marketing}
channels:
  email: {using: smtp, options: {host: 127.0.0.1, port: 9, tls: none}}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Workspace]:
    root = write_project(tmp_path / "shop")
    (root / "config.yaml").write_text(LIVE)
    with open_workspace(root, clock=ManualClock(TOY_AS_OF)) as made:
        yield made


REFUSAL = """\
channel 'email' really sends, and no suppression list was imported yet: people who unsubscribed elsewhere would get \
messages again.
  to import it: automation import suppressions FILE --mapping klaviyo|braze|FILE
  if there is none: automation migrate --nothing-to-import --by NAME --because TEXT"""


def test_a_launch_without_a_suppression_list_is_refused_with_both_remedies(live: Workspace) -> None:
    with pytest.raises(AutomationError) as refused:
        launch(live, "hello", by="ana", audience=None)
    assert str(refused.value) == REFUSAL


@pytest.mark.parametrize(
    "move",
    [
        lambda workspace: confirm_nothing_to_import(workspace, by="Ana", because="a new shop"),
        lambda workspace: take(workspace, "suppressions", "address\na@x.example\n"),
        lambda workspace: take(workspace, "suppressions", "address\n"),
    ],
)
def test_an_import_or_a_confirmation_allows_the_launch(live: Workspace, move: Callable[[Workspace], object]) -> None:
    move(live)
    assert launch(live, "hello", by="ana", audience=None) == 1


@pytest.mark.parametrize("kind", ["consents", "sends"])
def test_consents_alone_are_not_enough(live: Workspace, kind: MigrationTable) -> None:
    take(live, kind, "address,channel,granted,at\na@x.example,email,no,2025-01-01\n")
    with pytest.raises(AutomationError, match="no suppression list was imported yet"):
        launch(live, "hello", by="ana", audience=None)


def test_a_campaign_launched_into_files_is_refused_once_its_channel_really_sends(tmp_path: Path) -> None:
    root = write_project(tmp_path / "shop")
    with open_workspace(root, clock=ManualClock(TOY_AS_OF)) as workspace:
        launch(workspace, "hello", by="ana", audience=None)
    (root / "config.yaml").write_text(LIVE)
    with (
        open_workspace(root, clock=ManualClock(TOY_AS_OF)) as workspace,
        pytest.raises(AutomationError, match="really sends"),
    ):
        claim(workspace, "hello", Due(RunKind.MANUAL, "1", TOY_AS_OF))


def test_a_confirmation_is_kept_with_its_name_and_reason(
    live: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(live.project.root)
    assert main(["migrate", "--nothing-to-import", "--by", " ", "--because", "new"]) == 2
    told = capsys.readouterr().err
    assert "--nothing-to-import needs --by: who confirms it and why is kept on record" in told
    assert main(["migrate", "--by", "Ana"]) == 2
    assert main(["migrate", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.replace(told, "")) == {"complete": False, "steps": []}
    assert main(["migrate", "--nothing-to-import", "--by", "Ana", "--because", "a new shop", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (step,) = found["steps"]
    assert found["complete"]
    assert (step["what"], step["by"], step["detail"]) == ("nothing", "Ana", "a new shop")
    with live.store.reading() as connection:
        (kept,) = migration.steps(connection)
    assert (kept.what, kept.by, kept.detail) == ("nothing", "Ana", "a new shop")


def test_the_command_refuses_before_it_plans(
    live: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(live.project.root)
    assert main(["launch", "hello", "--yes"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{REFUSAL}\n")
