"""Sample decisions: what a few customers would get, rendered as it would be sent, with nothing granted or reserved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from automation.errors import AutomationError
from automation.messages.batch_content import read_content
from automation.messages.compose import compose
from automation.pipeline.decide import Decided, RunContext
from automation.runner.sample_message import sample_message, untracked_defaults
from automation.types.message import Rendered
from automation.workspace.campaigns import renderer_of, template_files
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class Sample:
    """One customer's decision and, if it is to send one, the message."""

    customer_id: str
    outcome: str
    reason: str
    variant: str | None
    offer: str | None
    rendered: Rendered | None


def render_samples(
    workspace: Workspace,
    context: RunContext,
    decided: Decided,
    limit: int,
    now: datetime,
    *,
    strict: bool = True,
    templates: Mapping[str, bytes] | None = None,
) -> list[Sample]:
    """Samples of a batch, those with a message first. strict: raise where a message can't be rendered.

    templates: the files to render, by default those of the project now.
    """
    campaign = context.campaign
    rows = decided.rows.sort(pl.col("outcome") != "message", maintain_order=True).head(limit)
    files = template_files(workspace.project, campaign) if templates is None else templates
    renderer = renderer_of(workspace.project, files)
    defaults = untracked_defaults(workspace)
    content = read_content(json.loads(decided.content), campaign, renderer.reasons)
    samples = []
    for row in rows.iter_rows(named=True):
        rendered = None
        if row["outcome"] == "message":
            try:
                rendered = compose(sample_message(campaign, row, now), campaign, renderer, defaults, content)
            except AutomationError:
                if strict:
                    raise
        decision = (row["customer_id"], row["outcome"], row["reason"], row["variant"], row["offer"])
        samples.append(Sample(*decision, rendered))
    return samples
