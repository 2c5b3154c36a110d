"""Number, text and length of an SMS, the same for every service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from automation.http.options import ServiceOptions
from automation.http.sending import Undeliverable
from automation.types.address import Region, normalise
from automation.types.message import Rendered
from automation_sms.segments import Segments, count_segments

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class SmsOptions(ServiceOptions):
    """Options that all SMS channels share."""

    max_segments: Annotated[int, Field(ge=1, le=255)] = Field(
        default=10, description="a message with more segments than this fails"
    )
    region: Region | None = Field(
        default=None,
        description="the country (`DE`) of numbers without a country code; without `region` such numbers fail",
    )
    footer: str = Field(
        default="", description="a last line, added if the text does not contain it: `Reply STOP to opt out`"
    )


@dataclass(frozen=True)
class Sms:
    """An SMS to send: the number in E.164 format, the text with its footer, and its segments."""

    number: str
    text: str
    segments: Segments


def prepare_sms(message: Rendered, options: SmsOptions) -> Sms:
    """The SMS for a message. Raises `Undeliverable` for an invalid number, an empty text or too many segments."""
    number = normalise(message.to, options.region)
    if not _E164.fullmatch(number):
        raise Undeliverable("not a phone number with a country code")
    text = add_footer(message, options)
    if not text:
        raise Undeliverable("the text is empty")
    segments = count_segments(text)
    if segments.count > options.max_segments:
        raise Undeliverable(f"too long: {segments}; max_segments is {options.max_segments}")
    return Sms(number, text, segments)


def add_footer(message: Rendered, options: SmsOptions) -> str:
    """The text with the footer; "" if the text is empty."""
    text = message.text.strip()
    return f"{text}\n{options.footer}" if text and options.footer and options.footer not in text else text
