"""The committer's side of an executor: registers workers, recovers dead ones, and gives them launches and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from automation.delivery.executor import LaunchedText
from automation.delivery.processes import boot_id, host, started
from automation.delivery.recovery import recorder_file, recover
from automation.store import launches, runs
from automation.store.ledger import workers
from automation.store.ledger.workers import WorkerRow
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class StoreExecutorHost:
    """Over the workspace's store, in one committer's epoch."""

    workspace: Workspace
    epoch: int

    def register(self, pid: int) -> tuple[int, Path]:
        with self.workspace.store.transaction() as connection:
            worker_id = workers.register_worker(
                connection,
                host=host(),
                boot_id=boot_id(),
                pid=pid,
                pid_started=started(pid),
                epoch=self.epoch,
                now=self.workspace.clock.now(),
            )
        path = recorder_file(self.workspace, worker_id)
        path.unlink(missing_ok=True)  # left from before the store was restored, when the same id was used
        return worker_id, path

    def recover(self, worker_id: int) -> None:
        with self.workspace.store.reading() as connection:
            found: list[WorkerRow] = [one for one in workers.unfinished_workers(connection) if one.id == worker_id]
        for one in found:
            recover(self.workspace, one)

    def pinned(self, launch_id: int) -> LaunchedText:
        with self.workspace.store.reading() as connection:
            launch = launches.read_launch(connection, launch_id)
            text = launches.read_content(connection, launch.campaign_sha256).decode()
            files = {path: launches.read_content(connection, sha256) for path, sha256 in launch.templates.items()}
        return LaunchedText(launch.campaign, text, files)

    def content(self, run_id: int, batch_no: int) -> Mapping[str, Mapping[str, object]]:
        with self.workspace.store.reading() as connection:
            return runs.content(connection, run_id, batch_no)
