"""How far the inbox was heard, as a fact of the store: what lies behind it has had its effect on journeys."""

from __future__ import annotations

from automation.store.statements import Connection, execute, read_value

_HEARD = "heard:inbox"


def read_heard(connection: Connection) -> int:
    """The last inbox row that was heard; 0 if none was."""
    return int(read_value(connection, "SELECT value FROM fact WHERE key = ?", _HEARD) or 0)


def has_unheard(connection: Connection) -> bool:
    """Whether something came in since."""
    newer = "SELECT id FROM inbox WHERE id > ? LIMIT 1"
    return read_value(connection, newer, read_heard(connection)) is not None


def set_heard(connection: Connection, row: int) -> None:
    """Everything up to this inbox row has been heard."""
    statement = "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    execute(connection, statement, _HEARD, str(row))
