"""Push messages through Firebase Cloud Messaging (FCM), to Android, Apple devices and browsers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator

from automation.contracts import HandOver
from automation.http.client import Request, Response
from automation.http.options import ServiceOptions
from automation.http.receipts import classify_status, make_receipt
from automation.http.sending import send_messages
from automation.http.urls import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.quantity import Duration
from automation.types.secret import Secret
from automation_push.notification import Notification, read_notification
from automation_push.service_account import AccessToken, NoAccessToken, ServiceAccount


class FcmOptions(ServiceOptions):
    """The Firebase project, and its key from the environment: `credentials: ${FCM_CREDENTIALS}`."""

    credentials: Secret = Field(description="the JSON of a service account's key file")
    project: str | None = Field(
        default=None, description="the Firebase project; by default that of the service account"
    )
    ttl: Duration = Field(
        default=timedelta(days=1), description="how long FCM keeps a message for a device that is offline"
    )
    priority: Literal["normal", "high"] = Field(default="normal", description="`high` wakes a sleeping device")
    url: ServiceUrl = Field(default="https://fcm.googleapis.com", description="the base URL of the FCM API")

    @field_validator("credentials")
    @classmethod
    def _check_credentials(cls, credentials: Secret) -> Secret:
        ServiceAccount.parse(credentials.get_secret_value())
        return credentials


class FcmChannel:
    """FCM's HTTP v1 API. The address is the device's registration token; Apple devices are reached too.

    If the text's last line is only a link, a tap opens it; the app finds it in the message's data as `link`, beside
    `message_id`. A repeat has the same tag and collapse id, so that a device shows the notification once.

    2xx: SENT. UNREGISTERED, and INVALID_ARGUMENT for the token: FAILED, and the address is suppressed as `dead_token`.
    408, 425, 429 and 503 (with their Retry-After), any other 5xx, and rejected credentials: RETRY. Any other status:
    FAILED. No connection, or no access token: RETURNED. No response: AMBIGUOUS.
    """

    kind: ClassVar[str] = "push"
    Options: ClassVar[type[BaseModel]] = FcmOptions

    def __init__(self, options: FcmOptions) -> None:
        self.options = options
        self._client = options.client()
        self._account = ServiceAccount.parse(options.credentials.get_secret_value())
        self._access = AccessToken(self._account, self._client)

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the responses."""
        if not messages:
            return
        try:
            token = await self._access.get(messages[0].sent_at)
        except NoAccessToken as error:
            for message in messages:
                yield make_receipt(message, Verdict.RETURNED, str(error))
            return

        def build_request(message: Rendered) -> Request:
            return self._build_request(message, token)

        async for receipt in send_messages(self._client, messages, build_request, self._read_response, hand_over):
            yield receipt

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    def _build_request(self, message: Rendered, token: str) -> Request:
        body = json.dumps({"message": self._payload(message, read_notification(message))}, ensure_ascii=False)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=UTF-8"}
        project = self.options.project or self._account.project
        return Request(f"{self.options.url.rstrip('/')}/v1/projects/{project}/messages:send", body.encode(), headers)

    def _payload(self, message: Rendered, notification: Notification) -> dict[str, Any]:
        ttl = int(self.options.ttl.total_seconds())
        urgent = self.options.priority == "high"
        link = {"link": notification.link} if notification.link else {}
        return {
            "token": message.to,
            "notification": {"title": notification.title, "body": notification.text},
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
                **({"fcm_options": link} if notification.link.startswith("https://") else {}),
            },
        }

    def _read_response(self, message: Rendered, response: Response) -> Receipt:
        content = response.json()
        verdict = classify_status(response.status, idempotent=True)
        if verdict is Verdict.SENT:
            name = content.get("name") if isinstance(content, dict) else None
            return make_receipt(message, verdict, provider_id=name if isinstance(name, str) else "")
        if response.status == 401:
            self._access.invalidate()
        error = content.get("error") if isinstance(content, dict) else None
        fields = error if isinstance(error, dict) else {}
        codes = {str(detail.get("errorCode")) for detail in _details(fields)}
        detail = f"{response.status} {fields.get('status') or ''} {fields.get('message') or ''}".strip()
        if "UNREGISTERED" in codes or (response.status == 400 and _is_token_invalid(fields)):
            return make_receipt(message, Verdict.FAILED, detail, suppress="dead_token")
        if "SENDER_ID_MISMATCH" in codes:  # a 403 that other credentials of this project would not fix
            verdict = Verdict.FAILED
        return make_receipt(message, verdict, detail, response=response)


def _details(error: Mapping[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
    details = error.get("details")
    yield from (detail for detail in details if isinstance(detail, dict)) if isinstance(details, list) else ()


def _is_token_invalid(error: Mapping[str, JsonValue]) -> bool:
    """Whether the invalid field is the token; any other invalid field is an error in our request."""
    for detail in _details(error):
        violations = detail.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and violation.get("field") == "message.token":
                return True
    return False
