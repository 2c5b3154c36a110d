"""Push messages through Firebase Cloud Messaging, for Android, browsers, and Apple devices by way of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator

from automation.contracts import HandOver
from automation.http.client import Answer, Request
from automation.http.exchange import exchange, receipt, verdict_of
from automation.http.options import ServiceOptions
from automation.http.reach import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.quantity import Duration
from automation.types.secret import Secret
from automation_push.content import Notification, read_notification
from automation_push.service_account import AccessToken, ServiceAccount, TokenRefused


class FcmOptions(ServiceOptions):
    """The Firebase project. Its key comes from the environment: `credentials: ${FCM_CREDENTIALS}`."""

    credentials: Secret = Field(description="a service account's key file, the JSON itself")
    project: str | None = Field(default=None, description="the Firebase project, if not the service account's own")
    ttl: Duration = Field(default=timedelta(days=1), description="how long a message waits for a device that is off")
    priority: Literal["normal", "high"] = Field(default="normal", description="high wakes a sleeping device")
    url: ServiceUrl = Field(default="https://fcm.googleapis.com", description="the service's address")

    @field_validator("credentials")
    @classmethod
    def _is_account(cls, credentials: Secret) -> Secret:
        ServiceAccount.read(credentials.get_secret_value())
        return credentials


class FcmChannel:
    """FCM's HTTP v1 interface, which reaches Apple devices too; the address is the device's registration token.

    The text's last line is where a tap leads, if it is nothing but a link: it stands in the message's data as `link`
    beside `message_id`. A repeat carries the same tag and collapse id, so that a device shows one.

    2xx: SENT. UNREGISTERED, and INVALID_ARGUMENT where the token is at fault: FAILED, and the address is suppressed as
    `dead_token`. 429, 503 (with their Retry-After) and 500, or credentials that aren't taken: RETRY. Any other answer:
    FAILED. No connection, or no access token to be had: RETURNED. No answer: AMBIGUOUS.
    """

    kind: ClassVar[str] = "push"
    Options: ClassVar[type[BaseModel]] = FcmOptions

    def __init__(self, options: FcmOptions) -> None:
        self.options = options
        self._client = options.client()
        self._account = ServiceAccount.read(options.credentials.get_secret_value())
        self._access = AccessToken(self._account, self._client)

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        if not messages:
            return
        try:
            token = await self._access.get(messages[0].sent_at)
        except TokenRefused as refusal:
            for message in messages:
                yield receipt(message, Verdict.RETURNED, str(refusal))
            return

        def request(message: Rendered) -> Request:
            return self._request(message, token)

        async for answer in exchange(self._client, messages, request, self._judge, hand_over):
            yield answer

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    def _request(self, message: Rendered, token: str) -> Request:
        body = json.dumps({"message": self._message(message, read_notification(message))}, ensure_ascii=False)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=UTF-8"}
        project = self.options.project or self._account.project
        return Request(f"{self.options.url.rstrip('/')}/v1/projects/{project}/messages:send", body.encode(), headers)

    def _message(self, message: Rendered, shown: Notification) -> dict[str, Any]:
        ttl = int(self.options.ttl.total_seconds())
        urgent = self.options.priority == "high"
        link = {"link": shown.link} if shown.link else {}
        return {
            "token": message.to,
            "notification": {"title": shown.title, "body": shown.text},
            "data": {"message_id": message.id, **link},
            "android": {
                "ttl": f"{ttl}s",
                "priority": self.options.priority.upper(),
                "notification": {"tag": message.id},
            },
            "apns": {
                "headers": {
                    "apns-collapse-id": message.id,
                    "apns-expiration": str(int(message.sent_at.timestamp()) + ttl),
                    "apns-priority": "10" if urgent else "5",
                }
            },
            "webpush": {
                "headers": {"TTL": str(ttl), "Topic": message.id[:32], "Urgency": self.options.priority},
                "notification": {"tag": message.id},
                **({"fcm_options": link} if shown.link.startswith("https://") else {}),
            },
        }

    def _judge(self, message: Rendered, answer: Answer) -> Receipt:
        said = answer.json()
        verdict = verdict_of(answer.status, repeatable=True)
        if verdict is Verdict.SENT:
            name = said.get("name") if isinstance(said, dict) else None
            return receipt(message, verdict, provider_id=name if isinstance(name, str) else "")
        if answer.status == 401:
            self._access.forget()
        error = said.get("error") if isinstance(said, dict) else None
        fields = error if isinstance(error, dict) else {}
        codes = {str(detail.get("errorCode")) for detail in _details(fields)}
        detail = f"{answer.status} {fields.get('status') or ''} {fields.get('message') or ''}".strip()
        if "UNREGISTERED" in codes or (answer.status == 400 and _blames_token(fields)):
            return receipt(message, Verdict.FAILED, detail, suppress="dead_token")
        if "SENDER_ID_MISMATCH" in codes:  # a 403 that no other credentials of this project mend
            verdict = Verdict.FAILED
        return receipt(message, verdict, detail, answer=answer)


def _details(error: Mapping[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
    details = error.get("details")
    yield from (detail for detail in details if isinstance(detail, dict)) if isinstance(details, list) else ()


def _blames_token(error: Mapping[str, JsonValue]) -> bool:
    """Whether the token is the field that was not valid; anything else is our own mistake."""
    for detail in _details(error):
        violations = detail.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and violation.get("field") == "message.token":
                return True
    return False
