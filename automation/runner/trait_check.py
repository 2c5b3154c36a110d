"""Finds traits that texts show and the data does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from automation.config.problems import Problem, Severity, unknown_name
from automation.messages.campaign_texts import subjects_of
from automation.messages.template.uses import Needs
from automation.types.schema import CUSTOMERS
from automation.workspace.campaigns import renderer_of, template_files

if TYPE_CHECKING:
    from automation.config.project import Project
    from automation.messages.render import Renderer
    from automation.messages.template.texts import Phrase
    from automation.types.seen import Seen

_WRITTEN = re.compile(rb"customer\s*(?:\.\s*(\w+)|\[)")


def check_traits(project: Project, seen: Seen) -> Iterator[Problem]:
    """An error for each place where such a trait would fail every message; a warning where a text says what to write
    instead."""
    known = {*CUSTOMERS.columns, *seen.traits}
    found: dict[str, Problem] = {}
    for file in project.campaigns.values():
        if file.campaign is None:
            continue
        renderer = renderer_of(project, template_files(project, file.campaign))
        subjects = subjects_of(file.campaign, file.path)
        if _has_other(renderer, subjects, known):
            for name in file.campaign.templates():
                found |= {str(problem): problem for problem in _unknown(renderer, name, subjects, known)}
    yield from found.values()


def _has_other(renderer: Renderer, subjects: list[Phrase], known: set[str]) -> bool:
    """Whether it is worth parsing anything: mostly it is not."""
    written = [*renderer.templates.files.values(), *(phrase.text.encode() for phrase in subjects)]
    return any(name.decode() not in known for body in written for name in _WRITTEN.findall(body))


def _unknown(renderer: Renderer, name: str, subjects: list[Phrase], known: set[str]) -> Iterator[Problem]:
    for placed in renderer.uses(name, subjects):
        path = placed.use.path
        if path[0] == "customer" and len(path) > 1 and path[1] not in known:
            error = placed.problem(unknown_name("trait", path[1], known))
            severity: Severity = "warning" if placed.use.needs is Needs.NOTHING else "error"
            yield Problem(error.file, error.line or 1, 1, "", error.what, severity)
