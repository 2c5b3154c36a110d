"""`automation import undo N`: what an import added goes, what it changed comes back, its consents stop counting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.toy_project import toy_project

from automation.cli.main import main
from automation.clock import ManualClock
from automation.errors import AutomationError
from automation.inbound.shop_import import import_data
from automation.inbound.undo_import import UndoReport, undo_import
from automation.store.people import consent
from automation.warehouse.importing.importer import ImportReport
from automation.warehouse.importing.mapping import parse_mapping
from automation.workspace.workspace import Workspace

CUSTOMERS = """
table: customers
columns: {customer_id: id, email: mail, city: city}
consent: {source: a list, email: {promotions: {column: agreed}}}
"""
ORDERS = """
table: events
columns: {customer_id: id, type: {constant: purchase}, occurred_at: day, amount: sum, gift: gift}
types: {gift: boolean}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def load(toy: Workspace, mapping: str, text: str) -> ImportReport:
    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(minutes=1))
    parsed = parse_mapping(mapping, "mapping.yaml")
    path = toy.project.root / "a.csv"
    path.write_text(text)
    return import_data(toy, parsed.mappings[0].table, [path], parsed, by="ana")  # type: ignore[arg-type]


def undo(toy: Workspace, report: ImportReport) -> UndoReport:
    assert isinstance(toy.clock, ManualClock)
    assert report.number is not None
    toy.clock.advance(timedelta(minutes=1))
    return undo_import(toy, report.number, by="ana")


def rows(toy: Workspace, table: Any) -> pl.DataFrame:
    warehouse = toy.warehouse()
    try:
        return warehouse.table(table).to_polars()  # type: ignore[no-any-return]
    finally:
        warehouse.close()


def same(found: pl.DataFrame, before: pl.DataFrame, key: str) -> bool:
    """Whether the rows are the same; columns that came later are null."""
    later = [name for name in found.columns if name not in before.columns]
    assert found.select(pl.col(later).is_null().all()).transpose().to_series().all() if later else True
    return found.select(before.columns).sort(key).equals(before.sort(key))


def test_added_events_go_and_later_ones_stay(toy: Workspace) -> None:
    before = rows(toy, "events")
    wrong = load(toy, ORDERS, "id,day,sum,gift\nc1,2026-03-01,10,yes\nc2,2026-03-02,20,no\nc1,2026-03-01,10,yes\n")
    later = load(toy, ORDERS, "id,day,sum,gift\nc3,2026-03-03,30,yes\n")
    assert (wrong.number, wrong.added, later.number) == (1, 2, 2)

    assert undo(toy, wrong) == UndoReport(1, "events", removed=2, restored=0, kept=0, consents=0)

    found = rows(toy, "events")
    assert found.height == before.height + 1
    assert same(found.filter(pl.col("gift").is_null()), before, "event_id")
    again = load(toy, ORDERS, "id,day,sum,gift\nc1,2026-03-01,10,yes\n")
    assert again.added == 1  # the mended file can be imported
    assert undo(toy, later).removed == 1


def test_changed_customers_are_what_they_were(toy: Workspace) -> None:
    before = rows(toy, "customers")
    wrong = load(
        toy, CUSTOMERS, "id,mail,city,agreed\nc1,new@x.example,Porto,\nc2,two@x.example,,\nn1,n@x.example,Rome,\n"
    )
    load(toy, CUSTOMERS, "id,mail,city,agreed\nc2,two@x.example,Bonn,\n")  # changed again since

    report = undo(toy, wrong)

    assert report == UndoReport(1, "customers", removed=1, restored=1, kept=1, consents=0)
    found = rows(toy, "customers")
    others = pl.col("customer_id") != "c2"
    assert same(found.filter(others), before.filter(others), "customer_id")
    assert found.filter(~others).select("email", "city").row(0) == ("two@x.example", "Bonn")


def granted(toy: Workspace, *customers: str) -> dict[str, bool]:
    with toy.store.reading() as connection:
        found = consent.states(connection, customers, ["email"], "promotions")
    return dict(found.select("customer_id", "granted").iter_rows())


