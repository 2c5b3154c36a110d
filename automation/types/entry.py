"""An entry: one person in a campaign, for one subject, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import polars as pl

GATHERING = ""
"""Where an entry stands until its start is settled: while `quiet_for` lasts, and until it is admitted."""


class Ending(StrEnum):
    """Why an entry is over."""

    DONE = "done"  # it came to the end of the steps
    STOPPED = "stopped"  # it came to a `stop`
    STOP_WHEN = "stop_when"
    TOO_LATE = "too_late"  # its first message, or the date it waited for, was over already
    NO_DATE = "no_date"  # the date it would wait for is not known
    CANCELLED = "cancelled"
    ERASED = "erased"
    NOT_IN_AUDIENCE = "not_in_audience"  # refused when it began
    REENTRY = "reentry"  # refused when it began


ENTRY_COLUMNS: Mapping[str, pl.DataType] = {
    "id": pl.Int64(),
    "run_id": pl.Int64(),  # the standing run, and with it the launched version
    "customer_id": pl.String(),
    "subject": pl.String(),  # the order, cart or product; "" for the customer
    "step": pl.String(),  # the node where it stands, GATHERING, or `journey.END`
    "due_at": pl.Int64(),  # milliseconds: when it goes on by itself; null: when its message is settled
    "since": pl.Int64(),  # milliseconds: from when its next wait counts
    "entered_at": pl.Int64(),  # milliseconds
    "cause": pl.String(),  # the id of the event that began it
    "message_id": pl.String(),  # its last message, until that is settled
    "heard": pl.String(),  # what its waits are for and has happened: `node:milliseconds`, a word for each
    "path": pl.String(),  # a word for each transition: step+minutes:code
}
"""An open entry as a frame has it."""
