"""How often and when a campaign may write to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from automation.types.grammar import FileModel, Text
from automation.types.quantity import Duration, parse_duration
from automation.types.rate import RateText
from automation.types.schedule import Hours, parse_hours


class Cap(FileModel):
    """`2 per 7d`: at most `sends` in any `window`."""

    text_form: ClassVar[Text] = Text(r"^\d+ per \d+\s*(s|min|m|h|d|w)$", "2 per 7d")

    sends: Annotated[int, Field(ge=1)]
    window: Duration

    @classmethod
    def from_text(cls, text: str) -> Cap:
        """Raises ValueError."""
        number, per, window = text.partition(" per ")
        if not per or not number.strip().isdecimal() or int(number) < 1:
            raise ValueError(f"{text!r} is not a cap; write 2 per 7d")
        return cls(sends=int(number), window=parse_duration(window))


@dataclass(frozen=True)
class WhenCapped:
    """What happens to a message over a cap: it waits up to `wait`, or is dropped (None).

    `text` is what the file says.
    """

    wait: timedelta | None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


def parse_when_capped(text: object) -> WhenCapped:
    """`drop`, or `wait 2d`. Raises ValueError."""
    if isinstance(text, WhenCapped):
        return text
    if text == "drop":
        return WhenCapped(None, "drop")
    if isinstance(text, str) and text.startswith("wait "):
        return WhenCapped(parse_duration(text.removeprefix("wait ").strip()), text)
    raise ValueError(f"{text!r} is not known; write drop, or wait 2d")


@dataclass(frozen=True)
class Reentry:
    """Whether a person may be in the campaign again: `never`, `always`, or `after` that time.

    `text` is what the file says.
    """

    kind: Literal["never", "always", "after"]
    after: timedelta | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text

    def lasts(self, span: timedelta) -> bool:
        """Whether a person stays out of the campaign for at least `span` after a message of it."""
        return self.kind == "never" or (self.after is not None and self.after >= span)


def parse_reentry(text: object) -> Reentry:
    """`never`, `always`, or `after 30d`. Raises ValueError."""
    if isinstance(text, Reentry):
        return text
    if text == "never":
        return Reentry("never", text="never")
    if text == "always":
        return Reentry("always", text="always")
    if isinstance(text, str) and text.startswith("after "):
        return Reentry("after", parse_duration(text.removeprefix("after ").strip()), text)
    raise ValueError(f"{text!r} is not known; write never, always, or after 30d")


WhenCappedText = Annotated[
    WhenCapped,
    BeforeValidator(parse_when_capped),
    PlainSerializer(str, return_type=str),
    Text(r"^(drop|wait \d+\s*(s|min|m|h|d|w))$", "wait 2d"),
]
QuietHoursText = Annotated[
    Hours,
    BeforeValidator(parse_hours),
    PlainSerializer(str, return_type=str),
    Text(r"^\d\d:\d\d-\d\d:\d\d$", "20:00-09:00"),
]
ReentryText = Annotated[
    Reentry,
    BeforeValidator(parse_reentry),
    PlainSerializer(str, return_type=str),
    Text(r"^(never|always|after \d+\s*(s|min|m|h|d|w))$", "after 30d"),
]


class Limits(FileModel):
    """What bounds a campaign's messages beside the caps of config.yaml."""

    cap: Cap | None = None
    when_capped: WhenCappedText = parse_when_capped("drop")
    quiet_hours: QuietHoursText | None = None
    when_quiet: Literal["wait", "drop"] = "wait"
    freshness: Mapping[str, Duration] = Field(
        default_factory=dict, description="another limit than config.yaml's for this campaign, by event type"
    )
    rate: RateText | None = None
    approve_above: Annotated[int, Field(ge=0)] | None = None
    on_edit: Literal["stay", "move"] = "stay"
    on_ambiguous: Literal["hold", "resend", "resolve"] = "hold"
