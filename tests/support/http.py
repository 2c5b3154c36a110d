"""A real HTTP server for tests, scripted by request: what services do, and what they should not do."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs


class Fault(Enum):
    """What a server does instead of answering."""

    RESET = "reset"
    CLOSE = "close"
    STALL = "stall"


@dataclass(frozen=True)
class Drip:
    """An answer a byte at a time, that many seconds apart."""

    answer: bytes
    seconds: float = 0.05


Act = bytes | Fault | Drip


@dataclass(frozen=True)
class Call:
    """One request as it arrived: header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """What the server does with each request, and what it got.

    `answer` gives what follows a whole request. `greeting` comes instead of reading anything, `early` after the headers
    and `inside` after the first byte of the body, before the rest is read.
    """

    answer: Callable[[Call], Act]
    greeting: Fault | None = None
    early: Act | None = None
    inside: Act | None = None
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)


def reply(
    status: int, body: object = b"", headers: Mapping[str, str] | None = None, *, length: int | None = None
) -> bytes:
    """A whole answer; a body that isn't bytes is written as JSON. `length` lies about how long it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Length": str(len(content) if length is None else length), **(headers or {})}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + content


@contextmanager
def http_server(service: Service, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The service on a free port of this machine; gives the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            service.connections += 1
            if service.greeting is not None:
                _act(self.request, service.greeting, service)
                return
            with suppress(OSError):
                stream = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                with stream.makefile("rb") as lines:
                    while _serve(service, stream, lines):
                        pass
                if tls:
                    stream.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 64

        def shutdown_request(self, request: Any) -> None:
            with suppress(OSError):
                super().shutdown_request(request)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            service.over.set()
            server.shutdown()
            thread.join()


def _serve(service: Service, stream: socket.socket, lines: Any) -> bool:
    """One request; whether the connection may carry another."""
    head = lines.readline().decode("latin-1").split()
    if len(head) < 3:
        return False
    headers: dict[str, str] = {}
    while line := lines.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if service.early is not None:
        return _act(stream, service.early, service)
    length = int(headers.get("content-length", 0))
    body = lines.read(min(length, 1))
    if service.inside is not None:
        return _act(stream, service.inside, service)
    call = Call(head[0], head[1], headers, body + lines.read(length - len(body)))
    service.calls.append(call)
    return _act(stream, service.answer(call), service)


def _act(stream: socket.socket, act: Act, service: Service) -> bool:
    if isinstance(act, bytes):
        stream.sendall(act)
        return True
    if isinstance(act, Drip):
        for byte in act.answer:
            stream.sendall(bytes([byte]))
            time.sleep(act.seconds)
        return True
    if act is Fault.STALL:
        service.over.wait(20)
    if act is Fault.RESET:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
    return False


def refused_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def server_tls(folder: Path) -> ssl.SSLContext:
    """A throwaway certificate for localhost; `folder`/cert.pem is what a client has to trust."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        f" -keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
