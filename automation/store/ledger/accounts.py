"""How many members of a run's audience are where, by state, channel, reason and variant."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from automation.store.statements import Connection, execute, places, read_value
from automation.types.message import LIVE
from automation.types.run import Account


def account(connection: Connection, run_id: int) -> Account:
    """The state of every member of the run's audience; the parts add up to it."""
    counts: dict[str, int] = {
        "audience": int(read_value(connection, _FROZEN, run_id)),  # PostgreSQL adds up 64 bits as a decimal
        "unplanned": int(read_value(connection, f"{_FROZEN} AND state = 'frozen'", run_id)),
    }
    for state, n in execute(connection, _STANDING, run_id):
        counts[state] = counts.get(state, 0) + n
    return Account(**counts)


def count_channels(connection: Connection, run_id: int) -> dict[tuple[str, str], int]:
    """The run's live messages by channel and state; they add up to those states of its account."""
    live = [state.value for state in LIVE]
    query = f"""
        SELECT m.channel, s.state, count(*)
        FROM message m JOIN message_status s ON s.message_id = m.id
        WHERE s.run_id = ? AND s.state IN ({places(live)})
        GROUP BY m.channel, s.state
        """
    return {(channel, state): n for channel, state, n in execute(connection, query, run_id, *live)}


def count_reasons(connection: Connection, run_id: int) -> dict[tuple[str, str], int]:
    """How many decisions of a run have each outcome and reason."""
    query = "SELECT outcome, reason, count(*) FROM decision WHERE run_id = ? GROUP BY outcome, reason"
    return {(outcome, reason): n for outcome, reason, n in execute(connection, query, run_id)}


def count_variants(connection: Connection, run_id: int) -> dict[tuple[str, str], int]:
    """How many of a run's members each variant has, by outcome."""
    query = """
        SELECT variant, outcome, count(*) FROM decision
        WHERE run_id = ? AND variant IS NOT NULL
        GROUP BY variant, outcome
        """
    return {(variant, outcome): n for variant, outcome, n in execute(connection, query, run_id)}


_FROZEN = "SELECT coalesce(sum(n), 0) FROM batch WHERE run_id = ?"
_STANDING = """
    SELECT coalesce(s.state, d.outcome) AS standing, count(*) AS n
    FROM decision d
    LEFT JOIN message_status s ON d.outcome = 'message' AND s.message_id = (
        SELECT l.message_id FROM message m JOIN message_status l ON l.message_id = m.id WHERE m.decision_id = d.id
        ORDER BY l.state IN ('queued', 'sending', 'sent', 'ambiguous') DESC, l.settled_at DESC LIMIT 1)
    WHERE d.run_id = ?
    GROUP BY 1
    """
