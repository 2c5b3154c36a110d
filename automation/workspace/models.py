"""The models in use: which version of each, and the fitted model itself."""

from __future__ import annotations

from collections.abc import Mapping

from automation.contracts import Model
from automation.learn.models import load_model
from automation.store import models
from automation.workspace.workspace import Workspace


def active_versions(workspace: Workspace) -> dict[str, str]:
    """The model versions that a run which starts now uses."""
    with workspace.store.reading() as connection:
        return models.active(connection)


def load(workspace: Workspace, name: str, versions: Mapping[str, str]) -> Model:
    """A fitted model of config.yaml, with its parts. Raises `BadArtifact`."""
    settings = workspace.project.settings.models[name]
    parts = {part: load(workspace, part, versions) for part in settings.parts}
    return load_model(settings, workspace.project.registry, workspace.models, version=versions.get(name), parts=parts)
