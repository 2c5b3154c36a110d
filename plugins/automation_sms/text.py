"""What is the same for every SMS service: the number, the text, and how long it may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from automation.http.exchange import Undeliverable
from automation.http.options import ServiceOptions
from automation.types.address import Region, normalise
from automation.types.message import Rendered
from automation_sms.segments import Segments, segments

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class SmsOptions(ServiceOptions):
    """What a text may cost and how numbers are read."""

    max_segments: Annotated[int, Field(ge=1, le=255)] = Field(
        default=10, description="a text that is cut into more short messages than this has failed"
    )
    region: Region | None = Field(
        default=None, description="the country (`DE`) of numbers that are written without one; else they have failed"
    )
    footer: str = Field(default="", description="a last line for every text that lacks it: `Reply STOP to opt out`")


@dataclass(frozen=True)
class Sms:
    """One message, ready: its number in E.164 form, and its text as it is sent."""

    number: str
    text: str
    segments: Segments


def read_sms(message: Rendered, options: SmsOptions) -> Sms:
    """Raises `Undeliverable`."""
    number = normalise(message.to, options.region)
    if not _E164.fullmatch(number):
        raise Undeliverable("not a phone number with its country code")
    text = whole_text(message, options)
    if not text:
        raise Undeliverable("the text is empty")
    counted = segments(text)
    if counted.count > options.max_segments:
        raise Undeliverable(f"too long: {counted}; max_segments is {options.max_segments}")
    return Sms(number, text, counted)


def whole_text(message: Rendered, options: SmsOptions) -> str:
    """The text as it is sent, its footer with it; "" where there is none."""
    text = message.text.strip()
    return f"{text}\n{options.footer}" if text and options.footer and options.footer not in text else text
