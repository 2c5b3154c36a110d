"""config.yaml's `consent:`: the topics with double opt-in, and the wording that people agree to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from automation.types.grammar import FileModel, Names
from automation.types.quantity import Duration

ConsentState = Literal["given", "withdrawn", "refused"]
"""What counts now: a no after an earlier yes is a withdrawal, any other a refusal."""


class DoubleOptIn(FileModel):
    """How the owner of an address is asked to confirm a consent."""

    template: str = Field(description="the message that asks; it shows `{{ links.confirm }}`")
    topic: Annotated[str, Names("topics")] = Field(
        description="the service topic under which it is sent, since the recipient has not agreed to marketing yet"
    )


class ConsentSettings(FileModel):
    """What a consent needs before it counts, and what is recorded as its proof."""

    double_opt_in: Mapping[str, DoubleOptIn] = Field(
        default_factory=dict, description="topic → how its consent is confirmed; until then it grants nothing"
    )
    confirm_within: Duration = Field(
        default=timedelta(days=30),
        description="how long a request can be confirmed, and how long after its message a link to confirm works",
    )
    profiling: Annotated[str, Names("topics")] | None = Field(
        default=None,
        description="a service topic whose refusal is an objection to profiling: such a person gets no marketing that "
        "chooses people by more than traits, and no personal recommendations",
    )
    tracking: Annotated[str, Names("topics")] | None = Field(
        default=None,
        description="a marketing topic whose consent is needed to count opens and clicks: messages to other people "
        "carry neither the pixel nor tracked links",
    )
    text_versions: Mapping[str, str] = Field(
        default_factory=dict,
        description="topic → the version of the current wording, recorded with every consent as its proof",
    )
