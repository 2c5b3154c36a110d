"""A customer's way through a journey: what happened when, where they stand, and why they are no longer in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from automation.errors import ConfigurationError
from automation.reporting.reasons import reason_text
from automation.store import entries, runs
from automation.store.entries import EntryRow
from automation.store.inbox import inbox
from automation.types.entry import GATHERING, Ending
from automation.types.journey import END, Program, compile_program
from automation.types.quantity import format_duration
from automation.types.step import Step
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.opened import Opened

ENDINGS: Mapping[str, str] = {
    Ending.DONE: "came to the end of the journey",
    Ending.STOPPED: "came to a step that stops the journey",
    Ending.STOP_WHEN: "did what ends the journey",
    Ending.TOO_LATE: "was too late for the next message",
    Ending.NO_DATE: "has no date to wait for",
    Ending.CANCELLED: "was taken out by an admin",
    Ending.ERASED: "was erased",
    Ending.NOT_IN_AUDIENCE: "is not in the audience",
    Ending.REENTRY: "was in this campaign too recently, or with the same order or cart",
}
"""Why an entry is over, in words."""
_ANSWERS = {"then": "it happened in time", "otherwise": "it did not happen in time", "none": "no branch holds"}


@dataclass(frozen=True)
class Moment:
    """at: when. step: where, as the file names or numbers it; "" for the start. what: in words."""

    at: datetime
    step: str
    what: str


@dataclass(frozen=True)
class JourneyPath:
    """One entry. standing: where the customer is now and until when; "" where the entry is over."""

    entry: int
    run: int
    subject: str
    entered_at: datetime
    cause: str
    moments: Sequence[Moment]
    standing: str
    due_at: datetime | None
    ended: str | None
    ended_at: datetime | None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def read_paths(opened: Opened, connection: Connection, customer_id: str, campaign: str) -> list[JourneyPath]:
    """The ways of a customer through a campaign, the newest first."""
    found = entries.of_customer(connection, customer_id, campaign)
    programs = {run: _program(opened, connection, run) for run in {one.run_id for one in found}}
    return [_path(opened, connection, one, programs[one.run_id]) for one in found]


def _program(opened: Opened, connection: Connection, run_id: int) -> Program | None:
    """None where the campaign as launched can't be read."""
    if opened.project is None:
        return None
    try:
        launch = LaunchedCampaigns(opened.project).get(connection, runs.get(connection, run_id).launch_id)
    except ConfigurationError:
        return None
    return compile_program(launch.campaign)


def _path(opened: Opened, connection: Connection, entry: EntryRow, program: Program | None) -> JourneyPath:
    event = inbox.find_type(connection, entry.cause)
    return JourneyPath(
        entry=entry.id,
        run=entry.run_id,
        subject=entry.subject,
        entered_at=entry.entered_at,
        cause=f"{event or 'event'} {entry.cause}",
        moments=[_moment(opened, connection, entry, word) for word in entry.path.split()],
        standing="" if entry.ended is not None else _standing(entry, program),
        due_at=entry.due_at,
        ended=entry.ended,
        ended_at=entry.ended_at,
    )


def _moment(opened: Opened, connection: Connection, entry: EntryRow, word: str) -> Moment:
    place, _, code = word.partition(":")
    step, _, minutes = place.rpartition("+")
    at = entry.entered_at + timedelta(minutes=int(minutes))
    if code.startswith(f"{Ending.STOP_WHEN.value}:ev"):
        event = inbox.find_row_type(connection, int(code.rpartition("ev")[2]))
        return Moment(at, step, f"ended by {event or 'an event'}")
    if code.isdecimal():
        return Moment(at, step, f"branch {code}")
    return Moment(at, step, _ANSWERS.get(code) or ("message" if code == "message" else reason_text(opened, code)))


def _standing(entry: EntryRow, program: Program | None) -> str:
    if entry.step == GATHERING:
        return "waits to begin"
    if entry.message_id is not None:
        return "waits until its message has left"
    if entry.step == END:
        return "is at the end of the journey"
    node = None if program is None else program.nodes.get(entry.step)
    return f"stands at step {entry.step}" if node is None else f"{_waits(node.step)} (step {entry.step})"


def _waits(step: Step) -> str:
    if step.wait is not None:
        length = f"for {format_duration(step.wait)}" if isinstance(step.wait, timedelta) else f"until {step.wait.until}"
        return f"waits {length}"
    if step.wait_for is not None:
        what = " or ".join(step.wait_for.types) or str(step.wait_for.enters)
        return f"waits for {what}, at most {format_duration(step.wait_for.up_to)}"
    return "is due for its next message" if step.send is not None else "is at a branch"
