"""OAuth access tokens for a Google service account, which last an hour (RFC 7523)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from automation.http.client import Client, NoResponse, NotSent, Request
from automation.http.concurrency import ConcurrencyLimit
from automation.http.urls import UrlNotAllowed, is_loopback, split_url
from automation_push.jwt import sign_rs256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_FIELDS = ("client_email", "project_id", "private_key", "token_uri")
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_LIFETIME = 3600
_RENEW_BEFORE = 300
"""Seconds before its expiry at which a token is renewed."""


class NoAccessToken(Exception):
    """No access token could be obtained. The text is short and contains no secret."""


@dataclass(frozen=True)
class ServiceAccount:
    """The fields of Google's key file."""

    email: str
    project: str
    private_key: str = field(repr=False)
    token_url: str

    @classmethod
    def parse(cls, text: str) -> ServiceAccount:
        """From the key file's JSON. Raises ValueError; its text contains nothing of the file."""
        try:
            content: dict[str, Any] = json.loads(text)
            given = {"token_uri": "https://oauth2.googleapis.com/token", **content}
            email, project, key, url = (given[name] for name in _FIELDS)
            if not all(isinstance(part, str) and part for part in (email, project, key, url)):
                raise TypeError
            parts = split_url(url)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError("not the JSON of a service account's key file") from None
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("the key file's token_uri does not begin with https://")
        return cls(email, project, key, url)

    def load_key(self) -> RSAPrivateKey:
        """The RSA key that signs requests for access tokens. Raises `NoAccessToken` if it is invalid."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self.private_key.encode(), None)
        except (ValueError, TypeError):
            raise NoAccessToken("the service account's private key can't be read") from None
        if not isinstance(key, RSAPrivateKey):
            raise NoAccessToken("the service account's private key is not an RSA key")
        return key


@dataclass
class AccessToken:
    """The current access token. Concurrent callers share one token request."""

    account: ServiceAccount
    client: Client
    _token: str = ""
    _expires_at: float = 0.0
    _lock: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(1))

    async def get(self, now: datetime) -> str:
        """A token that is valid at `now`. Raises `NoAccessToken`."""
        async with self._lock:
            if now.timestamp() > self._expires_at - _RENEW_BEFORE or now.timestamp() < self._expires_at - _LIFETIME:
                self._token, self._expires_at = await self._request_token(int(now.timestamp()))
            return self._token

    def invalidate(self) -> None:
        """Request a new token next time, because the service rejected this one."""
        self._expires_at = 0.0

    async def _request_token(self, now: int) -> tuple[str, float]:
        claims = {
            "iss": self.account.email,
            "scope": _SCOPE,
            "aud": self.account.token_url,
            "iat": now,
            "exp": now + _LIFETIME,
        }
        assertion = sign_rs256(claims, self.account.load_key())
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            response = await self.client.send(
                Request(self.account.token_url, urlencode(form).encode(), headers), lambda: None
            )
        except (NotSent, UrlNotAllowed, NoResponse) as error:
            raise NoAccessToken(f"no access token: {error}") from error
        content = response.json()
        token = content.get("access_token") if isinstance(content, dict) else None
        if response.status != 200 or not isinstance(content, dict) or not isinstance(token, str):
            error_code = content.get("error") if isinstance(content, dict) else None
            raise NoAccessToken(f"no access token: {response.status} {error_code or ''}".strip())
        lifetime = content.get("expires_in")
        return token, now + (min(lifetime, _LIFETIME) if isinstance(lifetime, int) else _LIFETIME)
