"""Watches write transactions: while one holds the store's lock, nothing is parsed, rendered, asked over a network or
left to a plugin. And readers: while one keeps the store's log from shrinking, nothing slow is done."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType

import pytest
from sqlalchemy.engine import Connection

from automation.store.engine import Store

READING = "while the store is read"
Open = Callable[[Store], AbstractContextManager[Connection]]

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
_HARMLESS_TO_READERS = (*_HARMLESS, "automation.config.model_builder")
"""What was launched is parsed: some milliseconds."""


SLOW = frozenset({"network", "a query of the warehouse", "a plugin"})
"""What may not happen while the store is only read."""


@dataclass
class WatchedTransactions:
    """What happened inside transactions that may not: one line for each kind and place."""

    where: str = "in a write transaction"
    kinds: Collection[str] = frozenset(FORBIDDEN)
    harmless: tuple[str, ...] = _HARMLESS
    found: dict[str, None] = field(default_factory=dict)

    def look(self, frame: FrameType, event: str, _arg: object) -> None:
        if event != "call" or frame.f_code.co_name == "__del__":
            return
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        kind = _KINDS.get(module)
        if kind is None:
            kind = _KINDS[module] = _find_kind(module)
        if kind in self.kinds and (module not in _ONLY or name in _ONLY[module]):
            caller = _find_caller(frame)
            if caller is not None and not caller.startswith(self.harmless):
                self.found[f"{kind} {self.where}: {module}.{name}, called by {caller}"] = None


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
    """Watch every transaction of every thread of this process."""
    watched = WatchedTransactions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "transaction", _watched(Store.transaction, watched))
        reading = replace(watched, where=READING, kinds=SLOW, harmless=_HARMLESS_TO_READERS)
        patch.setattr(Store, "reading", _watched(Store.reading, reading))
        yield watched


def _watched(original: Open, watched: WatchedTransactions) -> Open:
    @contextmanager
    def open_watched(store: Store) -> Iterator[Connection]:
        with original(store) as connection:
            before, collects = sys.getprofile(), gc.isenabled()
            gc.disable()  # what is rubbish may be anything's, and would be told of whoever has just this connection
            sys.setprofile(watched.look)
            try:
                yield connection
            finally:
                sys.setprofile(before)
                if collects:
                    gc.enable()

    return open_watched
