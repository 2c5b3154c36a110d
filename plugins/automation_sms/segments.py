"""The number of SMS segments that a text needs, which determines its price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
_SIZES = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True)
class Segments:
    """`count` segments in one encoding; `units` are septets (GSM-7) or 16-bit code units (UCS-2)."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    count: int

    def __str__(self) -> str:
        return f"{self.count} segment{'s' if self.count != 1 else ''}, {self.encoding}"


def count_segments(text: str) -> Segments:
    """Encoding and number of segments of a text (3GPP TS 23.038 and 23.040).

    If all characters are in the GSM 7-bit alphabet (characters of its extension table count twice), one segment holds
    160 septets; otherwise 70 units. Each segment of a longer text has a header, so it holds 153 or 67. An extended
    character or a surrogate pair is never split between segments. An empty text is one segment.
    """
    plain = all(character in _GSM_BASIC or character in _GSM_EXTENDED for character in text)
    encoding: Literal["GSM-7", "UCS-2"] = "GSM-7" if plain else "UCS-2"
    sizes = [_count_units(character, gsm=plain) for character in text]
    single, part = _SIZES[encoding]
    units = sum(sizes)
    return Segments(encoding, units, 1 if units <= single else _count_parts(sizes, part))


def _count_units(character: str, *, gsm: bool) -> int:
    return (2 if character in _GSM_EXTENDED else 1) if gsm else (2 if ord(character) > 0xFFFF else 1)


def _count_parts(sizes: Iterable[int], capacity: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > capacity:
            count, used = count + 1, 0
        used += size
    return count
