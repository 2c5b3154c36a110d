"""Consent records, suppressions and confirmations, for `consent` and its `suppressions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.reporting.consent_proof import ConsentProof
    from automation.store.people.consent import ConsentRecordRow
    from automation.store.people.double_opt_in import ConsentRequestRow
    from automation.store.people.suppressions import SuppressionRow
    from automation.workspace.shop_format import ShopFormat


def proof_blocks(found: ConsentProof, shop: ShopFormat) -> list[Block]:
    who = ", ".join([*found.person.ids, *found.person.addresses])
    shown: list[Block] = [Text(who, "strong"), _records(found.records, shop)]
    if found.suppressions:
        shown.append(suppressions_table(found.suppressions, shop))
    if found.requests:
        shown.append(requests_table(found.requests, shop))
    return shown


def _records(records: Sequence[ConsentRecordRow], shop: ShopFormat) -> Block:
    """Every consent given, refused or withdrawn, the oldest first."""
    from automation.store.people.consent import name_records

    if not records:
        return Text("no consent on record", "muted")
    rows = [
        (
            shop.cell(record.at), record.customer_id, record.channel, record.topic,
            state, record.method, record.source, record.text_version,
            f"{record.recorded_by}, {shop.cell(record.recorded_at)}",
        )
        for record, state in name_records(records)
    ]  # fmt: skip
    columns = (f"when ({shop.zone})", "customer", "channel", "topic", "consent", "how", "source", "text", "recorded by")
    return Table(columns, rows)


def suppressions_table(rows: Sequence[SuppressionRow], shop: ShopFormat) -> Table:
    """An empty channel or topic means every one."""
    shown = [(r.address, r.channel or "every", r.topic or "every", r.reason, shop.cell(r.at), r.source) for r in rows]
    return Table(("suppressed", "channel", "topic", "reason", f"since ({shop.zone})", "source"), shown)


def requests_table(requests: Sequence[ConsentRequestRow], shop: ShopFormat) -> Table:
    """Consents that need a confirmation, and whether it came."""
    rows = [
        (shop.cell(r.requested_at), r.customer_id, r.channel, r.topic, r.address, r.state, r.message_id or "")
        for r in requests
    ]
    return Table((f"requested ({shop.zone})", "customer", "channel", "topic", "address", "state", "message"), rows)
