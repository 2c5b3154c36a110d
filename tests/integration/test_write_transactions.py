"""While a write transaction holds the store's lock, nothing is parsed, rendered, asked over a network or left to a
plugin: whoever writes next waits for it. A reader, which keeps the log from shrinking, asks no network, warehouse or
plugin. Every test of this folder holds the rule; these show that it can be broken."""

from __future__ import annotations

import email
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment
from support.toy_project import toy_project
from support.transactions import SLOW, watching

from automation.inbound.returned_mail import parse_mail
from automation.types.keywords import is_opt_out


def _connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: email.message_from_bytes(b"Subject: x\n\n"), "parsing"),
        (lambda: parse_mail(b"Subject: x\n\n"), "parsing"),
        (lambda: yaml.safe_load("a: 1"), "parsing"),
        (lambda: is_opt_out("stop"), "parsing"),
        (lambda: Environment(autoescape=True).from_string("{{ a }}").render(a=1), "rendering"),
        (_connect, "network"),
        (lambda: Path(__file__).read_bytes(), "a file"),
    ],
)
def test_what_may_not_happen_in_a_write_transaction_is_seen(
    tmp_path: Path, act: Callable[[], object], what: str
) -> None:
    with toy_project(tmp_path) as toy, watching() as watched:
        act()
        assert watched.found == {}
        with toy.store.reading():
            act()
        assert bool(watched.found) is (what in SLOW)
        assert all(line.startswith(f"{what} while the store is read") for line in watched.found)
        watched.found.clear()
        with toy.store.transaction():
            act()
        assert watched.found
        assert all(line.startswith(f"{what} in a write transaction") for line in watched.found)
        watched.found.clear()
        with toy.store.transaction():
            pass
        assert watched.found == {}
