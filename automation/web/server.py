"""Serves the app in a thread: inside the daemon, or for `automation web`."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog
import uvicorn

from automation.daemon.lock import find_lock_holder
from automation.errors import ConfigurationError
from automation.messages.pages import Pages
from automation.web.app import make_app
from automation.web.connection_limits import KEEP_ALIVE, ConnectionLimits, limited_protocol
from automation.web.group_commit import GroupCommit
from automation.web.security_headers import MAX_HEADER_BYTES
from automation.web.site import Site
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_GRACE = 3
_LOOK_EVERY = 1.0


class WebServer(threading.Thread):
    """The app on a socket: it listens once constructed, and answers once started. Raises `ConfigurationError`."""

    def __init__(self, workspace: Callable[[], Workspace], host: str, port: int, *, checkpoints: bool = False) -> None:
        super().__init__(name="web", daemon=True)
        Pages(workspace().project)  # a mistake in the shop's own pages stops the start
        self._socket = _open_socket(host, port)
        data_dir = workspace().project.data_dir
        self._writer = GroupCommit(
            workspace().store,
            may_checkpoint=lambda: (
                checkpoints and find_lock_holder(data_dir) is None
            ),  # a running daemon checkpoints itself
        )
        site = Site(workspace, self._writer)
        web = workspace().project.settings.web
        self.limits = ConnectionLimits(proxies=web.proxies if web else ())
        config = uvicorn.Config(
            make_app(site),
            loop="asyncio",
            http=limited_protocol(self.limits),
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws="none",
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
            proxy_headers=False,  # the peer that counts is the connection's own, which can't be forged
            server_header=False,
            access_log=False,  # paths contain tokens
            log_config=None,
        )
        self._server = _Server(config)

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        log.info("web app listens", address=self.address)
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            log.exception("web app failed")
        finally:
            self._writer.close()
            self._socket.close()

    def stop(self) -> None:
        """Accept no new request; those in progress are answered."""
        self._server.exit_soon()


class _Server(uvicorn.Server):
    """Looks once a second instead of ten times whether it should end, since stopping wakes it.

    It cuts what is still open at the end: a peer that reads nothing must not keep its socket open.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exits = asyncio.Event()

    def exit_soon(self) -> None:
        """Called by any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._exits.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # sets the Date of answers, too
            with suppress(TimeoutError):
                await asyncio.wait_for(self._exits.wait(), _LOOK_EVERY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes the sockets


def _open_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: an answer takes 1 ms, not 47.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1_024)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"the web app can't listen on {host}:{port}: {error.strerror}; change web.port in config.yaml"
        ) from error
    return listening
