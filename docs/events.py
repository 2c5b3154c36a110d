"""The event types as a page, from their catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automation import event_types
from automation.plugin_manager import Registry

GROUPS: Mapping[event_types.Group, str] = {
    "shop": "What customers do in the shop",
    "consent": "Consent",
    "response": "Responses to messages",
    "delivery": "Delivery",
}


def event_types_page(_: Registry) -> str:
    lines = [
        "Every event has `event_id`, `customer_id`, `type` and `occurred_at`. Rules, goals and triggers name a type;",
        "`where` compares attributes. A shop may send events of any other type, with attributes of its own, to",
        "[`POST /events`](http.md) or by `automation import events`.",
        "",
    ]
    for group, title in GROUPS.items():
        lines += [f"## {title}", ""]
        for one in event_types.EVENT_TYPES:
            if one.group == group:
                lines += _event_type(one)
    return "\n".join(lines)


def _event_type(one: event_types.EventType) -> Iterator[str]:
    yield from (f"### `{one.name}`", "", f"{one.meaning[0].upper()}{one.meaning[1:]}.", "")
    yield from (f"- Written by {one.written_by}.", f"- Read by {one.read_by}.")
    if one.columns:
        yield f"- Columns: {', '.join(f'`{name}`' for name in one.columns)}."
    yield ""
    if one.attributes:
        yield from ("| attribute | type | meaning |", "|---|---|---|")
        yield from (f"| `{name}` | {each.type} | {each.meaning} |" for name, each in one.attributes.items())
        yield ""
