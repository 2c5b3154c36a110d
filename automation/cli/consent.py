"""`automation consent`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.reporting.proof import Proof
    from automation.store.people.consent import ConsentRecordRow
    from automation.store.people.double_opt_in import ConsentRequestRow
    from automation.store.people.suppressions import SuppressionRow

Action = Literal["show", "grant", "withdraw", "pending", "ask", "export", "suppressions"]


def consent(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(help="what to do")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CUSTOMER|ADDRESS]...", help="whom; after `suppressions`: list, add, remove or import"),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="a channel of config.yaml; suppressions: all unless said")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="what it is about; may be given several times")] = None,
    source: Annotated[str | None, typer.Option(help="where that is known from, such as `phone call of 3 May`")] = None,
    text_version: Annotated[str, typer.Option(help="the wording that was agreed to")] = "",
    reason: Annotated[str, typer.Option(help="why an address is suppressed")] = "manual",
    mapping: Annotated[str | None, typer.Option(help="of a suppression list: klaviyo, braze or a file")] = None,
    to: Annotated[Path | None, typer.Option(help="where an export goes; by default it is printed")] = None,
) -> None:
    """Show and record consent, and manage the suppression list.

    A consent recorded by hand applies to all customer ids with the same address, and is kept with its source and your
    user name.

    Example: automation consent show ana@example.org
    """
    from automation.cli import suppressions

    invocation: Invocation = context.obj
    given = words or []
    if action == "suppressions":
        suppressions.run(invocation, given, channel, topic or [], reason, source, mapping)
    elif action == "pending":
        _pending(invocation)
    elif action == "ask":
        _ask(invocation)
    elif action == "export":
        _export(invocation, to)
    elif len(given) != 1:
        raise ConfigurationError(f"say whom: automation consent {action} CUSTOMER|ADDRESS")
    elif action == "show":
        _show(invocation, given[0])
    else:
        _say(invocation, action, given[0], channel or "email", topic or [], source, text_version)


def _show(invocation: Invocation, wanted: str) -> None:
    from automation.reporting.proof import proof

    with invocation.workspace() as workspace:
        found = proof(workspace, wanted)
    invocation.output.show(payload(found), *blocks(found))


def payload(found: Proof) -> dict[str, object]:
    """The proof as a program reads it."""
    return {
        "customers": list(found.person.ids),
        "addresses": dict(found.person.addresses),
        "words": [vars(word).copy() for word in found.words],
        "suppressions": [vars(row).copy() for row in found.suppressions],
        "requests": [vars(request).copy() for request in found.requests],
    }


def blocks(found: Proof) -> list[Block]:
    """The proof as a person reads it."""
    who = ", ".join([*found.person.ids, *found.person.addresses])
    shown: list[Block] = [Text(who, "loud"), words_table(found.words)]
    if found.suppressions:
        shown.append(suppressed_table(found.suppressions))
    if found.requests:
        shown.append(requests_table(found.requests))
    return shown


def words_table(words: Sequence[ConsentRecordRow]) -> Block:
    """Every word, the oldest first."""
    if not words:
        return Text("never said anything", "faint")
    rows = [
        (
            f"{word.at:%Y-%m-%d %H:%M}", word.customer_id, word.channel, word.topic, "yes" if word.granted else "no",
            word.method, word.source, word.text_version, f"{word.recorded_by}, {word.recorded_at:%Y-%m-%d %H:%M}",
        )
        for word in words
    ]  # fmt: skip
    columns = ("said (UTC)", "customer", "channel", "topic", "consent", "how", "source", "text", "written down by")
    return Table(columns, rows)


def suppressed_table(rows: Sequence[SuppressionRow]) -> Table:
    """The list, with what an empty channel or topic means."""
    told = [
        (r.address, r.channel or "every", r.topic or "every", r.reason, f"{r.at:%Y-%m-%d %H:%M}", r.source)
        for r in rows
    ]
    return Table(("suppressed", "channel", "topic", "reason", "since (UTC)", "source"), told)


def requests_table(requests: Sequence[ConsentRequestRow]) -> Table:
    """Consents that wait for their confirmation, and what became of those that did."""
    rows = [
        (f"{r.requested_at:%Y-%m-%d %H:%M}", r.customer_id, r.channel, r.topic, r.address, r.state, r.message_id or "")
        for r in requests
    ]
    return Table(("asked for (UTC)", "customer", "channel", "topic", "address", "state", "message"), rows)


def _say(
    invocation: Invocation, action: str, wanted: str, channel: str, topics: list[str], source: str | None, text: str
) -> None:
    from automation.inbound.consents import record_by_hand

    missing = "--topic NAME" if not topics else "--source TEXT" if not source else None
    if missing:
        raise ConfigurationError(f"a consent by hand needs {missing}: automation consent {action} {wanted} {missing}")
    with invocation.workspace() as workspace:
        who, recorded = record_by_hand(
            workspace, wanted, granted=action == "grant", channel=channel, topics=topics, source=source or "",
            method="by hand", by=getpass.getuser(), text_version=text,
        )  # fmt: skip
    verb = "granted" if action == "grant" else "withdrawn"
    told = f"{verb}: {', '.join(topics)} by {channel}, for {', '.join(who.ids)}"
    result = {"customers": list(who.ids), "channel": channel, "topics": topics, "granted": action == "grant"}
    invocation.output.show({**result, "recorded": recorded}, Text(told, "good"))


def _pending(invocation: Invocation) -> None:
    from automation.store.people import double_opt_in

    with invocation.workspace() as workspace, workspace.store.reading() as connection:
        found = double_opt_in.unconfirmed_requests(connection)
    shown: Block = requests_table(found) if found else Text("no consent waits for its confirmation", "faint")
    invocation.output.show({"pending": [vars(request).copy() for request in found]}, shown)


def _ask(invocation: Invocation) -> None:
    from automation.daemon.manual_run import work
    from automation.runner.double_opt_in import ask

    with invocation.workspace() as workspace:
        made = ask(workspace)
        for run in made:
            work(workspace, run.id)
    asked = sum(run.audience or 0 for run in made)
    told = f"{asked:,} people are asked to confirm" if made else "nobody has to be asked"
    invocation.output.show({"runs": [run.id for run in made], "asked": asked}, Text(told))


def _export(invocation: Invocation, to: Path | None) -> None:
    from automation.reporting.proof import as_csv, every_word

    to = None if to is None else to.resolve()
    with invocation.workspace() as workspace:
        frame = every_word(workspace)
    text = as_csv(frame)
    if to is not None:
        to.write_text(text)
    shown = Text(f"{frame.height:,} words in {to}", "good") if to else Text(text.rstrip("\n"))
    invocation.output.show({"file": to, "words": frame.to_dicts() if to is None else frame.height}, shown)
