"""Moves entries along the steps of their campaign: through waits, up to what has to be decided or waited for.

Values in, values out: no store, no clock. Work is done once a node, not once an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from automation.clock import in_millis
from automation.pipeline.waiting import wait_ends
from automation.types.entry import Ending
from automation.types.journey import END, Node, Program
from automation.types.step import WaitFor, WaitUntil

BRANCH, SEND = "branch", "send"
"""What an entry may ask for: which arm of a branch it takes, or the decision about its message."""
THEN, OTHERWISE = "then", "otherwise"
_MINUTE = 60_000


def walk(entries: pl.DataFrame, program: Program, *, shop_zone: str) -> pl.DataFrame:
    """The entries as far as they come by `until`, in any order, with `asks` (BRANCH, SEND or null) and `ended` (an
    `Ending` or null; `ended_at` then says when).

    entries: the columns of `ENTRY_COLUMNS`, `until` (milliseconds), `timezone`, and the dates that waits need, as
    `date_<node>`. One that waits for its message (`since` is null) stays where it is. One without `due_at` comes to its
    step at `since`. One that asks stays until `pass_on` moves it.
    """
    blank = {"asks": pl.String, "ended": pl.String, "ended_at": pl.Int64}
    entries = entries.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in blank.items())
    comes = pl.col("since").is_not_null() & pl.col("due_at").is_null()
    leaves = pl.col("since").is_not_null() & (pl.col("due_at") <= pl.col("until")).fill_null(value=False)
    done = [entries.filter(~comes & ~leaves)]
    arriving = entries.filter(comes).with_columns(pl.col("since").alias("at"))
    for name, rows in _by_step(entries.filter(leaves).with_columns(pl.col("due_at").alias("at"))):
        standing, leaving = _leave(program, name, rows)
        done.append(standing)
        arriving = pl.concat([arriving, leaving])
    while arriving.height:
        rest = arriving.clear()
        for name, rows in _by_step(arriving):
            standing, leaving = _arrive(program, name, rows, shop_zone)
            done.append(standing)
            rest = pl.concat([rest, leaving])
        arriving = rest
    return pl.concat([rows.drop("at", strict=False) for rows in done])


def pass_on(entries: pl.DataFrame, *, to: pl.Expr, at: pl.Expr) -> pl.DataFrame:
    """Entries that come to the node `to` at the instant `at`, from which their next wait counts."""
    return entries.with_columns(to.alias("step"), at.alias("since"), pl.lit(None, dtype=pl.Int64).alias("due_at"))


def _by_step(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (name,), part in rows.partition_by("step", as_dict=True, maintain_order=True).items():
        yield str(name), part


def _leave(program: Program, name: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries that stood at a node until now: those that stay or ended, and those that go on."""
    if name == END:
        return _end(rows, Ending.DONE), rows.clear()
    node = program.nodes[name]
    if node.step.wait is not None:
        return rows.clear(), _go(rows, node.after)
    if node.step.wait_for is not None:
        return rows.clear(), _answered(node, rows)
    return _ask(rows, node), rows.clear()


