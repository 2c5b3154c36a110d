"""Parses and validates a campaign file, or refuses it with all its problems."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from automation.config.campaign_checks import check_campaign
from automation.config.components import READERS
from automation.config.model_builder import build_model
from automation.config.not_built import refuse_unbuilt
from automation.config.problems import Problem, any_refuses, sort_problems
from automation.config.reading import Broken, Reading
from automation.config.settings import Settings
from automation.config.settings_file import KnownNames, with_built_in_names
from automation.config.source_map import SourceMap, read_source
from automation.plugin_manager import Registry
from automation.types.campaign import Campaign


@dataclass(frozen=True)
class CampaignFile:
    """A campaign file; `campaign` is None if a problem refuses it.

    path: relative to the project. name: the campaign's, or the file's if that can't be read. sha256: of the text.
    """

    path: str
    name: str
    text: str
    sha256: str
    campaign: Campaign | None
    problems: tuple[Problem, ...]


def parse_campaign(text: str, path: str, settings: Settings, registry: Registry) -> CampaignFile:
    """The campaign in `text`. Never raises, whatever the text contains."""
    return build_campaign(read_source(text, path), text, known_names(settings), registry)


def build_campaign(source: SourceMap, text: str, names: KnownNames, registry: Registry) -> CampaignFile:
    """The campaign of an already mapped text."""
    reading = Reading(source, registry, names.names, names.models, READERS)
    campaign = None
    if source.value is not None:
        made = build_model(reading, Campaign, source.value, ())
        refuse_unbuilt(reading)
        check_campaign(reading)
        campaign = None if isinstance(made, Broken) else made
    problems = sort_problems((*source.problems, *reading.problems))
    written = source.get(("name",))
    stem = source.file.rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".yml")
    return CampaignFile(
        source.file,
        written if isinstance(written, str) and written else stem,
        text,
        hashlib.sha256(text.encode()).hexdigest(),
        None if any_refuses(problems) else campaign,
        problems,
    )


def known_names(settings: Settings) -> KnownNames:
    """The names that a campaign may use."""
    sections: dict[str, Collection[str]] = {
        name: list(getattr(settings, name)) for name in ("topics", "offers", "channels", "segments")
    }
    queries = {name: condition.query for name, condition in settings.conditions.items()}
    return with_built_in_names(
        {**sections, "conditions": queries}, {name: model.kind for name, model in settings.models.items()}
    )
