"""`automation migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.reporting.migration import MigrationStatus
    from automation.workspace.shop_format import ShopFormat


def migrate(
    context: typer.Context,
    nothing_to_import: Annotated[
        bool,
        typer.Option("--nothing-to-import", help="confirm, with --by and --because, that there is no list"),
    ] = False,
    by: Annotated[str, typer.Option(help="who confirms it")] = "",
    because: Annotated[str, typer.Option(help="why there is none; kept with the name")] = "",
    data_dir: DataDir = None,
) -> None:
    """Show the migration from another tool, or confirm that none is needed.

    Channels that really send refuse to until a suppression list was imported, or somebody confirmed that there is none.

    Example: automation migrate --nothing-to-import --by Ana --because "a new shop: no customer was ever written to"
    """
    from automation.inbound.migration.gate import confirm_nothing_to_import
    from automation.reporting.migration import migration_status

    invocation: Invocation = context.obj
    if (by or because) and not nothing_to_import:
        raise ConfigurationError("--by and --because need --nothing-to-import")
    with invocation.store_only(data_dir) as opened:
        if nothing_to_import:
            confirm_nothing_to_import(opened, by=by, because=because)
        found, shop = migration_status(opened), shop_format(opened)
    invocation.output.show(found.to_json(), *_status_blocks(found, shop))


def _status_blocks(found: MigrationStatus, shop: ShopFormat) -> list[Block]:
    rows = [
        (shop.cell(step.at), _NAMES.get(step.what, step.what), step.rows, step.by, step.detail) for step in found.steps
    ]
    shown: list[Block] = [Table((f"when ({shop.zone})", "what", "rows", "by", "file or reason"), rows)] if rows else []
    if found.complete:
        return [*shown, Text("the migration is complete: channels that really send may send", "success")]
    advice = (
        "no suppression list was imported yet; channels that really send refuse to send until you run either\n"
        "  automation import suppressions FILE --mapping klaviyo|braze|FILE\n"
        "  automation migrate --nothing-to-import --by NAME --because TEXT"
    )
    return [*shown, Text(advice, "warning")]


_NAMES = {"nothing": "nothing to import"}
