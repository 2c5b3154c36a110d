"""What every model of a project's files shares, and the marks that its fields may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict


class FileModel(BaseModel):
    """A mapping of a file: frozen, and closed against unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


Named = Literal[
    "topics",
    "offers",
    "channels",
    "segments",
    "conditions",
    "recommenders",
    "segmenters",
    "offer_policies",
    "suppressions",
]


@dataclass(frozen=True)
class Names:
    """Marks a field as the name of something that must exist: `Annotated[str, Names("topics")]`.

    Of the kinds of components (and `channels` under `channels:` in config.yaml) it marks an `InstanceOf[Using]`.
    """

    what: Named


@dataclass(frozen=True)
class Text:
    """Marks a text with the JSON Schema pattern that its validator accepts, and an example."""

    pattern: str
    example: str
