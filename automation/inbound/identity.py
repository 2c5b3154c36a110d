"""Which customer ids and addresses are one person: the one lookup by customer id, e-mail address or phone number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automation.errors import AutomationError
from automation.store.ledger import message_history
from automation.store.people import consent, suppressions
from automation.types.address import normalise
from automation.workspace.opened import Opened
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir

ADDRESS_COLUMNS = ("email", "phone", "push_token")
_KINDS = {"email": "email", "phone": "phone", "push_token": "push"}


@dataclass(frozen=True)
class Person:
    """One person: the ids that share an e-mail address, and all their addresses, normalised.

    customer: False if no customer has the id or address, but something is on record about it; ids may be empty then.
    """

    ids: Sequence[str]
    addresses: Mapping[str, str]
    """Address → its kind: email, phone or push."""
    customer: bool = True


def find_person(workspace: Workspace, wanted: str) -> Person:
    """The person with this customer id, or else with this address, in any spelling. Raises `AutomationError`.

    The id that was asked for comes first, otherwise the smallest.
    """
    warehouse = workspace.warehouse()
    try:
        customers = warehouse.table("customers")
        rows = _with_id(customers, wanted) or _with_address(customers, wanted)
        emails = {row["email"] for row in rows if row.get("email")}
        rows += [other for email in sorted(emails) for other in _with_address(customers, email)]
    finally:
        warehouse.close()
    by_id = {row["customer_id"]: row for row in sorted(rows, key=lambda row: row["customer_id"] != wanted)}
    if not by_id:
        return find_on_record(workspace, wanted)
    return Person(tuple(by_id), _addresses(by_id.values()))


def find_customer(workspace: Workspace, wanted: str) -> str:
    """The customer id itself, or else the first with this address. Raises `AutomationError` if no customer has it."""
    person = find_person(workspace, wanted)
    if not person.customer:
        raise AutomationError(f"there is no customer with the id or address {wanted!r}; {_TO_IMPORT}")
    return person.ids[0]


_TO_IMPORT = "to import customers: automation import customers FILE"


def _with_id(customers: ir.Table, customer_id: str) -> list[dict[str, Any]]:
    return _rows(customers, customers.customer_id == customer_id)


def _with_address(customers: ir.Table, address: str) -> list[dict[str, Any]]:
    """The customers whose e-mail address, phone number or push token it is, in any spelling."""
    spellings = sorted({address.strip().lower(), normalise(address), _in_unicode(normalise(address))})
    same = customers.email.strip().lower().isin(spellings)
    if "phone" in customers.columns:
        same |= customers.phone.strip().isin(spellings)
    if "push_token" in customers.columns:
        same |= customers.push_token == address.strip()
    return _rows(customers, same)


def _rows(customers: ir.Table, condition: Any) -> list[dict[str, Any]]:
    columns = [name for name in ("customer_id", *ADDRESS_COLUMNS) if name in customers.columns]
    rows: list[dict[str, Any]] = (
        customers.filter(condition).select(columns).order_by("customer_id").to_polars().to_dicts()
    )
    return rows


def _in_unicode(address: str) -> str:
    """The address with its domain in Unicode, as the warehouse may hold it."""
    local, at, domain = address.partition("@")
    return f"{local}{at}{'.'.join(_label(label) for label in domain.split('.'))}"


def _label(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode().decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:  # not punycode
        return label


def _addresses(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {normalise(row[name]): kind for row in rows for name, kind in _KINDS.items() if row.get(name)}


def find_on_record(opened: Opened, wanted: str) -> Person:
    """Somebody who is not, or no longer, a customer, but of whom something is on record."""
    form = normalise(wanted)
    with opened.store.reading() as connection:
        records = consent.history(connection, [wanted], [form])
        suppressed = suppressions.list_rows(connection, address=form)
        history = message_history.read_history(connection, [wanted], [form])
    if not records and not suppressed and not history.customer_ids:
        raise AutomationError(
            f"there is no customer with the id or address {wanted!r}, and nothing is on record about it; {_TO_IMPORT}"
        )
    ids = dict.fromkeys([row.customer_id for row in records] + history.customer_ids)
    return Person(tuple(ids), {form: "email" if "@" in form else "phone"} if form not in ids else {}, False)
