"""Every command finds the same customer by id, e-mail address or phone number, in any spelling."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.project import write_project

from automation.cli.main import main
from automation.workspace.workspace import open_workspace

Run = Callable[..., Any]
SPELLINGS = ["c1", " Ana@XN--BCHER-KVA.example", "0049 30 123456"]  # all of them: tests/integration/test_identity.py


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two customers; c1 has an IDN address and a phone number, and agreed to promotions."""
    root = write_project(tmp_path / "shop")
    with open_workspace(root) as workspace:
        warehouse = workspace.warehouse()
        people = {
            "customer_id": ["c0", "c1"],
            "email": ["ben@x.example", "ana@bücher.example"],
            "phone": [None, "+4930123456"],
            "first_name": ["Ben", "Ana"],
        }
        warehouse.upsert("customers", pl.DataFrame(people))
        warehouse.close()
    monkeypatch.chdir(root)

    def call(*arguments: str, ends: int = 0) -> Any:
        code = main([*arguments, "--format", "json"])
        printed = capsys.readouterr()
        assert code == ends, printed.out + printed.err
        return json.loads(printed.out)

    call("consent", "grant", "c1", "--topic", "promotions", "--source", "test")
    return call


@pytest.mark.parametrize("wanted", SPELLINGS)
def test_every_command_finds_the_customer(run: Run, wanted: str) -> None:
    assert run("customers", "show", wanted)["customer_id"] == "c1"
    assert run("consent", "show", wanted)["customers"] == ["c1"]
    assert run("consent", "grant", wanted, "--topic", "promotions", "--source", "phone")["customers"] == ["c1"]
    assert run("explain", "hello", wanted)["customer"] == "c1"
    assert run("preview", "hello", "--customer", wanted)["customer"] == "c1"
    assert run("test-send", "hello", "--customer", wanted, "--to", "me@x.example")["customer"] == "c1"


@pytest.mark.parametrize(
    "arguments",
    [
        ["customers", "show", "eve@x.example"],
        ["consent", "show", "eve@x.example"],
        ["explain", "hello", "eve@x.example"],
        ["preview", "hello", "--customer", "eve@x.example"],
    ],
)
def test_every_command_says_the_same_of_somebody_unknown(run: Run, arguments: list[str]) -> None:
    message = run(*arguments, ends=1)["error"]["message"]
    assert message.startswith("there is no customer with the id or address 'eve@x.example', and nothing is on record")


def test_an_address_on_the_suppression_list_is_no_customer(run: Run) -> None:
    run("consent", "suppressions", "add", "eve@x.example")
    message = run("explain", "hello", "Eve@X.example", ends=1)["error"]["message"]
    assert message.startswith("there is no customer with the id or address 'Eve@X.example'; to import customers")
