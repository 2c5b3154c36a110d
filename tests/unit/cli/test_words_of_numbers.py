"""Numbers, money and instants as people write them: in every text of the program, not in a chosen few."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.toy_project import toy_project

from automation.cli.demo import _blocks as _demo_blocks
from automation.cli.demo import _results
from automation.cli.output import Table, Text
from automation.cli.report import _blocks as _report_blocks
from automation.demo.story import DemoSummary
from automation.experiment.analysis import Lift
from automation.reporting.figures import Credit, Figures, Rate
from automation.reporting.report import Report
from automation.store.runs import RunRow
from automation.types.experiment import Goal
from automation.types.plural import format_count, format_ordinal
from automation.types.run import Account, RunKind, RunState
from automation.workspace.shop_format import ShopFormat
from automation.workspace.workspace import Workspace

ROOT = Path(__file__).parents[3]
FOLDERS = ("automation", "plugins")
_NOUNS = re.compile(
    r"^ (?:[a-z]+ )?(addresses|batches|campaigns|columns|customers|days|errors|events|files|hours|items|lines|mails|"
    r"messages|minutes|models|orders|people|periods|persons|problems|products|records|rows|runs|seconds|times|"
    r"values|variants|warnings)\\b"
)
_NO_COUNTS = {
    "rate", "name", "self.name", "guard.above", "audience / max(usual, 1)", "self._time",  # rates, names, limits
    "profile[f'top_{what}_share']", "k", "len(frame)", "length", "len(names)", "metadata.num_rows",
    "of", "len(CATEGORIES)", "horizon.days", "number",
}  # fmt: skip
"""Not a count that a person reads and that can be 1."""
_NO_TEXTS = ("automation/cli/failures.py", "automation/reporting/json_output/description.py")
"""A file's name, and the description of the JSON output."""


def sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())


def test_no_text_counts_one_of_many() -> None:
    """`1 runs`: a number before a plural is written by `format_count`."""
    found = []
    for name, tree in sources():
        for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
            for one, after in zip(text.values, text.values[1:], strict=False):
                if not (isinstance(one, ast.FormattedValue) and isinstance(after, ast.Constant)):
                    continue
                written, following = ast.unparse(one.value), str(after.value)
                counted = "format_count" in written or written in _NO_COUNTS or written.isupper()
                if _NOUNS.match(following) and not counted:
                    found.append(f"{name}:{one.lineno}: {written}{following[:20]}")
    assert not found


def test_commands_write_instants_and_money_by_the_shops_format() -> None:
    """No `%Y`, no UTC, no currency code and no key of a run in a command's own text."""
    found = []
    for name, tree in sources():
        if not name.startswith(("automation/cli/", "automation/reporting/")) or name in _NO_TEXTS:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                written = ast.unparse(node)
                if re.search(r"%Y|%H:%M| UTC|due_key|currency", written):
                    found.append(f"{name}:{node.lineno}: {written[:60]}")
    assert not found


@pytest.mark.parametrize(("number", "written"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1200, "1,200 runs")])
def test_a_count_has_the_form_of_its_number(number: int, written: str) -> None:
    assert format_count(number, "run") == written


def test_ordinals() -> None:
    written = [format_ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 1003)]
    assert written == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th", "1,003rd"]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


BERLIN = ShopFormat("Europe/Berlin", "EUR", "de")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_money_and_instants_are_written_as_the_shop_writes_them() -> None:
    assert BERLIN.money(1234.5) == "1.234,50\u00a0€"
    assert ShopFormat(currency="USD").money(1234.5) == "$1,234.50"
    assert ShopFormat("Asia/Tokyo", "JPY", "ja").money(1234) == "¥1,234"
    assert (BERLIN.time(NOON), BERLIN.cell(NOON), BERLIN.cell(None)) == ("2026-11-24 13:00 CET", "2026-11-24 13:00", "")
    assert ShopFormat("Pacific/Auckland").day(NOON) == "2026-11-25"


