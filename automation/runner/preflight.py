"""Preflight: renders every message of an audience before a launch, in several processes where there are many."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import polars as pl

from automation.clock import from_millis, monotonic
from automation.config.project import Project, project_of_text
from automation.errors import AutomationError
from automation.messages.batch_content import BatchContent, read_content
from automation.messages.compose import MessageDefaults, compose
from automation.messages.inspect import Finding, Inspector, MessageFindings, MessageProblem
from automation.messages.legal_notices import LegalNotices
from automation.messages.render import Renderer
from automation.runner.sample_message import COLUMNS, sample_message, untracked_defaults
from automation.types.campaign import Campaign
from automation.types.plural import format_count
from automation.workspace.campaigns import parse_launched, renderer_of
from automation.workspace.message_defaults import message_defaults_of
from automation.workspace.plugins import registry_of
from automation.workspace.workspace import Workspace

Extent = Literal["all", "sample", "off"]
SAMPLE = 1_000
"""How many messages `sample` renders, spread over the whole audience."""
_ONE_PROCESS = 4_000  # customers, up to which starting more processes takes longer than it saves
_AHEAD = 3  # batches that wait for each process


@dataclass(frozen=True)
class Preflight:
    """The result of rendering the audience's messages. links: the pages that they link to."""

    extent: Extent
    messages: int
    rendered: int
    seconds: float
    problems: Sequence[MessageProblem]
    links: Sequence[str] = ()

    @property
    def errors(self) -> list[MessageProblem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def refuse_errors(name: str, preflight: Preflight) -> None:
    """Raises `AutomationError` where a message has an error."""
    if preflight.errors:
        lines = [f"  {format_count(p.messages, 'message')}: {p.what}; such as {p.customer}'s" for p in preflight.errors]
        raise AutomationError(
            f"campaign {name!r} is not launched, its messages have errors:\n" + "\n".join(lines) + "\n"
            f"to launch it anyway: automation launch {name} --ignore-preflight"
        )


@dataclass(frozen=True)
class Checker:
    """Renders and inspects messages in one process."""

    campaign: Campaign
    renderer: Renderer
    defaults: MessageDefaults
    legal: LegalNotices
    now: datetime

    def check(self, rows: Sequence[tuple[Any, ...]], content: str) -> MessageFindings:
        """Render a batch's messages. rows: `COLUMNS`, each."""
        shown = read_content(json.loads(content), self.campaign, self.renderer.reasons)
        findings = MessageFindings()
        inspector = Inspector(findings, self.legal)
        for values in rows:
            row = dict(zip(COLUMNS, values, strict=True))
            findings.note(row["customer_id"], self._findings(row, shown, inspector))
        return findings

    def _findings(self, row: Mapping[str, Any], content: BatchContent, inspector: Inspector) -> list[Finding]:
        grant = sample_message(self.campaign, row, self.now)
        try:
            message = compose(grant, self.campaign, self.renderer, self.defaults, content)
        except AutomationError as error:
            return [("cannot_render", str(error), "")]
        found = inspector.inspect(
            message,
            kind=self.defaults.kinds[grant.channel],
            wanted_language=json.loads(grant.context)["language"] or "",
        )
        return [*found, *self._offer(row)]

    def _offer(self, row: Mapping[str, Any]) -> list[Finding]:
        """Whether the offer may have ended when the message arrives; its validity counts from the due time."""
        plan = self.campaign.offer
        if plan is None or plan.valid_for is None or row["offer"] not in self.defaults.offers:
            return []
        over = from_millis(row["due_at"]) + plan.valid_for
        if over <= self.now:
            return [("offer_over", "the offer ends before the message can be sent", f"ends at {over:%Y-%m-%d %H:%M}")]
        if row["expires_at"] is not None and over < from_millis(row["expires_at"]):
            late = "the offer may have ended when a late message arrives: valid_for is shorter than max_lateness"
            return [("offer_ends_early", late, "")]
        return []


class Rendering:
    """Takes the batches of a plan and renders them meanwhile; `with` ends the processes."""

    def __init__(
        self, workspace: Workspace, campaign: Campaign, templates: Mapping[str, bytes], extent: Extent, audience: int
    ) -> None:
        self.templates = templates
        self.extent = extent
        self._every = max(1, audience // SAMPLE) if extent == "sample" else 1
        self._started = monotonic()
        self._messages = 0
        self._findings = MessageFindings()
        self._waiting: deque[Future[MessageFindings]] = deque()
        self._pool: ProcessPoolExecutor | None = None
        self._checker = _checker(workspace, campaign, templates)
        if extent == "all" and audience > _ONE_PROCESS and (os.cpu_count() or 1) > 1:
            self._pool = _pool(workspace, campaign, templates, self._checker.now)

    def take(self, rows: pl.DataFrame, content: str) -> None:
        """Render the messages among a batch's decisions."""
        messages = rows.filter(pl.col("outcome") == "message").select(COLUMNS)
        self._messages += messages.height
        if self.extent == "off":
            return
        chosen = messages.gather_every(self._every).rows()
        if self._pool is None:
            self._findings.add(self._checker.check(chosen, content))
            return
        self._waiting.append(self._pool.submit(_check, chosen, content))
        while len(self._waiting) > _AHEAD * _processes():
            self._findings.add(self._waiting.popleft().result())

    def result(self) -> Preflight:
        while self._waiting:
            self._findings.add(self._waiting.popleft().result())
        return Preflight(
            extent=self.extent,
            messages=self._messages,
            rendered=self._findings.rendered,
            seconds=monotonic() - self._started,
            problems=self._findings.in_order(),
            links=tuple(self._findings.links),
        )

    def __enter__(self) -> Rendering:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _checker(workspace: Workspace, campaign: Campaign, templates: Mapping[str, bytes]) -> Checker:
    project = workspace.project
    renderer = renderer_of(project, templates)
    return Checker(
        campaign, renderer, untracked_defaults(workspace), _legal_notices(project, campaign), workspace.clock.now()
    )


def _legal_notices(project: Project, campaign: Campaign) -> LegalNotices:
    settings = project.settings
    footers = {name: str(getattr(channel.options, "footer", None) or "") for name, channel in settings.channels.items()}
    return LegalNotices(settings.topics[campaign.topic] == "marketing", settings.shop.address, footers)


# In a process of the pool


@dataclass
class _Process:
    checker: Checker | None = None


_process = _Process()


def _processes() -> int:
    return min(os.cpu_count() or 1, 8)


def _pool(
    workspace: Workspace, campaign: Campaign, templates: Mapping[str, bytes], now: datetime
) -> ProcessPoolExecutor:
    project = workspace.project
    handed = (project.root, project.text, campaign.name, project.campaigns[campaign.name].text)
    return ProcessPoolExecutor(
        _processes(), multiprocessing.get_context("spawn"), _open, (*handed, templates, workspace.store.secret, now)
    )


def _open(
    root: Path, config: str, name: str, text: str, files: Mapping[str, bytes], secret: bytes, now: datetime
) -> None:
    project = project_of_text(root, config, registry_of(root))
    campaign = parse_launched(project, name, text)
    defaults = replace(message_defaults_of(project, secret), track=False)
    _process.checker = Checker(campaign, renderer_of(project, files), defaults, _legal_notices(project, campaign), now)


def _check(rows: Sequence[tuple[Any, ...]], content: str) -> MessageFindings:
    assert _process.checker is not None
    return _process.checker.check(rows, content)