def _arrive(program: Program, name: str, rows: pl.DataFrame, shop_zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries that come to a node: those that stay there or end, and those that go on at once."""
    if name == END:
        return _end(rows, Ending.DONE), rows.clear()
    node = program.nodes[name]
    if node.step.stop:
        return _end(rows, Ending.STOPPED), rows.clear()
    if node.step.wait is not None:
        return _wait(node, node.step.wait, rows, shop_zone)
    if node.step.wait_for is not None:
        return _listen(node, node.step.wait_for, rows)
    return _ask(rows.with_columns(pl.col("at").alias("due_at")), node), rows.clear()


def _ask(rows: pl.DataFrame, node: Node) -> pl.DataFrame:
    return rows.with_columns(pl.lit(SEND if node.step.send is not None else BRANCH).alias("asks"))


def _wait(
    node: Node, wait: timedelta | WaitUntil, rows: pl.DataFrame, shop_zone: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    dated = f"date_{node.name}"
    asking = rows.with_columns(pl.col(dated).alias("date")) if dated in rows.columns else rows
    rows = rows.with_columns(wait_ends(asking, wait, shop_zone=shop_zone).alias("due_at"))
    past = pl.col("due_at") < pl.col("at")
    undated = _end(rows.filter(pl.col("due_at").is_null()), Ending.NO_DATE)
    rows = rows.filter(pl.col("due_at").is_not_null())
    over = rows.clear()
    if isinstance(wait, WaitUntil) and wait.when_past == "stop":
        over = _end(rows.filter(past), Ending.TOO_LATE)
        rows = rows.filter(~past)
    rows = rows.with_columns(pl.max_horizontal("due_at", "at").alias("due_at"))
    ends = pl.col("due_at") <= pl.col("until")
    passing = rows.filter(ends).with_columns(pl.col("due_at").alias("at"))
    return pl.concat([rows.filter(~ends), undated, over]), _go(passing, node.after)


def _listen(node: Node, wait: WaitFor, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    length = in_millis(wait.up_to)
    rows = rows.with_columns((pl.col("at") + length).alias("due_at"))
    settled = heard(node) | (pl.col("due_at") <= pl.col("until"))
    passing = rows.filter(settled).with_columns(pl.when(heard(node)).then("at").otherwise("due_at").alias("at"))
    return rows.filter(~settled), _answered(node, passing)


def _answered(node: Node, rows: pl.DataFrame) -> pl.DataFrame:
    """Entries whose wait for something is over go on: where it happened by `then`, else by `otherwise`."""
    yes, no = rows.filter(heard(node)), rows.filter(~heard(node))
    then, otherwise = node.arms
    return pl.concat([_go(_note(yes, node, THEN), then), _go(_note(no, node, OTHERWISE), otherwise)])


def heard(node: Node) -> pl.Expr:
    """Whether what the node waits for has happened."""
    return pl.col("heard").str.contains(_mention(node))


def heard_with(node: Node, at: pl.Expr) -> pl.Expr:
    """`heard` with the instant at which it happened; an earlier one is forgotten."""
    others = pl.col("heard").str.replace(_mention(node), "").str.strip_chars()
    word = pl.concat_str(pl.lit(f"{node.name}:"), at.cast(pl.String))
    return pl.concat_str(others, pl.lit(" "), word).str.strip_chars()


def heard_since(program: Program, base: pl.Expr) -> pl.Expr:
    """`heard` without what happened before an instant (milliseconds)."""
    words = []
    for node in program.nodes.values():
        if node.step.wait_for is not None:
            at = pl.col("heard").str.extract(_mention(node)).cast(pl.Int64)
            words.append(pl.when(at >= base).then(pl.concat_str(pl.lit(f"{node.name}:"), at.cast(pl.String))))
    return pl.concat_str(words, separator=" ", ignore_nulls=True) if words else pl.lit("")


def _mention(node: Node) -> str:
    """A pattern for the node's word in `heard`."""
    return rf"(?:^| ){re.escape(node.name)}:(\d+)"


def _go(rows: pl.DataFrame, to: str) -> pl.DataFrame:
    return pass_on(rows, to=pl.lit(to), at=pl.col("at"))


def _end(rows: pl.DataFrame, ending: Ending) -> pl.DataFrame:
    return rows.with_columns(pl.lit(ending.value).alias("ended"), pl.col("at").alias("ended_at"))


def _note(rows: pl.DataFrame, node: Node, code: str) -> pl.DataFrame:
    return rows.with_columns(path_with(pl.lit(node.name), pl.lit(code)).alias("path"))


def has_been_sent_to(program: Program) -> pl.Expr:
    """Whether an entry came to a message before, sent or refused."""
    names = "|".join(re.escape(name) for name in program.sends)
    return pl.col("path").str.contains(rf"(?:^| )(?:{names})\+")


def path_with(step: pl.Expr, code: pl.Expr) -> pl.Expr:
    """The path with one more word, `step+minutes:code`: minutes since the entry began, at the instant `at`."""
    minutes = ((pl.col("at") - pl.col("entered_at")) // _MINUTE).cast(pl.String)
    word = pl.concat_str(step, pl.lit("+"), minutes, pl.lit(":"), code)
    return pl.when(pl.col("path") == "").then(word).otherwise(pl.concat_str("path", pl.lit(" "), word))
