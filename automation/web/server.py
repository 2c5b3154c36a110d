"""Serves the app from a thread: inside the daemon, or for `automation web`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn

from automation.daemon.lock import holder
from automation.errors import ConfigurationError
from automation.messages.pages import Pages
from automation.web.app import make_app
from automation.web.group_commit import GroupCommit
from automation.web.security_headers import MOST_HEADERS
from automation.web.site import Site
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 500
"""Connections; who comes above that is told to come back."""
_GRACE = 3


class WebServer(threading.Thread):
    """The app on a socket. Made, it listens; started, it answers. Raises `ConfigurationError` where it can't listen."""

    def __init__(self, workspace: Callable[[], Workspace], host: str, port: int, *, checkpoints: bool = False) -> None:
        super().__init__(name="web", daemon=True)
        Pages(workspace().project)  # a mistake in the shop's own ends the start
        self._socket = _listen(host, port)
        data_dir = workspace().project.data_dir
        self._writer = GroupCommit(
            workspace().store,
            may_checkpoint=lambda: checkpoints and holder(data_dir) is None,  # a daemon does it itself
        )
        site = Site(workspace, self._writer)
        config = uvicorn.Config(
            make_app(site),
            loop="asyncio",
            http="h11",
            h11_max_incomplete_event_size=MOST_HEADERS,
            ws="none",
            lifespan="off",
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE,
            proxy_headers=False,  # nothing here asks who the client is, so nobody can lie about it
            server_header=False,
            access_log=False,  # an address holds a token
            log_config=None,
        )
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        log.info("web app listens", address=self.address)
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            log.exception("the web app ended")
        finally:
            self._writer.close()
            self._socket.close()

    def stop(self) -> None:
        """Take no new request; those that are being answered are."""
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol asyncio knows it for TCP and sends answers at once: 1 ms, not 47 with Nagle's algorithm.
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
