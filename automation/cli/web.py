"""`automation web`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from automation.web.server import WebServer
    from automation.workspace.workspace import Workspace


def web(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="by default web.host of config.yaml")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="by default web.port of config.yaml")] = None,
) -> None:
    """Serve the web app, until stopped.

    Handles opens, clicks, unsubscribes, preferences and events. The daemon serves it too if config.yaml has `web:`;
    this command is a separate process that logs to data_dir/logs/web.jsonl. Put a proxy with TLS in front of it.

    Example: automation web --port 8080
    """
    stopping = stop_on_signals()
    from automation.config.settings import Web
    from automation.daemon.logs import log_to
    from automation.web.server import WebServer

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        log_to(workspace.project.data_dir / "logs", "web.jsonl")
        settings = workspace.project.settings.web or Web()
        server = WebServer(
            lambda: workspace,
            settings.host if host is None else host,
            settings.port if port is None else port,
            checkpoints=True,
        )
        server.start()
        invocation.output.show({"address": server.address}, Text(f"serving {server.address}; stop with Ctrl-C"))
        while server.is_alive() and not stopping.wait(0.25):
            pass
        server.stop()
        server.join()


def companion(workspace: Callable[[], Workspace]) -> WebServer | None:
    """The web app for the daemon to serve, if config.yaml wants it there."""
    settings = workspace().project.settings.web
    if settings is None or not settings.in_daemon:
        return None
    from automation.web.server import WebServer

    return WebServer(workspace, settings.host, settings.port)
