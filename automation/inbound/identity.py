"""Which customer ids and addresses are one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automation.errors import AutomationError
from automation.store.ledger import message_history
from automation.store.people import consent, suppressions
from automation.types.address import normalise
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir

ADDRESS_COLUMNS = ("email", "phone", "push_token")


@dataclass(frozen=True)
class Person:
    """One person: the ids that share an e-mail address, and every address of theirs as it is compared.

    Without an id the address belongs to no customer, but something is on record about it.
    """

    ids: Sequence[str]
    addresses: Mapping[str, str]
    """Address → the kind that it is: email, phone or push."""
    customer: bool = True


def person(workspace: Workspace, wanted: str) -> Person:
    """The person with this customer id, or else with this address. Raises `AutomationError` where nobody is known."""
    warehouse = workspace.warehouse()
    try:
        customers = warehouse.table("customers")
        rows = _with_id(customers, [wanted]) or _with_address(customers, wanted)
        emails = {row["email"] for row in rows if row.get("email")}
        rows += [other for email in sorted(emails) for other in _with_address(customers, email)]
    finally:
        warehouse.close()
    found = {row["customer_id"]: row for row in sorted(rows, key=lambda row: row["customer_id"] != wanted)}
    if not found:
        return _on_record(workspace, wanted)
    return Person(tuple(found), _addresses(found.values()))


def _with_id(customers: ir.Table, ids: Sequence[str]) -> list[dict[str, Any]]:
    return _rows(customers, customers.customer_id.isin(ids))


def _with_address(customers: ir.Table, address: str) -> list[dict[str, Any]]:
    """Those whose e-mail address or phone number it is, however it is written there."""
    forms = sorted({address.strip().lower(), normalise(address), _with_letters(normalise(address))})
    same = customers.email.strip().lower().isin(forms)
    if "phone" in customers.columns:
        same |= customers.phone.strip().isin(forms)
    return _rows(customers, same)


def _rows(customers: ir.Table, condition: Any) -> list[dict[str, Any]]:
    columns = [name for name in ("customer_id", *ADDRESS_COLUMNS) if name in customers.columns]
    found: list[dict[str, Any]] = (
        customers.filter(condition).select(columns).order_by("customer_id").to_polars().to_dicts()
    )
    return found


def _with_letters(address: str) -> str:
    """The domain in its own letters again: what the warehouse may hold."""
    local, at, domain = address.partition("@")
    return f"{local}{at}{'.'.join(_label(label) for label in domain.split('.'))}"


def _label(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode().decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:  # not punycode after all
        return label


def _addresses(rows: Any) -> dict[str, str]:
    kinds = {"email": "email", "phone": "phone", "push_token": "push"}
    return {normalise(row[name]): kind for row in rows for name, kind in kinds.items() if row.get(name)}


def _on_record(workspace: Workspace, wanted: str) -> Person:
    """Somebody who is no customer, or no more one, but of whom something is on record."""
    form = normalise(wanted)
    with workspace.store.reading() as connection:
        words = consent.history(connection, [wanted], [form])
        listed = suppressions.list_rows(connection, address=form)
        sent = message_history.read_history(connection, [wanted], [form])
    if not words and not listed and not sent:
        raise AutomationError(
            f"there is no customer with the id or address {wanted!r}, and nothing is on record about it; "
            f"automation import customers brings them in"
        )
    ids = dict.fromkeys([word.customer_id for word in words] + [entry.customer_id for entry in sent])
    return Person(tuple(ids), {form: "email" if "@" in form else "phone"} if form not in ids else {}, False)
