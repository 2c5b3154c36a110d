"""`automation consent`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Block, Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.cli.arguments import Parser
    from automation.cli.invocation import Invocation

ACTIONS = ("show", "grant", "withdraw", "pending", "ask", "export", "suppressions")


def add_arguments(parser: Parser) -> None:
    """What `consent` takes."""
    who = "who; after `suppressions`: list, add, remove or import, then what"
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("arguments", nargs="*", metavar="CUSTOMER|ADDRESS", help=who)
    parser.add_argument("--channel", metavar="NAME", help="a channel of config.yaml; suppressions: by default all")
    about = "a topic of config.yaml; may be given several times"
    parser.add_argument("--topic", action="append", default=[], metavar="NAME", help=about)
    parser.add_argument("--source", metavar="TEXT", help="where the consent comes from: `phone call of 3 May`")
    parser.add_argument(
        "--text-version", default="", metavar="TEXT", help="the version of the text that they agreed to"
    )
    parser.add_argument("--reason", default="manual", help="why an address is suppressed")
    parser.add_argument("--mapping", metavar="NAME", help="of a suppression list: klaviyo, braze or a file")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the file of an export; by default it is printed")


def consent(
    invocation: Invocation,
    action: str,
    arguments: list[str],
    channel: str | None,
    topic: list[str],
    source: str | None,
    text_version: str,
    reason: str,
    mapping: str | None,
    to: Path | None,
) -> None:
    """Show and record consent, and manage the suppression list.

    A consent recorded by hand applies to all customer ids with the same address, and is kept with its source and your
    user name. `withdraw`, `pending` and `export` work while the project's files can't be read.

    Example: automation consent show ana@example.org
    """
    from automation.cli import suppressions

    given = arguments
    if action == "suppressions":
        suppressions.run(invocation, given, channel, topic, reason, source, mapping)
    elif action == "pending":
        _pending(invocation)
    elif action == "ask":
        _ask(invocation)
    elif action == "export":
        _export(invocation, None if to is None else to.resolve())
    elif len(given) != 1:
        raise ConfigurationError(f"name the person: automation consent {action} CUSTOMER|ADDRESS")
    elif action == "show":
        _show(invocation, given[0])
    else:
        _record(invocation, action, given[0], channel or "email", topic, source, text_version)


def _show(invocation: Invocation, wanted: str) -> None:
    from automation.cli.consent_blocks import proof_blocks
    from automation.reporting.consent_proof import consent_proof

    with invocation.workspace() as workspace:
        found, shop = consent_proof(workspace, wanted), shop_format(workspace)
    invocation.output.show(found.to_json(), *proof_blocks(found, shop))


def _record(
    invocation: Invocation, action: str, wanted: str, channel: str, topics: list[str], source: str | None, text: str
) -> None:
    from automation.inbound.consents import record_by_hand, withdraw_on_record
    from automation.workspace.opened import OpenedStore

    missing = "--topic NAME" if not topics else "--source TEXT" if not source else None
    if missing:
        raise ConfigurationError(
            f"recording a consent by hand needs {missing}: automation consent {action} {wanted} {missing}"
        )
    with invocation.workspace() if action == "grant" else invocation.workspace_or_store(None) as opened:
        by = getpass.getuser()
        if isinstance(opened, OpenedStore):
            who, recorded = withdraw_on_record(
                opened, wanted, channel=channel, topics=topics, source=source or "", by=by
            )  # fmt: skip
        else:
            who, recorded = record_by_hand(
                opened, wanted, granted=action == "grant", channel=channel, topics=topics, source=source or "",
                method="by hand", by=by, text_version=text,
            )  # fmt: skip
    verb = "granted" if action == "grant" else "withdrawn"
    shown = f"{verb}: {', '.join(topics)} by {channel}, for {', '.join(who.ids)}"
    value = {"customers": list(who.ids), "channel": channel, "topics": topics, "granted": action == "grant"}
    invocation.output.show({**value, "recorded": recorded}, Text(shown, "success"))


def _pending(invocation: Invocation) -> None:
    from automation.cli.consent_blocks import requests_table
    from automation.reporting.pending_confirmations import pending_confirmations

    with invocation.outlined(None) as (opened, outline):
        found, shop = pending_confirmations(opened), outline.shop
    shown: Block = requests_table(found, shop) if found else Text("no consent is waiting for confirmation", "muted")
    invocation.output.show({"pending": [vars(request).copy() for request in found]}, shown)


def _ask(invocation: Invocation) -> None:
    from automation.daemon.manual_run import execute_run
    from automation.runner.double_opt_in import request_confirmations

    with invocation.workspace() as workspace:
        runs = request_confirmations(workspace)
        for run in runs:
            execute_run(workspace, run.id)
    asked = sum(run.audience or 0 for run in runs)
    shown = f"asked {format_count(asked, 'person', 'people')} to confirm" if runs else "nobody needs to be asked"
    invocation.output.show({"runs": [run.id for run in runs], "asked": asked}, Text(shown))


def _export(invocation: Invocation, to: Path | None) -> None:
    from automation.reporting.consent_proof import export_consents, to_csv

    with invocation.workspace_or_store(None) as opened:
        frame = export_consents(opened)
    text = to_csv(frame)
    if to is not None:
        to.write_text(text)
        shown = Text(f"wrote {format_count(frame.height, 'consent record')} to {to}", "success")
    else:
        shown = Text(text.rstrip("\n"))
    invocation.output.show({"file": to, "records": frame.to_dicts() if to is None else frame.height}, shown)
