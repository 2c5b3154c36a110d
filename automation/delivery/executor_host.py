"""The committer's side of an executor: registers processes, settles what dead ones left, shows what was launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from automation.delivery.executor import PinnedText
from automation.delivery.processes import boot_id, host, started
from automation.delivery.recovery import recorder_file, recover
from automation.store import launches, runs
from automation.store.ledger import workers
from automation.store.ledger.workers import FlightRow
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class StoreGround:
    """Over the workspace's store, within one committer's epoch."""

    workspace: Workspace
    epoch: int

    def take_off(self, pid: int) -> tuple[int, Path]:
        with self.workspace.store.transaction() as connection:
            flight = workers.take_off(
                connection,
                host=host(),
                boot_id=boot_id(),
                pid=pid,
                pid_started=started(pid),
                epoch=self.epoch,
                now=self.workspace.clock.now(),
            )
        path = recorder_file(self.workspace, flight)
        path.unlink(missing_ok=True)  # of a store that was restored, whose numbers begin again
        return flight, path

    def recover(self, flight: int) -> None:
        with self.workspace.store.reading() as connection:
            found: list[FlightRow] = [one for one in workers.not_landed(connection) if one.id == flight]
        for one in found:
            recover(self.workspace, one)

    def pinned(self, launch_id: int) -> PinnedText:
        with self.workspace.store.reading() as connection:
            launch = launches.launch_of(connection, launch_id)
            text = launches.content(connection, launch.campaign_sha256).decode()
            files = {path: launches.content(connection, sha256) for path, sha256 in launch.templates.items()}
        return PinnedText(launch.campaign, text, files)

    def products(self, run_id: int, batch_no: int) -> Mapping[str, Mapping[str, object]]:
        with self.workspace.store.reading() as connection:
            return runs.products(connection, run_id, batch_no)
