"""`POST /events`: what happened in the shop, in batches; acknowledged when it is durable, each event once."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pydantic_core
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    ValidationError,
)  # fmt: skip
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from automation.config.settings import Settings
from automation.inbound.consents import accept_consent_events, find_event_fault
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import EVENTS
from automation.web.endpoint import Endpoint, operation, read_body
from automation.web.group_commit import Overloaded
from automation.web.site import Site

LIMIT = 2_000_000
MOST_EVENTS = 1_000
MOST_ATTRIBUTES = 30
_AHEAD = timedelta(minutes=5)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("product_id", "order_id", "quantity", "amount", "currency")
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"


def _written(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text such as 2026-11-20T09:00:00Z")  # pydantic reports these
    return value


Identity = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_CONTROLS)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(max_length=1_000, pattern=_NO_CONTROLS)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_written, json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]),
]


class Event(BaseModel):
    """One event. `attributes` are further facts about it, which rules reach in `where`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: Identity
    customer_id: Identity
    type: Name
    occurred_at: Instant
    product_id: Identity | None = None
    order_id: Identity | None = None
    quantity: Number | None = None
    amount: Number | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    message_id: Identity | None = None
    attributes: dict[Name, StrictBool | Number | Text] = Field(default_factory=dict, max_length=MOST_ATTRIBUTES)


class Refused(BaseModel):
    """Why an event was not taken: `index` counts from 0 in the batch, `field` is where in the event."""

    index: int
    field: str
    what: str


class Answer(BaseModel):
    """accepted: how many are durable now, `repeated` of them known before; the refused ones must be mended."""

    accepted: int
    repeated: int
    refused: list[Refused]


def endpoints(site: Site) -> Iterator[Endpoint]:
    async def take(request: Request) -> Response:
        if not _has_key(site, request.headers.get("authorization", "")):
            return JSONResponse(
                {"error": "send an API key of config.yaml's web.api_keys: Authorization: Bearer KEY"}, 401,
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        try:
            batch = _batch(await read_body(request, LIMIT))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        now = site.now
        settings = site.settings
        taken, refused = _checked(batch, settings, now)

        def keep(connection: Connection) -> int:
            accept_consent_events(settings, connection, taken, now=now)
            return inbox.add_events(connection, taken, now=now)

        try:
            new = await site.writer.commit(keep)
        except (Overloaded, OperationalError):
            return JSONResponse({"error": "the store is busy; nothing was taken"}, 503, headers={"Retry-After": "5"})
        answer = Answer(accepted=len(taken), repeated=len(taken) - new, refused=refused)
        return JSONResponse(answer.model_dump(), 422 if refused else 200)

    yield Endpoint("/events", {"POST": take}, {"POST": _operation()})


def _operation() -> Any:
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    answer = Answer.model_json_schema(ref_template="#/components/schemas/{model}")
    batch = {
        "type": "object", "required": ["events"], "additionalProperties": False,
        "properties": {"events": {"type": "array", "maxItems": MOST_EVENTS, "items": Event.model_json_schema()}},
    }  # fmt: skip
    answer["properties"]["refused"]["items"] = Refused.model_json_schema()
    answer.pop("$defs", None)
    return operation(
        f"Take up to {MOST_EVENTS:,} events. The answer comes when they are durable; an `event_id` counts once.",
        body={"application/json": {"schema": batch}},
        answers={
            200: "every event is durable", 400: "not a batch of events", 401: "no such key",
            408: "the body did not arrive", 413: f"longer than {LIMIT:,} bytes",
            422: "some events were refused; the others are durable", 503: "too busy; come back after Retry-After",
        },
        schemas={200: answer, 422: answer, **dict.fromkeys((400, 401, 503), error)},
        kind="application/json",
        secured=True,
    )  # fmt: skip


def _has_key(site: Site, header: str) -> bool:
    """Every key is compared, each in constant time, whatever is sent."""
    scheme, _, given = header.partition(" ")
    digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
    keys = site.settings.web.api_keys if site.settings.web else ()
    same = [hmac.compare_digest(digest, hashlib.sha256(k.get_secret_value().encode()).digest()) for k in keys]
    return any(same) and scheme.lower() == "bearer"


def _batch(body: bytes) -> list[Any]:
    """The events as they were sent. Raises `ValueError`."""
    try:
        document = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict) or set(document) != {"events"} or not isinstance(document["events"], list):
        raise ValueError('the body must be {"events": [...]}')
    if len(document["events"]) > MOST_EVENTS:
        raise ValueError(f"at most {MOST_EVENTS:,} events in one batch")
    return document["events"]


def _checked(batch: Sequence[Any], settings: Settings, now: datetime) -> tuple[list[InboxEvent], list[Refused]]:
    """Inbox rows of the sound events, and what is wrong with the others: the first problem of each field."""
    taken: list[InboxEvent] = []
    refused: list[Refused] = []
    for index, written in enumerate(batch):
        try:
            event = Event.model_validate(written)
            _check_time(event.occurred_at, now)
            _check_names(event.attributes)
            _check_consent(settings, event)
            taken.append(_row(event))
        except ValidationError as error:
            refused += [Refused(index=index, field=_place(e["loc"]), what=_what(e["msg"])) for e in error.errors(
                include_url=False, include_context=False, include_input=False)][:5]  # fmt: skip
        except _Wrong as error:
            refused.append(Refused(index=index, field=error.field, what=error.what))
    return taken, refused


class _Wrong(Exception):
    def __init__(self, field: str, what: str) -> None:
        self.field, self.what = field, what


def _check_time(at: datetime, now: datetime) -> None:
    if at > now + _AHEAD:
        raise _Wrong("occurred_at", "lies in the future")
    if at < _FIRST:
        raise _Wrong("occurred_at", "lies before 1970")


def _check_names(attributes: dict[str, Any]) -> None:
    for name in attributes:
        if name in EVENTS.columns:
            raise _Wrong(f"attributes.{name}", "is a field of the event itself")


def _check_consent(settings: Settings, event: Event) -> None:
    """A word on consent that could not count is not taken as if it did."""
    wrong = find_event_fault(settings, event.type, event.attributes)
    if wrong is not None:
        raise _Wrong(f"attributes.{wrong[0]}", wrong[1])


def _row(event: Event) -> InboxEvent:
    fields: dict[str, JsonValue] = {name: value for name in _FIELDS if (value := getattr(event, name)) is not None}
    return InboxEvent(
        event.event_id, event.customer_id, event.type, event.occurred_at, event.message_id, fields | event.attributes
    )


def _place(location: tuple[int | str, ...]) -> str:
    parts = [
        str(part) for part in location if not re.fullmatch(r"(float|bool|constrained-str|function-.*|str)", str(part))
    ]
    return ".".join(parts)[:100]


def _what(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
