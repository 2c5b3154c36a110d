"""What is counted of a project's messages, and whose consent that needs."""

from __future__ import annotations

from collections.abc import Mapping

from automation.config.project import Project
from automation.pipeline.tracking import TrackingPolicy
from automation.workspace.channels import kinds_of


def tracked_channels(project: Project) -> Mapping[str, frozenset[str]]:
    """The channels whose messages count opens (`opened`), and those that count clicks (`clicked`), as config.yaml is
    now."""
    links = project.settings.links
    if links.base_url is None or links.track is False:
        return {}
    emails = frozenset(channel for channel, kind in kinds_of(project).items() if kind == "email")
    return {"clicked": emails, **({"opened": emails} if links.track is True else {})}


def tracking_policy(project: Project) -> TrackingPolicy | None:
    """Whose opens and clicks may be counted; None where nothing is counted, or no consent is needed for it."""
    topic, channels = project.settings.consent.tracking, tracked_channels(project)
    return TrackingPolicy(topic, channels["clicked"]) if topic is not None and channels else None
