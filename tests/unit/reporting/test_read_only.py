"""Reporting reads: whatever is asked, the store and the warehouse stay as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from support.project import launched_project
from support.toy_project import deliver

from automation.clock import ManualClock
from automation.inbound.identity import find_person
from automation.reporting.consent_proof import consent_proof, export_consents, suppression_list
from automation.reporting.customer_view import customer_view
from automation.reporting.doctor import diagnose
from automation.reporting.explain import explain
from automation.reporting.migration import migration_status
from automation.reporting.overview import overview
from automation.reporting.pending_confirmations import pending_confirmations
from automation.reporting.profile_report import profile_report
from automation.reporting.report import report
from automation.reporting.run_status import run_status
from automation.reporting.timeline import timeline
from automation.reporting.trained_models import trained_models
from automation.runner.claim import claim
from automation.runner.outline import read_outline
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUESTIONS: dict[str, Callable[[Workspace], object]] = {
    "consent_proof": lambda workspace: consent_proof(workspace, "c00000"),
    "export_consents": export_consents,
    "pending_confirmations": pending_confirmations,
    "suppression_list": suppression_list,
    "customer_view": lambda workspace: customer_view(workspace, "c00000"),
    "diagnose": diagnose,
    "explain": lambda workspace: explain(workspace, "hello", "c00000"),
    "migration_status": migration_status,
    "trained_models": trained_models,
    "overview": lambda workspace: overview(workspace, read_outline(workspace)),
    "profile_report": profile_report,
    "report": lambda workspace: report(workspace, "hello"),
    "run_status": lambda workspace: run_status(workspace, 1),
    "timeline": lambda workspace: timeline(workspace, find_person(workspace, "c00000")),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was sent, and an event that waits in the inbox."""
    made = launched_project(tmp_path_factory.mktemp("reporting") / "shop", customers=3, launched_at=NOON)
    with open_workspace(made, clock=ManualClock(NOON)) as workspace:
        warehouse = workspace.warehouse()
        bought = {"event_id": ["1"], "customer_id": "c00000", "type": "purchase", "amount": [20.0]}
        warehouse.append_events(pl.DataFrame({**bought, "occurred_at": [NOON - timedelta(days=4)]}))
        warehouse.close()
        run = claim(workspace, "hello", Due(RunKind.MANUAL, "1", NOON))
        assert run is not None
        advance(workspace, LaunchedCampaigns(workspace.project), run.id)
        deliver(workspace)
        with workspace.store.transaction() as connection:
            inbox.add_events(connection, [InboxEvent("2", "c00001", "view", NOON, None, {})], now=NOON)
    return made


def state(root: Path) -> tuple[str, dict[str, str]]:
    """The store's rows, and every other file of the data folder by its content."""
    store = sqlite3.connect(f"file:{root / 'var' / 'store.db'}?mode=ro", uri=True)
    rows = "\n".join(store.iterdump())
    store.close()
    files = {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "var").rglob("*"))
        if path.is_file() and not path.name.startswith("store.db")
    }
    return rows, files


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_changes_nothing(root: Path, question: str) -> None:
    before = state(root)
    with open_workspace(root, clock=ManualClock(NOON + timedelta(hours=1))) as workspace:
        QUESTIONS[question](workspace)
    assert state(root) == before
    assert "'view'" in before[0]
