"""What a text costs: the number of short messages that it is cut into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_SIZES = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True)
class Segments:
    """`count` short messages in one encoding; `units` are septets (GSM-7) or 16-bit units (UCS-2)."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    count: int

    def __str__(self) -> str:
        return f"{self.count} segment{'s' if self.count != 1 else ''}, {self.encoding}"


def segments(text: str) -> Segments:
    """How a text is sent (3GPP TS 23.038 and 23.040).

    One message of 160 septets where every character is of the GSM 7-bit alphabet (those of its extension table count
    twice), else of 70 units; longer texts in parts of 153 and 67, since each part says where it belongs. An extended
    character and a surrogate pair are never split between parts. An empty text is one message.
    """
    plain = all(character in _BASIC or character in _EXTENDED for character in text)
    encoding: Literal["GSM-7", "UCS-2"] = "GSM-7" if plain else "UCS-2"
    sizes = [_units(character, gsm=plain) for character in text]
    whole, part = _SIZES[encoding]
    units = sum(sizes)
    return Segments(encoding, units, 1 if units <= whole else _parts(sizes, part))


def _units(character: str, *, gsm: bool) -> int:
    return (2 if character in _EXTENDED else 1) if gsm else (2 if ord(character) > 0xFFFF else 1)


def _parts(sizes: Iterable[int], room: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > room:
            count, used = count + 1, 0
        used += size
    return count
