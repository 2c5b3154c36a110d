"""`POST /events`: events from the shop, in batches; acknowledged when they are stored, each `event_id` once."""

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

from automation import event_types
from automation.config.settings import Settings, Web
from automation.inbound.consents import accept_consent_events, find_event_fault
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import EVENTS
from automation.web.endpoint import Endpoint, describe_operation, read_body
from automation.web.group_commit import Overloaded
from automation.web.site import Site

LIMIT = 2_000_000
MAX_EVENTS = 1_000
MAX_ATTRIBUTES = 30
_MAX_AHEAD = timedelta(minutes=5)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("product_id", "order_id", "quantity", "amount", "currency")
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"


def _require_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text such as 2026-11-20T09:00:00Z")  # pydantic reports it
    return value


Identity = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_CONTROLS)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(max_length=1_000, pattern=_NO_CONTROLS)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(
        _require_text, json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    ),
]


class Event(BaseModel):
    """One event. Rules reach its `attributes` in `where`."""

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
    attributes: dict[Name, StrictBool | Number | Text] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)


class Rejected(BaseModel):
    """Why an event was rejected: `index` counts from 0 in the batch, `field` is the path in the event."""

    index: int
    field: str
    what: str


class Answer(BaseModel):
    """accepted: how many events are stored, `repeated` of them known before. Rejected ones must be corrected."""

    accepted: int
    repeated: int
    rejected: list[Rejected]


def make_endpoints(site: Site) -> Iterator[Endpoint]:
    async def receive(request: Request) -> Response:
        groups = _find_groups(site.settings.web, request.headers.get("authorization", ""))
        if not groups:
            return JSONResponse(
                {"error": "send one of the keys in config.yaml's web: Authorization: Bearer KEY"}, 401,
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        try:
            batch = _parse_batch(await read_body(request, LIMIT))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        now = site.now
        settings = site.settings
        events, rejected = _check_batch(batch, settings, now, groups)

        def store(connection: Connection) -> int:
            accept_consent_events(settings, connection, events, now=now)
            return inbox.add_events(connection, events, now=now)

        try:
            new = await site.writer.commit(store)
        except (Overloaded, OperationalError):
            return JSONResponse({"error": "the store is busy; nothing was stored"}, 503, headers={"Retry-After": "5"})
        answer = Answer(accepted=len(events), repeated=len(events) - new, rejected=rejected)
        return JSONResponse(answer.model_dump(), 422 if rejected else 200)

    yield Endpoint("/events", {"POST": receive}, {"POST": _describe()})


def _describe() -> Any:
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    answer = Answer.model_json_schema(ref_template="#/components/schemas/{model}")
    batch = {
        "type": "object", "required": ["events"], "additionalProperties": False,
        "properties": {"events": {"type": "array", "maxItems": MAX_EVENTS, "items": Event.model_json_schema()}},
    }  # fmt: skip
    answer["properties"]["rejected"]["items"] = Rejected.model_json_schema()
    answer.pop("$defs", None)
    return describe_operation(
        f"Store up to {MAX_EVENTS:,} events. The response comes when they are durable; an `event_id` counts once.",
        body={"application/json": {"schema": batch}},
        answers={
            200: "all events are stored", 400: "the body is not a batch of events", 401: "the API key is wrong",
            408: "the body did not arrive in time", 413: f"the body is longer than {LIMIT:,} bytes",
            422: "some events were rejected; the others are stored", 503: "too busy; retry after Retry-After",
        },
        schemas={200: answer, 422: answer, **dict.fromkeys((400, 401, 503), error)},
        kind="application/json",
        secured=True,
    )  # fmt: skip


def _find_groups(web: Web | None, header: str) -> frozenset[event_types.Group]:
    """The groups of event types that the key may post; none for a key that config.yaml does not have.

    Compares every key, each in constant time, whatever was sent.
    """
    scheme, _, given = header.partition(" ")
    digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
    if web is None or scheme.lower() != "bearer":
        return frozenset()
    groups: set[event_types.Group] = set()
    for keys, allowed in ((web.api_keys, _SHOP), (web.consent_keys, _CONSENTS), (web.report_keys, _REPORTS)):
        same = [hmac.compare_digest(digest, hashlib.sha256(k.get_secret_value().encode()).digest()) for k in keys]
        groups |= allowed if any(same) else set()
    return frozenset(groups)


_SHOP: frozenset[event_types.Group] = frozenset({"shop"})
_CONSENTS: frozenset[event_types.Group] = _SHOP | {"consent"}
_REPORTS: frozenset[event_types.Group] = _SHOP | {"response", "delivery"}


def _parse_batch(body: bytes) -> list[Any]:
    """The events as they were sent. Raises `ValueError`."""
    try:
        document = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict) or set(document) != {"events"} or not isinstance(document["events"], list):
        raise ValueError('the body must be {"events": [...]}')
    if len(document["events"]) > MAX_EVENTS:
        raise ValueError(f"at most {MAX_EVENTS:,} events in one batch")
    return document["events"]


