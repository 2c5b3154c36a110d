"""The only printer: tables and bars on a terminal, plain text in a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

Cell = str | int | float | None
Tick = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is (0 when nobody knows)."""


@dataclass(frozen=True)
class Text:
    """Lines as they are. `mood` colours them on a terminal: good, bad, odd, faint or loud."""

    text: str
    mood: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; numbers stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""


Block = Text | Table
_STYLES = {"good": "green", "bad": "bold red", "odd": "yellow", "faint": "dim", "loud": "bold"}


class Output:
    """Prints results to `stream`, and what is not a result (progress, failures, questions) to `aside`."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None, aside: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        self._aside = aside or sys.stderr

    def show(self, payload: Mapping[str, Any], *blocks: Block) -> None:
        """The result: the payload to a program, the blocks to a person."""
        if self.as_json:
            self.document(payload)
        else:
            self.tell(*blocks)

    def document(self, value: Any) -> None:
        """A result that is JSON in either format."""
        self._stream.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")
        self._stream.flush()

    def tell(self, *blocks: Block) -> None:
        """A part of the result that only a person needs, such as what a question is about."""
        if self.as_json or not blocks:
            return
        if self._stream.isatty():
            self._show_rich(blocks)
        else:
            self._stream.write(_in_plain(blocks))
        self._stream.flush()

    def error(self, text: str) -> None:
        """One line to stderr, as it happens."""
        self._write_aside(text, "bad")

    def note(self, text: str) -> None:
        """A line beside the results, for people."""
        if not self.as_json:
            self._write_aside(text, "")

    def failure(self, message: str, causes: Sequence[str], mend: str, exit_code: int) -> None:
        """Why the command ends here, and what to do about it."""
        if self.as_json:
            error = {"message": message, "causes": list(causes), "mend": mend, "exit_code": exit_code}
            self._stream.write(json.dumps({"error": error}, ensure_ascii=False, indent=2) + "\n")
            return
        self._write_aside(message, "bad")
        for cause in causes:
            self._write_aside(f"  because {cause}", "")
        if mend:
            self._write_aside(f"  next: {mend}" if mend.startswith("automation ") else f"  {mend}", "")

    def ask(self, question: str) -> bool | None:
        """Yes or no; None where nobody can be asked."""
        if self.as_json or not sys.stdin.isatty():
            return None
        self._aside.write(f"{question} [y/N] ")
        self._aside.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, unit: str) -> Iterator[Tick]:
        """Bars with the rate in `unit` a second, on a terminal; nothing elsewhere."""
        if self.as_json or not self._aside.isatty():
            yield lambda _stage, _done, _all: None
            return
        with _bars(self._aside, unit) as tick:
            yield tick

    def _write_aside(self, text: str, mood: str) -> None:
        if self._aside.isatty() and mood:
            _console(self._aside).print(text, style=_STYLES[mood], markup=False, highlight=False, soft_wrap=True)
        else:
            self._aside.write(text + "\n")
        self._aside.flush()

    def _show_rich(self, blocks: Sequence[Block]) -> None:
        console = _console(self._stream)
        for block in blocks:
            if isinstance(block, Table):
                console.print(_rich_table(block))
            else:
                style = _STYLES.get(block.mood, "")
                console.print(block.text, style=style, markup=False, highlight=False, soft_wrap=True)


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    return Console(file=stream)


def _rich_table(block: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text as RichText

    table = RichTable(title=block.title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(block.columns):
        table.add_column(RichText(column), justify="right" if _numeric(block, number) else "left")
    for row in block.rows:
        table.add_row(*(RichText(_cell(cell)) for cell in row))
    return table


@contextmanager
def _bars(stream: TextIO, unit: str) -> Iterator[Tick]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.fields[shown]}")]
    with Progress(*columns, TimeElapsedColumn(), console=_console(stream), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tick(stage: str, done: int, all_: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=all_ or None, shown="")
            task = next(task for task in bars.tasks if task.id == tasks[stage])
            rate = done / task.elapsed if task.elapsed else 0.0
            of = f" of {all_:,}" if all_ else ""
            bars.update(task.id, completed=done, total=all_ or None, shown=f"{done:,}{of} {unit} ({rate:,.0f}/s)")

        yield tick


def _in_plain(blocks: Sequence[Block]) -> str:
    """An empty line stands after every table."""
    parts = [f"{block.text}\n" if isinstance(block, Text) else f"{_plain_table(block)}\n\n" for block in blocks]
    return "".join(parts).removesuffix("\n") if isinstance(blocks[-1], Table) else "".join(parts)


def _plain_table(block: Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in block.rows]
    widths = [max(len(column), *(len(row[n]) for row in rows), 0) for n, column in enumerate(block.columns)]
    right = [_numeric(block, n) for n in range(len(block.columns))]
    lines = [block.title] if block.title else []
    for row in [list(block.columns), *rows]:
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _numeric(block: Table, column: int) -> bool:
    cells = [row[column] for row in block.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float) for cell in cells)


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return (
        f"{cell:,.4g}"
        if isinstance(cell, float) and abs(cell) < 100
        else f"{cell:,.0f}"
        if isinstance(cell, float)
        else cell
    )


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
