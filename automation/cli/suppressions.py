"""`automation consent suppressions`: the addresses and domains that nothing is sent to."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from automation.cli.output import Block, Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.cli.invocation import Invocation

_ARGUMENTS = {"list": "[ADDRESS]...", "add": "ADDRESS|@DOMAIN", "remove": "ADDRESS|@DOMAIN", "import": "FILE"}
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
    """given: list, add, remove or import, and its arguments."""
    verb, arguments = (given[0], given[1:]) if given else ("list", [])
    if verb not in _ARGUMENTS:
        raise ConfigurationError(f"there is no `suppressions {verb}`; use one of {', '.join(_ARGUMENTS)}")
    if verb == "list":
        _list(invocation, arguments)
    elif not arguments:
        what = "the file" if verb == "import" else "the address"
        raise ConfigurationError(f"name {what}: automation consent suppressions {verb} {_ARGUMENTS[verb]}")
    elif verb == "import":
        _import(invocation, arguments, mapping)
    elif verb == "add":
        _add(invocation, arguments, channel or "", topics, reason, source or f"by hand, {getpass.getuser()}")
    else:
        _remove(invocation, arguments, channel, topics)


def _list(invocation: Invocation, addresses: list[str]) -> None:
    from automation.cli.consent_blocks import suppressions_table
    from automation.reporting.consent_proof import suppression_list

    limit = None if invocation.output.as_json or addresses else _LISTED
    with invocation.workspace_or_store(None) as opened:
        found, shop = suppression_list(opened, addresses, limit=limit), shop_format(opened)
    shown: list[Block] = [suppressions_table(found, shop) if found else Text("nothing is suppressed", "muted")]
    if len(found) == limit:
        shown.append(Text(f"the newest {limit}; --format json prints all", "muted"))
    invocation.output.show({"suppressions": [vars(row).copy() for row in found]}, *shown)


def _add(
    invocation: Invocation, addresses: list[str], channel: str, topics: list[str], reason: str, source: str
) -> None:
    from automation.inbound.suppression_list import add_suppressions

    with invocation.workspace_or_store(None) as opened:
        added = add_suppressions(opened, addresses, channel=channel, topics=topics, reason=reason, source=source)
    shown = f"added {format_count(added, 'row')}; nothing more is sent to {', '.join(addresses)}"
    invocation.output.show({"suppressed": addresses, "added": added}, Text(shown, "success"))


def _remove(invocation: Invocation, addresses: list[str], channel: str | None, topics: list[str]) -> None:
    from automation.inbound.suppression_list import remove_suppressions

    with invocation.workspace_or_store(None) as opened:
        removed = remove_suppressions(opened, addresses, channel=channel, topics=topics)
    if removed:
        shown = Text(f"removed {format_count(removed, 'row')}; a withdrawn consent stays withdrawn", "success")
    else:
        shown = Text(f"not on the list: {', '.join(addresses)}", "warning")
    invocation.output.show({"addresses": addresses, "removed": removed}, shown)


def _import(invocation: Invocation, files: list[str], mapping: str | None) -> None:
    from automation.cli.import_ import absolute_mapping, import_migration

    paths = [Path(file).resolve() for file in files]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise ConfigurationError(f"{missing}: there is no such file")
    import_migration(invocation, "suppressions", paths, absolute_mapping(mapping))
