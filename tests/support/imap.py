"""An IMAP server with one mailbox, in a thread: what `automation.inbound.mail_source` asks of one, and no more."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class ImapServer:
    """uid → mail, and uid → its flags; `logins` are the passwords that it was given."""

    mails: dict[str, bytes]
    port: int = 0
    flags: dict[str, set[str]] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)

    def answer(self, command: str, tail: str) -> bytes:
        """The untagged lines."""
        if command == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n"
        if command == "LOGIN":
            self.logins.append(tail.rsplit(maxsplit=1)[-1].strip('"'))
        if command == "SELECT":
            return f"* {len(self.mails)} EXISTS\r\n".encode()
        if command == "LOGOUT":
            return b"* BYE\r\n"
        return self._answer_uid(tail) if command == "UID" else b""

    def _answer_uid(self, tail: str) -> bytes:
        what, _, rest = tail.partition(" ")
        if what == "SEARCH":
            unread = [uid for uid in self.mails if not self.flags.get(uid)]
            return f"* SEARCH {' '.join(unread)}\r\n".encode()
        uid, _, rest = rest.partition(" ")
        if what == "STORE":
            self.flags.setdefault(uid, set()).update(re.findall(r"\\(\w+)", rest))
            return b""
        (longest,) = re.findall(r"<0\.(\d+)>", rest)
        mail = self.mails[uid][: int(longest)]
        return f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(mail)}}}\r\n".encode() + mail + b")\r\n"


@contextmanager
def imap_server(mails: dict[str, bytes], tls: ssl.SSLContext | None = None) -> Iterator[ImapServer]:
    """On loopback, with these mails by their uid; tls: from the start of a connection."""
    state = ImapServer(mails)

    class Session(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            if tls is not None:
                self.request = tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def handle(self) -> None:
            self.wfile.write(b"* OK ready\r\n")
            for line in self.rfile:
                tag, command, *tail = line.decode().rstrip("\r\n").split(" ", 2)
                self.wfile.write(state.answer(command.upper(), tail[0] if tail else ""))
                self.wfile.write(f"{tag} OK done\r\n".encode())
                if command.upper() == "LOGOUT":
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust the certificate goes away: that is what is tested."""

    with Server(("127.0.0.1", 0), Session) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
