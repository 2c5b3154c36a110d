"""Watches write transactions: while one holds the store's lock, nothing is parsed, rendered, asked over a network or
left to a plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import pytest
from sqlalchemy.engine import Connection

from automation.store.engine import Store

FORBIDDEN = {
    "parsing": (
        "email", "html.parser", "yaml", "csv", "lxml", "css_inline", "tomllib", "zipfile", "gzip", "mjml",
        "automation.config.source_map", "automation.config.campaigns", "automation.inbound.returned_mail",
        "automation.inbound.mail_parser", "automation.inbound.bot_detection", "automation.types.keywords",
        "automation.warehouse", "automation.web.api.webhooks.payload",
    ),
    "rendering": ("jinja2", "automation.messages"),
    "network": (
        "socket", "ssl", "http", "imaplib", "smtplib", "urllib.request", "httpcore", "httpx", "asyncio.streams",
    ),
    "a query of the warehouse": ("ibis", "deltalake", "sqlglot", "automation.rules", "automation.learn"),
    "a plugin": ("automation_", "automation.plugin_manager"),
    "a file": ("pathlib",),
}  # fmt: skip
"""What may not happen → the modules whose functions do it (a name that ends with `_` is a prefix)."""
_ONLY = {
    "pathlib": frozenset(
        {"open", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob", "stat", "mkdir"}
    ),
    "automation.plugin_manager": frozenset({"observe"}),
    "automation.inbound.bot_detection": frozenset({"_classify_client"}),
}
"""Of these modules only these functions. Looking up a plugin's class asks it nothing, and renaming a file that was
written before is allowed: a run and its file come into being together."""
_HARMLESS = ("automation.delivery.processes", "automation.store.signing_keys")
"""Files of /proc, for which no disk is waited, and a look whether one small file has changed."""


@dataclass
class WatchedTransactions:
    """What happened inside write transactions that may not: one line for each kind and place."""

    found: dict[str, None] = field(default_factory=dict)

    def look(self, frame: FrameType, event: str, _arg: object) -> None:
        if event != "call" or frame.f_code.co_name == "__del__":
            return
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        kind = _KINDS.get(module)
        if kind is None:
            kind = _KINDS[module] = _find_kind(module)
        if kind and (module not in _ONLY or name in _ONLY[module]):
            caller = _find_caller(frame)
            if caller is not None and not caller.startswith(_HARMLESS):
                self.found[f"{kind} in a write transaction: {module}.{name}, called by {caller}"] = None


_KINDS: dict[str, str] = {}


def _find_kind(module: str) -> str:
    for kind, names in FORBIDDEN.items():
        for name in names:
            if module == name or module.startswith(name if name.endswith("_") else f"{name}."):
                return kind
    return ""


def _find_caller(frame: FrameType) -> str | None:
    """The nearest function of ours outside the forbidden modules; None where rubbish is collected, at any time."""
    caller = frame.f_back
    while caller is not None:
        module = caller.f_globals.get("__name__", "")
        if caller.f_code.co_name == "__del__" or module == "weakref":
            return None
        if module.startswith("automation.") and not _find_kind(module):
            return f"{module}.{caller.f_code.co_name}"
        caller = caller.f_back
    return "a test"


@contextmanager
def watching() -> Iterator[WatchedTransactions]:
    """Watch every write transaction of every thread of this process."""
    watched, original = WatchedTransactions(), Store.transaction

    @contextmanager
    def transaction(store: Store) -> Iterator[Connection]:
        with original(store) as connection:
            before = sys.getprofile()
            sys.setprofile(watched.look)
            try:
                yield connection
            finally:
                sys.setprofile(before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "transaction", transaction)
        yield watched
