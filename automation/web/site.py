"""What every route works with: the project as it is now, its pages, and the one writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from starlette.responses import HTMLResponse, Response

from automation.config.project import Project
from automation.config.settings import Settings
from automation.delivery.sent_message import Rerendering
from automation.errors import ConfigurationError
from automation.ids import sign
from automation.messages.pages import Pages
from automation.store.inbox.responses import MessageRecipient
from automation.web.group_commit import GroupCommit
from automation.web.public.tokens import Purpose, Reference, read_token
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Derived:
    """What is made of one project's files."""

    project: Project
    pages: Pages
    rerendering: Rerendering


@dataclass
class Site:
    """The app's state. The workspace is asked for each time: the daemon takes changed files over while it runs."""

    workspace_now: Callable[[], Workspace]
    writer: GroupCommit
    _derived: _Derived | None = field(default=None, repr=False)

    @property
    def workspace(self) -> Workspace:
        return self.workspace_now()

    @property
    def settings(self) -> Settings:
        return self.workspace.project.settings

    @property
    def now(self) -> datetime:
        return self.workspace.clock.now()

    @property
    def pages(self) -> Pages:
        return self._current().pages

    @property
    def rerendering(self) -> Rerendering:
        return self._current().rerendering

    def read_token(self, purpose: Purpose, token: str) -> Reference | None:
        return read_token(self.workspace.store.secret, purpose, token)

    def link(self, purpose: Purpose, path: str, message: MessageRecipient) -> str:
        """Another page for the same message, seen from its neighbour: wherever a proxy puts the site."""
        return f"../{path}/{sign(self.workspace.store.secret, purpose, message.id)}"

    def page(
        self, name: str, message: MessageRecipient | None = None, *, status: int = 200, **shown: object
    ) -> Response:
        """A page in the recipient's language."""
        language = message.language if message else ""
        html = self.pages.render(name, language, **shown)
        return HTMLResponse(html, status_code=status, headers=self.pages.headers)

    def nowhere(self) -> Response:
        """For every address that leads nowhere, whatever the reason: forged, of another purpose, no longer known."""
        return self.page("nowhere", status=404)

    def _current(self) -> _Derived:
        workspace = self.workspace
        derived = self._derived
        if derived is None or derived.project is not workspace.project:
            pages = self._pages_of(workspace.project, derived)
            derived = _Derived(workspace.project, pages, Rerendering(workspace))
            self._derived = derived
        return derived

    @staticmethod
    def _pages_of(project: Project, before: _Derived | None) -> Pages:
        """The project's pages; those before it where a file of theirs was broken while the app runs."""
        try:
            return Pages(project)
        except ConfigurationError as error:
            if before is None:
                raise
            log.error("the pages stay as they were", problem=str(error))
            return before.pages
