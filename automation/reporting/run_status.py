"""One run: its state, and an account of every member of its audience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from automation.reporting.json_output.plans import counts_json
from automation.store import runs, schedules
from automation.store.ledger import accounts
from automation.store.ledger import ambiguous as ambiguous_messages
from automation.store.ledger.ambiguous import Ambiguous
from automation.store.runs import RunRow
from automation.types.run import Account

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements

_RUN = ("id", "campaign", "kind", "due_key", "due_at", "as_of", "state", "created_at", "finished_at", "error")


@dataclass(frozen=True)
class RunStatus:
    """reasons: customers by outcome and reason. variants: by variant and outcome. channels: messages that wait, are on
    their way, were sent or may have arrived, by channel and state.

    ambiguous: messages that may have arrived and are not sent again. next_message: when the first waiting one is due.
    """

    run: RunRow
    account: Account
    reasons: Mapping[tuple[str, str], int]
    variants: Mapping[tuple[str, str], int]
    ambiguous: Sequence[Ambiguous] = ()
    next_message: datetime | None = None
    channels: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The parts of `account` sum to its `audience`."""
        return {
            **{name: getattr(self.run, name) for name in _RUN},
            "hold": self.run.hold,
            "test": self.run.test,
            "account": vars(self.account).copy(),
            "adds_up": self.account.adds_up,
            "ambiguous": [vars(message).copy() for message in self.ambiguous],
            "reasons": counts_json(self.reasons, "outcome", "reason"),
            "variants": counts_json(self.variants, "variant", "outcome"),
            "channels": counts_json(self.channels, "channel", "state"),
        }


def run_status(opened: OpenedByStatements, run_id: int) -> RunStatus:
    """Raises `StoreError` where there is no such run."""
    with opened.store.reading() as connection:
        return RunStatus(
            runs.get(connection, run_id),
            accounts.account(connection, run_id),
            accounts.count_reasons(connection, run_id),
            accounts.count_variants(connection, run_id),
            ambiguous_messages.find_in_run(connection, run_id),
            schedules.next_due_of_run(connection, run_id),
            accounts.count_channels(connection, run_id),
        )