def _check_batch(
    batch: Sequence[Any], settings: Settings, now: datetime, groups: frozenset[event_types.Group]
) -> tuple[list[InboxEvent], list[Rejected]]:
    """The valid events, and the problems of the others: at most five for each."""
    valid: list[InboxEvent] = []
    rejected: list[Rejected] = []
    for index, sent in enumerate(batch):
        try:
            event = Event.model_validate(sent)
            _check_type(event.type, groups)
            _check_time(event.occurred_at, now)
            _check_names(event.attributes)
            _check_consent(settings, event)
            _check_currency(settings, event)
            valid.append(_make_event(event))
        except ValidationError as error:
            rejected += [
                Rejected(index=index, field=_format_path(e["loc"]), what=_format_message(e["msg"]))
                for e in error.errors(include_url=False, include_context=False, include_input=False)[:5]
            ]
        except _Problem as problem:
            rejected.append(Rejected(index=index, field=problem.field, what=problem.what))
    return valid, rejected


class _Problem(Exception):
    def __init__(self, field: str, what: str) -> None:
        self.field, self.what = field, what


def _check_currency(settings: Settings, event: Event) -> None:
    refusal = settings.shop.exchange.refusal(event.currency)
    if event.amount is not None and event.type != event_types.RATING and refusal is not None:
        raise _Problem("currency", refusal)


def _check_type(name: str, groups: frozenset[event_types.Group]) -> None:
    """Rejects what speaks for a recipient or a provider, unless the key is trusted with it."""
    type_ = event_types.BY_NAME.get(name)
    if type_ is not None and type_.group not in groups:
        keys = "consent_keys" if type_.group == "consent" else "report_keys"
        raise _Problem("type", f"this API key may not post {name}; the keys in web.{keys} of config.yaml may")


def _check_time(at: datetime, now: datetime) -> None:
    if at > now + _MAX_AHEAD:
        raise _Problem("occurred_at", "is in the future")
    if at < _EARLIEST:
        raise _Problem("occurred_at", "is before 1970")


def _check_names(attributes: dict[str, Any]) -> None:
    for name in attributes:
        if name in EVENTS.columns:
            raise _Problem(f"attributes.{name}", "is a field of the event itself")


def _check_consent(settings: Settings, event: Event) -> None:
    """Rejects a consent event that could not be recorded."""
    problem = find_event_fault(settings, event.type, event.attributes)
    if problem is not None:
        raise _Problem(f"attributes.{problem[0]}", problem[1])


def _make_event(event: Event) -> InboxEvent:
    fields: dict[str, JsonValue] = {name: value for name in _FIELDS if (value := getattr(event, name)) is not None}
    return InboxEvent(
        event.event_id, event.customer_id, event.type, event.occurred_at, event.message_id, fields | event.attributes
    )


def _format_path(location: tuple[int | str, ...]) -> str:
    parts = [
        str(part) for part in location if not re.fullmatch(r"(float|bool|constrained-str|function-.*|str)", str(part))
    ]
    return ".".join(parts)[:100]


def _format_message(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