@pytest.mark.parametrize(
    ("kind", "key", "written"),
    [
        (RunKind.SCHEDULE, "2026-11-24T13:00", "due 2026-11-24 13:00 CET"),
        (RunKind.SCHEDULE, "2026-11-24T12:00:00Z", "due 2026-11-24 13:00 CET"),
        (RunKind.SCHEDULE, "2026-11-25T09:00", "due 2026-11-25 09:00, local time"),
        (RunKind.MANUAL, "9f86d081884c7d65", "by hand 2026-11-24 13:00 CET"),
        (RunKind.EVENT, "e0f3", "after an event 2026-11-24 13:00 CET"),
    ],
)
def test_a_run_is_named_by_its_time_and_never_by_a_hex_id(kind: RunKind, key: str, written: str) -> None:
    run = RunRow(1, "toy", kind, key, NOON, None, 1, RunState.DONE, 0, NOON, None, {}, {}, None)
    assert BERLIN.due(run) == written


def report_of(did: str, conversions: float, revenue: float) -> Report:
    credit = Credit(conversions, revenue)
    answers = {"opened": 5, "opened_by_bots": 0, "clicked": 3, "unsubscribed": 0}
    rates = {name: Rate.of_counts(count, 9) for name, count in (("opened", 5), ("clicked", 3), ("converted", 2))}
    figures = {"plain": Figures(9, 0, answers, rates, credit)}
    return Report(
        name="toy", description="", currency="EUR", goal=Goal(did=did, within=timedelta(days=1)), model="last", runs=1,
        account=Account(10, sent=9, holdout=1), reasons={}, responses=answers, credit=credit, held_out=Credit(),
        variants=figures, channels={}, differences=[], lift=Lift(9, 3, 1, 0, 0.3, -0.1, 0.6),
    )  # fmt: skip


def test_a_goal_without_money_has_no_worth(toy: Workspace) -> None:
    shown = _report_blocks(toy, report_of("email_click", 3.0, 0.0))
    texts = [block.text for block in shown if isinstance(block, Text)]
    assert texts[0] == "toy, 1 run"
    assert texts[1] == "3 × email_click within 1 day, credited to the last message before"
    assert texts[2].startswith("opens are unreliable")
    assert "reached the goal (email_click)" in texts[3]
    (variants,) = [block for block in shown if isinstance(block, Table) and block.columns[0] == "variant"]
    assert (variants.columns, variants.rows) == (
        ("variant", "plain"),
        [
            ("sent", 9), ("opened", "5: 55.6% (26.7% to 81.1%)"), ("clicked", "3: 33.3% (12.1% to 64.6%)"),
            ("reached the goal (email_click)", "2: 22.2% (6.3% to 54.7%)"), ("email_click credited", 3),
        ],
    )  # fmt: skip


def test_purchases_are_counted_as_orders_and_their_worth_is_the_shops_money(toy: Workspace) -> None:
    shown = _report_blocks(toy, report_of("purchase", 1.0, 1234.5))
    texts = [block.text for block in shown if isinstance(block, Text)]
    assert texts[1] == "1 order worth €1,234.50 within 1 day, credited to the last message before"
    assert "of the contacted bought" in texts[3]
    (variants,) = [block for block in shown if isinstance(block, Table) and block.columns[0] == "variant"]
    assert variants.rows[3:] == [
        ("bought", "2: 22.2% (6.3% to 54.7%)"), ("orders credited", 1), ("revenue", "€1,234.50"),
        ("revenue per message", "€137.17"),
    ]  # fmt: skip


def test_the_demos_table_counts_orders_of_purchases_only() -> None:
    campaigns = [report_of("purchase", 2.0, 40.0), report_of("email_click", 3.0, 0.0)]
    summary = DemoSummary(
        ROOT, ROOT, NOON.date(), 15, 1, 2, 3, [], campaigns, None, 1.0, ShopFormat("Europe/Berlin", "EUR", "de")
    )
    table = _results(summary)
    assert [dict(zip(table.columns, row, strict=True))["orders"] for row in table.rows] == [2, None]
    assert [dict(zip(table.columns, row, strict=True))["revenue"] for row in table.rows] == ["40,00\u00a0€", ""]
    (head,) = [b.text for b in _demo_blocks(summary) if isinstance(b, Text) and "A shop with" in b.text]
    assert head == "\nA shop with 1 customer, 2 products, 3 events; 15 days from 2026-11-24"
