"""config.yaml's `consent:`: which topics need a confirmation, and which wording people agree to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from automation.types.grammar import Grammar, Names


class DoubleOptIn(Grammar):
    """How the owner of an address is asked to confirm a yes."""

    template: str = Field(description="the message that asks; it shows `{{ links.confirm }}`")
    topic: Annotated[str, Names("topics")] = Field(
        description="the service topic under which it is sent: who is asked has not agreed to marketing yet"
    )


class ConsentSettings(Grammar):
    """What a yes needs before it counts, and what is kept as its proof."""

    double_opt_in: Mapping[str, DoubleOptIn] = Field(
        default_factory=dict, description="topic → how its yes is confirmed; until then it grants nothing"
    )
    text_versions: Mapping[str, str] = Field(
        default_factory=dict,
        description="topic → the version of the wording that people agree to now; kept with every yes as its proof",
    )
