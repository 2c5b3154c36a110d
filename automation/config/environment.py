"""Which environment variables a project's files may read as `${NAME}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

ALLOWED = "AUTOMATION_SECRETS"
"""The variable that lists them: names and beginnings, such as `SHOP_*, SMTP_PASSWORD`. Not set: any."""
_PLACEHOLDER = "A" * 64  # long enough for any key


def find_refusal(environment: Mapping[str, str], name: str) -> str | None:
    """Why a file may not read the variable; None if it may."""
    allowed = environment.get(ALLOWED)
    if allowed is None or any(fnmatchcase(name, one.strip()) for one in allowed.split(",")):
        return None
    return f"{ALLOWED} does not allow the environment variable {name}; it allows: {allowed or 'none'}"


class UnreadEnvironment(Mapping[str, str]):
    """Every variable counts as set, and none is read: to check the files of a stranger."""

    def __getitem__(self, name: str) -> str:
        if name == ALLOWED:
            raise KeyError(name)
        return _PLACEHOLDER

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
