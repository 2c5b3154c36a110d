"""`automation consent suppressions`: the list of addresses and domains that nothing is sent to."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Block, Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.cli.invocation import Invocation

VERBS = ("list", "add", "remove", "import")
_LISTED = 100


def run(
    invocation: Invocation,
    given: list[str],
    channel: str | None,
    topics: list[str],
    reason: str,
    source: str | None,
    mapping: str | None,
) -> None:
    """List, add, remove or import."""
    verb, rest = (given[0], given[1:]) if given else ("list", [])
    if verb not in VERBS:
        raise ConfigurationError(f"suppressions {verb} is not known; write {', '.join(VERBS)}")
    if verb == "list":
        _list(invocation, rest)
    elif not rest:
        raise ConfigurationError(f"say which: automation consent suppressions {verb} {_WANTED[verb]}")
    elif verb == "import":
        _import(invocation, rest, mapping)
    elif verb == "add":
        _add(invocation, rest, channel or "", topics, reason, source)
    else:
        _remove(invocation, rest, channel, topics)


_WANTED = {"add": "ADDRESS|@DOMAIN", "remove": "ADDRESS|@DOMAIN", "import": "FILE"}


def _list(invocation: Invocation, addresses: list[str]) -> None:
    from automation.cli.consent import suppressed_table
    from automation.store.people import suppressions

    limit = None if invocation.output.as_json or addresses else _LISTED
    with invocation.workspace() as workspace, workspace.store.reading() as connection:
        wanted: list[str | None] = [*addresses] or [None]
        found = [row for one in wanted for row in suppressions.list_rows(connection, address=one, limit=limit)]
    shown: list[Block] = [suppressed_table(found) if found else Text("nobody is suppressed", "faint")]
    if len(found) == limit:
        shown.append(Text(f"the newest {limit}; --format json prints all", "faint"))
    invocation.output.show({"suppressions": [vars(row).copy() for row in found]}, *shown)


def _add(
    invocation: Invocation, addresses: list[str], channel: str, topics: list[str], reason: str, source: str | None
) -> None:
    from automation.inbound.consents import check_names
    from automation.store.people import suppressions

    if reason not in suppressions.REASONS:
        raise ConfigurationError(f"{reason!r} is not a reason; write {', '.join(suppressions.REASONS)}")
    by = source or f"by hand, {getpass.getuser()}"
    with invocation.workspace() as workspace:
        check_names(workspace, channel, topics)
        with workspace.store.transaction() as connection:
            added = sum(
                suppressions.suppress(
                    connection, addresses, channel=channel, topic=topic, reason=reason, source=by,
                    now=workspace.clock.now(),
                )
                for topic in topics or [suppressions.EVERY]
            )  # fmt: skip
    told = f"{added:,} new on the list; nothing more is sent to {', '.join(addresses)}"
    invocation.output.show({"suppressed": addresses, "added": added}, Text(told, "good"))


def _remove(invocation: Invocation, addresses: list[str], channel: str | None, topics: list[str]) -> None:
    from automation.store.people import suppressions

    with invocation.workspace() as workspace, workspace.store.transaction() as connection:
        removed = sum(
            suppressions.remove(connection, address, channel=channel, topics=topics or None) for address in addresses
        )
    if removed:
        told = Text("taken off the list; a consent that was withdrawn stays withdrawn", "good")
    else:
        told = Text(f"not on the list: {', '.join(addresses)}", "odd")
    invocation.output.show({"addresses": addresses, "removed": removed}, told)


def _import(invocation: Invocation, files: list[str], mapping: str | None) -> None:
    from automation.cli.import_ import placed
    from automation.cli.migrate import import_migration

    paths = [Path(file).resolve() for file in files]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise ConfigurationError(f"{missing}: there is no such file")
    import_migration(invocation, "suppressions", paths, placed(mapping))
