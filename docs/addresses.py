"""The web app's addresses as a page, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automation.plugin_manager import Registry
from automation.web.app import describe_api


def addresses_page(_: Registry) -> str:
    document = describe_api()
    lines = [
        "Every `GET` address also answers `HEAD`. `/openapi.json` is this page for programs, with all schemas.",
        "`{token}` comes from a link in a message; it is signed for one message and purpose. Other values get a 404.",
        "",
    ]
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            lines += [f"## `{method.upper()} {path}`", "", _summary(said), "", *_body(said), *_answers(said)]
    return "\n".join(lines)


def _summary(said: Mapping[str, Any]) -> str:
    key = " Needs `Authorization: Bearer KEY`, one of the keys in `web`." if said.get("security") else ""
    return f"{said['summary']}{key}"


def _body(said: Mapping[str, Any]) -> Iterator[str]:
    """The fields of each event in a batch; of other bodies only the type."""
    content = said.get("requestBody", {}).get("content", {})
    if content:
        yield from (f"Body: {', '.join(f'`{kind}`' for kind in content)}.", "")
    events = content.get("application/json", {}).get("schema", {}).get("properties", {}).get("events")
    if events:
        yield from ("| field of an event | allowed values | required |", "|---|---|---|")
        for name, schema in events["items"]["properties"].items():
            needed = "yes" if name in events["items"]["required"] else ""
            yield f"| `{name}` | {_allowed(schema)} | {needed} |"
        yield ""


def _allowed(schema: Mapping[str, Any]) -> str:
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return " or ".join(_kind(one) for one in kinds)


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "a time with its offset, such as `2026-11-20T09:00:00Z`"
    if schema["type"] == "object":
        ((names, value),) = schema["patternProperties"].items()
        return f"at most {schema['maxProperties']} attributes, with names like `{names}`: {_allowed(value)}"
    longest = f" of at most {schema['maxLength']:,} characters" if "maxLength" in schema else ""
    pattern = f", `{schema['pattern']}`" if "pattern" in schema and "maxLength" not in schema else ""
    return _WORDS[schema["type"]] + longest + pattern


_WORDS = {"string": "text", "boolean": "true or false", "number": "number"}


def _answers(said: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| status | meaning |", "|---|---|")
    for status, answer in said["responses"].items():
        yield f"| {status} | {answer['description']} |"
    yield ""
