r"""NUL and halves of a character, from every stranger who can write to us: removed or refused at the door.

SQLite keeps a NUL, PostgreSQL refuses it, and nothing holds a lone surrogate: whatever enters must be the same on both.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from support.scripted_channel import scripted
from support.toy_project import deliver, start, toy_project

from automation.cli.main import main
from automation.config.yaml_nodes import RefusedDocument, compose
from automation.inbound.flush import flush_events
from automation.inbound.shop_import import import_data
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Verdict
from automation.types.text import is_storable
from automation.warehouse.importing.mapping import load_mapping
from automation.web.api.events import Event
from automation.web.api.webhooks.receiver import _parse_json
from automation.workspace.workspace import Workspace

MAPPING = """
mappings:
  - table: customers
    columns: {customer_id: customer_id, email: email, first_name: first_name, city: city}
"""
BAD = ["A\0na", "A\ud800na", "\udfffAna"]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def unstorable(workspace: Workspace) -> list[str]:
    """Every text of the store that not every database can hold, JSON escapes included."""
    store = sqlite3.connect(workspace.project.data_dir / "store.db")
    store.text_factory = lambda raw: raw.decode("utf-8", "surrogatepass")
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    texts = [value for name in tables for row in store.execute(f"SELECT * FROM {name}") for value in row]
    store.close()
    return [text for text in texts if isinstance(text, str) and (not is_storable(text) or "\\u0000" in text)]


@pytest.mark.parametrize("bad", BAD)
def test_an_event_keeps_its_other_letters_all_the_way_to_the_warehouse(toy: Workspace, bad: str) -> None:
    events = [InboxEvent(f"1{bad}", bad, "view", TOY_AS_OF, bad, {"product_id": bad, "page": bad, f"x{bad}": [bad]})]
    with toy.store.transaction() as connection:
        assert inbox.add_events(connection, events, now=TOY_AS_OF) == 1
    assert unstorable(toy) == []
    warehouse = toy.warehouse()
    flush_events(toy, warehouse)
    table = warehouse.table("events")
    (row,) = table.filter(table.event_id == "1Ana").to_polars().rows(named=True)
    warehouse.close()
    assert (row["customer_id"], row["message_id"], row["product_id"], row["page"]) == ("Ana",) * 4


@pytest.mark.parametrize("field", ["event_id", "customer_id", "product_id", "attributes"])
def test_the_events_api_refuses_the_event(field: str) -> None:
    event = {"event_id": "1", "customer_id": "c1", "type": "view", "occurred_at": "2026-03-01T12:00:00Z"}
    assert Event.model_validate(event).event_id == "1"
    with pytest.raises(ValueError, match=field):
        Event.model_validate({**event, field: {"page": "a\0"} if field == "attributes" else "a\0"})


def test_a_webhook_s_body_is_cleaned_or_no_json() -> None:
    assert _parse_json(b'{"name": "A\\u0000na", "lines": [{"t\\u0000": "\\u0000"}]}') == {
        "name": "Ana",
        "lines": [{"t": ""}],
    }
    with pytest.raises(HTTPException):
        _parse_json(b'{"name": "A\\ud800na"}')


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_imported_file_loses_them(toy: Workspace, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"people.{ending}"
    row = {"customer_id": "c9", "email": "zoe@x.example", "first_name": "Z\0oe", "city": "\0"}
    lines = [",".join(row), ",".join(row.values())] if ending == "csv" else [json.dumps(row)]
    path.write_text("\n".join(lines) + "\n")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING)
    import_data(toy, "customers", [path], load_mapping(mapping))
    warehouse = toy.warehouse()
    table = warehouse.table("customers")
    (found,) = table.filter(table.customer_id == "c9").to_polars().rows(named=True)
    warehouse.close()
    assert (found["first_name"], found["city"]) == ("Zoe", None)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.RETRY])
def test_what_a_provider_answers_settles_its_message(toy: Workspace, bad: str, verdict: Verdict) -> None:
    start(toy)
    deliver(toy, make=scripted(lambda m, _: Receipt(m.id, m.attempt, verdict, f"250 {bad}", provider_id=bad)))
    assert unstorable(toy) == []
    with toy.store.reading() as connection:
        said = connection.exec_driver_sql("SELECT DISTINCT reason, provider_id FROM message_status").all()
    assert said == [("250 Ana", "Ana")]


def test_a_command_refuses_an_argument_that_is_no_utf_8(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(toy.project.root)
    assert main(["--project", root, "consent", "show", "a\udcff@x.example"]) == 2
    assert "argument 3 is not valid UTF-8: a\\udcff@x.example" in capsys.readouterr().err


@pytest.mark.parametrize("written", ['name: "a\\0b"', 'name: "a\\uD800b"', '"a\\0": 1', 'all: [["a\\0"]]'])
def test_a_file_of_the_project_refuses_them(written: str) -> None:
    with pytest.raises(RefusedDocument, match=r"a text with \\0, or with half of a character"):
        compose(written)
    assert compose(written.replace("\\0", "\\t").replace("\\uD800", "\\uE000")) is not None