def test_its_consents_stop_counting(toy: Workspace) -> None:
    first = load(toy, CUSTOMERS, "id,mail,city,agreed\nn1,n1@x.example,Rome,no\n")
    wrong = load(
        toy,
        CUSTOMERS,
        "id,mail,city,agreed\nn1,n1@x.example,Rome,yes\nn2,n2@x.example,Rome,yes\nn3,n3@x.example,,yes\n",
    )
    with toy.store.transaction() as connection:
        at = toy.clock.now() + timedelta(seconds=1)
        consent.record(connection, ["n3"], channel="email", topic="promotions", granted=True, at=at, source="their own")
    assert granted(toy, "n1", "n2", "n3") == {"n1": True, "n2": True, "n3": True}

    assert undo(toy, wrong).consents == 2

    # n1 said no before, n2 nothing, n3 agreed since in their own words.
    assert granted(toy, "n1", "n2", "n3") == {"n1": False, "n2": False, "n3": True}
    mended = load(toy, CUSTOMERS, "id,mail,city,agreed\nn2,n2@x.example,Rome,yes\n")
    assert granted(toy, "n2") == {"n2": True}
    assert (first.number, mended.number) == (1, 3)


def test_an_import_is_undone_once_and_must_exist(toy: Workspace) -> None:
    report = load(toy, ORDERS, "id,day,sum,gift\nc1,2026-03-01,10,yes\n")
    undo(toy, report)

    with pytest.raises(AutomationError, match="import 1 was undone already, at 2026-03-30 09:02 UTC"):
        undo(toy, report)
    with pytest.raises(AutomationError, match="there is no import 7; the last one is 1"):
        undo_import(toy, 7, by="ana")


def test_it_says_so_when_the_old_files_are_gone(toy: Workspace) -> None:
    report = load(toy, CUSTOMERS, "id,mail,city,agreed\nc1,new@x.example,Porto,\n")
    now = {path.name for path in (toy.project.data_dir / "warehouse" / "customers").glob("*.parquet")}
    load(toy, CUSTOMERS, "id,mail,city,agreed\nc1,newer@x.example,Porto,\n")
    for name in now:
        (toy.project.data_dir / "warehouse" / "customers" / name).unlink()

    with pytest.raises(AutomationError, match="of customers is no longer there: an import can be undone for about a w"):
        undo(toy, report)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_project(tmp_path):
        pass
    monkeypatch.chdir(tmp_path)
    Path("mapping.yaml").write_text(ORDERS)
    Path("a.csv").write_text("id,day,sum,gift\nc1,2026-03-01,10,yes\n")

    assert main(["import", "events", "a.csv", "--mapping", "mapping.yaml"]) == 0
    assert "to take it back: automation import undo 1" in capsys.readouterr().out
    assert main(["import", "undo", "1", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"import": 1, "table": "events", "removed": 1, "restored": 0, "kept": 0, "consents": 0}
    assert main(["import", "undo", "first"]) == 2
    assert main(["import", "events", "nothing.csv", "--mapping", "mapping.yaml"]) == 2


def test_list_shows_each_import_with_who_undid_it(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    load(toy, ORDERS, "id,day,sum,gift\nc1,2026-03-01,10,yes\n")
    undo(toy, load(toy, CUSTOMERS, "id,mail,city,agreed\nc9,c9@x.example,Ulm,yes\n"))

    assert main(["import", "list", "--project", str(toy.project.root), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["imports"]

    assert [(row["import"], row["table"], row["files"], row["rows"], row["by"]) for row in found] == [
        (2, "customers", ["a.csv"], 1, "ana"),
        (1, "events", ["a.csv"], 1, "ana"),
    ]
    assert (found[0]["undone_by"], found[1]["undone_at"], found[1]["undone_by"]) == ("ana", None, None)
    assert main(["import", "list", "--project", str(toy.project.root)]) == 0
    assert "undone 20" in capsys.readouterr().out
    assert main(["import", "events", "--project", str(toy.project.root)]) == 2
