"""Prints every result: tables and progress bars on a terminal, plain text in a pipe, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from automation.reporting.json_output.encoding import encode_json

Cell = str | int | float | None
Tick = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is in all (0: unknown)."""


@dataclass(frozen=True)
class Text:
    """Lines of text. `style` colours them on a terminal: success, error, warning, muted or strong."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; numbers are aligned to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""


Block = Text | Table
_STYLES = {"success": "green", "error": "bold red", "warning": "yellow", "muted": "dim", "strong": "bold"}


class Output:
    """Prints results to `stream`, and everything else (progress, failures, questions) to `errors`."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        as_csv: bool = False,
        stream: TextIO | None = None,
        errors: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.as_csv = as_csv
        self._stream = stream or sys.stdout
        self._errors = errors or sys.stderr

    def show(self, value: Mapping[str, Any], *blocks: Block) -> None:
        """Print the result: `value` for programs, the blocks for people."""
        if self.as_json:
            self.document(value)
        else:
            self.show_blocks(*blocks)

    def document(self, value: Any) -> None:
        """Print a result that is JSON in either format."""
        self._stream.write(encode_json(value) + "\n")
        self._stream.flush()

    def write(self, text: str) -> None:
        """Print a part of a result that is a text in itself, such as CSV."""
        self._stream.write(text)

    def show_blocks(self, *blocks: Block) -> None:
        """Print what only people need, such as the plan before a question about it."""
        if self.as_json or not blocks:
            return
        if self._stream.isatty():
            self._show_rich(blocks)
        else:
            self._stream.write(_in_plain(blocks))
        self._stream.flush()

    def error(self, text: str) -> None:
        """Print one line to stderr at once."""
        self._write_error_line(text, "error")

    def note(self, text: str) -> None:
        """Print a line beside the results, for people only."""
        if not self.as_json:
            self._write_error_line(text, "")

    def failure(self, message: str, causes: Sequence[str], fix: str, exit_code: int) -> None:
        """Print why the command failed, and how to fix it."""
        if self.as_json:
            error = {"message": message, "causes": list(causes), "fix": fix, "exit_code": exit_code}
            self.document({"error": error})
            return
        self._write_error_line(message, "error")
        for cause in causes:
            self._write_error_line(f"  because {cause}", "")
        if fix:
            self._write_error_line(f"  next: {fix}" if fix.startswith("automation ") else f"  {fix}", "")

    def ask(self, question: str) -> bool | None:
        """Ask a yes-or-no question; None where nobody can be asked."""
        if self.as_json or not sys.stdin.isatty():
            return None
        self._errors.write(f"{question} [y/N] ")
        self._errors.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, unit: str) -> Iterator[Tick]:
        """Show progress bars with the rate in `unit` per second, on a terminal only."""
        if self.as_json or not self._errors.isatty():
            yield lambda _stage, _done, _all: None
            return
        with _bars(self._errors, unit) as tick:
            yield tick

    def _write_error_line(self, text: str, style: str) -> None:
        if self._errors.isatty() and style:
            _console(self._errors).print(text, style=_STYLES[style], markup=False, highlight=False, soft_wrap=True)
        else:
            self._errors.write(text + "\n")
        self._errors.flush()

    def _show_rich(self, blocks: Sequence[Block]) -> None:
        console = _console(self._stream)
        for block in blocks:
            if isinstance(block, Table):
                console.print(_rich_table(block))
            else:
                style = _STYLES.get(block.style, "")
                console.print(block.text, style=style, markup=False, highlight=False, soft_wrap=True)


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    return Console(file=stream)


def _rich_table(block: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text as RichText

    headed = any(block.columns)
    look = box.SIMPLE_HEAD if headed else box.SIMPLE
    table = RichTable(title=block.title or None, title_justify="left", title_style="bold", box=look, show_header=headed)
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
    """Plain text, with an empty line after every table."""
    parts = [f"{block.text}\n" if isinstance(block, Text) else f"{_plain_table(block)}\n\n" for block in blocks]
    return "".join(parts).removesuffix("\n") if isinstance(blocks[-1], Table) else "".join(parts)


def _plain_table(block: Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in block.rows]
    widths = [max(len(column), *(len(row[n]) for row in rows), 0) for n, column in enumerate(block.columns)]
    right = [_numeric(block, n) for n in range(len(block.columns))]
    lines = [block.title] if block.title else []
    for row in [*([list(block.columns)] if any(block.columns) else []), *rows]:
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
