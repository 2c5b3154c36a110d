"""An attachment as a MIME part: base64, with a name outside ASCII by RFC 2231."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import quote

from automation.types.message import Attachment
from automation_email.address import MimeError, reject_control_characters

_MEDIA_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}")
_PIECE = re.compile(r"(?:%[0-9A-F]{2}|[^%]){1,19}")  # 57 characters at most, no escape cut
_LONGEST = 200


def part(attachment: Attachment) -> list[str]:
    """Header lines, an empty line, the content. Raises `MimeError` for an invalid name or type.

    Composite types (multipart, message) can't be encoded in base64 (RFC 2046) and are refused.
    """
    kind = attachment.media_type.lower()
    reject_control_characters(attachment.name, "an attachment's name")
    if not _MEDIA_TYPE.fullmatch(kind):
        raise MimeError(f"an attachment of the type {kind[:40]!r} can't be sent")
    if not attachment.name or len(attachment.name) > _LONGEST:
        raise MimeError(f"an attachment's name has 1 to {_LONGEST} characters")
    encoded = binascii.b2a_base64(attachment.content, newline=False).decode()
    return [
        f"Content-Type: {kind}",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;\r\n " + ";\r\n ".join(_filename(attachment.name)),
        "",
        "\r\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76)),
    ]


def _filename(name: str) -> Iterator[str]:
    if name.isascii() and len(name) <= 60:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        yield f'filename="{escaped}"'
        return
    try:
        pieces = _PIECE.findall(quote(name, safe=""))
    except UnicodeEncodeError as error:
        raise MimeError("an attachment's name holds a lone surrogate") from error
    for number, piece in enumerate(pieces):
        label = "filename*" if len(pieces) == 1 else f"filename*{number}*"
        charset = "" if number else "utf-8''"
        yield f"{label}={charset}{piece}"
