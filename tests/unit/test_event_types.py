"""The catalogue of event types agrees with itself and with the events table."""

from __future__ import annotations

import re

from automation import event_types
from automation.event_types import BY_NAME, EVENT_TYPES
from automation.types.schema import EVENTS


def test_every_constant_is_in_the_catalogue_and_the_other_way_round() -> None:
    constants = [
        value
        for name, value in vars(event_types).items()
        if re.fullmatch("[A-Z][A-Z_]+", name) and isinstance(value, str)
    ]
    assert sorted(constants) == sorted(one.name for one in EVENT_TYPES)
    assert len(BY_NAME) == len(EVENT_TYPES)


def test_the_shop_may_send_every_type() -> None:
    assert [one.name for one in EVENT_TYPES if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", one.name)] == []


def test_columns_are_of_the_events_table_and_attributes_are_not() -> None:
    optional = set(EVENTS.columns) - set(EVENTS.required)
    for one in EVENT_TYPES:
        assert set(one.columns) <= optional, one.name
        assert not set(one.attributes) & set(EVENTS.columns), one.name


def test_an_attribute_has_one_type_in_every_event() -> None:
    """Attributes of one name share a column of the warehouse."""
    types: dict[str, set[str]] = {}
    for one in EVENT_TYPES:
        for name, attribute in one.attributes.items():
            types.setdefault(name, set()).add(attribute.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}
