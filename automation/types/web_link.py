"""The form of a web link: what may come from a shop's data, be shown in a message, and be redirected to."""

from __future__ import annotations

import re

# One form for the importer's engine and for Python's `re`. No login, no backslash, no IP address in brackets: browsers
# and URL parsers disagree about the host of such a link, or the parser raises.
_SCHEME, _NAME, _PORT = r"(?i:https?)://", r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?", r"(?::\d{1,5})?"
WEB_LINK = _SCHEME + _NAME + _PORT + r"(?:[/?#][^\s\x00-\x20\x7f\"<>\\]*)?"
"""A regular expression for the whole link."""
_LINK = re.compile(WEB_LINK)
_HOST = re.compile(rf"{_SCHEME}({_NAME}){_PORT}(?=[/?#]|\Z)")


def is_web_link(text: str) -> bool:
    """Whether the text is an http or https link that every parser reads in the same way."""
    return _LINK.fullmatch(text) is not None


def host_of(link: str) -> str:
    """The host in lower case, which every browser goes to; "" if the link has none, or more than one reading."""
    found = _HOST.match(link)
    return found[1].lower().rstrip(".") if found else ""
