"""Access to Google's services for a service account (RFC 7523): a signed assertion for a token of an hour."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from automation.http.client import Client, NotSent, Request, Unanswered
from automation.http.reach import NotAllowed, is_loopback, split_url
from automation.http.slots import Slots
from automation_push.tokens import rs256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_FIELDS = ("client_email", "project_id", "private_key", "token_uri")
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_LASTS = 3600
_SPARE = 300
"""Seconds before its end at which a token is replaced."""


class TokenRefused(Exception):
    """There is no access token to be had. The text is short and holds no secret."""


@dataclass(frozen=True)
class ServiceAccount:
    """What Google's key file says."""

    email: str
    project: str
    private_key: str = field(repr=False)
    token_url: str

    @classmethod
    def read(cls, text: str) -> ServiceAccount:
        """Raises ValueError, whose text repeats nothing of it."""
        try:
            said: dict[str, Any] = json.loads(text)
            given = {"token_uri": "https://oauth2.googleapis.com/token", **said}
            email, project, key, url = (given[name] for name in _FIELDS)
            if not all(isinstance(part, str) and part for part in (email, project, key, url)):
                raise TypeError
            parts = split_url(url)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError("not a service account's key file (the JSON itself)") from None
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("the key file's token_uri is not https")
        return cls(email, project, key, url)

    def key(self) -> RSAPrivateKey:
        """The RSA key that signs requests for access tokens. Raises `TokenRefused` where it is none."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self.private_key.encode(), None)
        except (ValueError, TypeError):
            raise TokenRefused("the service account's private key can't be read") from None
        if not isinstance(key, RSAPrivateKey):
            raise TokenRefused("the service account's private key is not an RSA key")
        return key


@dataclass
class AccessToken:
    """The token that is used now; asked for once, however many wait for it."""

    account: ServiceAccount
    client: Client
    _token: str = ""
    _until: float = 0.0
    _asking: Slots = field(default_factory=lambda: Slots(1))

    async def get(self, now: datetime) -> str:
        """A token that holds at `now`. Raises `TokenRefused`."""
        async with self._asking:
            if now.timestamp() > self._until - _SPARE or now.timestamp() < self._until - _LASTS:
                self._token, self._until = await self._ask(int(now.timestamp()))
            return self._token

    def forget(self) -> None:
        """It is no longer taken."""
        self._until = 0.0

    async def _ask(self, now: int) -> tuple[str, float]:
        claims = {
            "iss": self.account.email,
            "scope": _SCOPE,
            "aud": self.account.token_url,
            "iat": now,
            "exp": now + _LASTS,
        }
        assertion = rs256(claims, self.account.key())
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = await self.client.send(
                Request(self.account.token_url, urlencode(form).encode(), headers), lambda: None
            )
        except (NotSent, NotAllowed, Unanswered) as error:
            raise TokenRefused(f"no access token: {error}") from error
        said = answer.json()
        token = said.get("access_token") if isinstance(said, dict) else None
        if answer.status != 200 or not isinstance(said, dict) or not isinstance(token, str):
            why = said.get("error") if isinstance(said, dict) else None
            raise TokenRefused(f"no access token: {answer.status} {why or ''}".strip())
        lasts = said.get("expires_in")
        return token, now + (min(lasts, _LASTS) if isinstance(lasts, int) else _LASTS)
