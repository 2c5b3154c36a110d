"""What every route shares: the project as it is now, its pages, and the one writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog
from starlette.responses import HTMLResponse, Response

from automation.config.project import Project
from automation.config.settings import Settings
from automation.delivery.sent_message import Rerendering
from automation.errors import ConfigurationError
from automation.ids import link_id, sign
from automation.messages.pages import Pages
from automation.store.inbox import responses
from automation.store.inbox.responses import MessageRecipient
from automation.web.group_commit import GroupCommit
from automation.web.public.tokens import Purpose, Reference, read_token
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Derived:
    """What is built from one project's files."""

    project: Project
    pages: Pages
    rerendering: Rerendering


@dataclass
class Site:
    """The app's state. It asks for the workspace each time, since the daemon reloads changed files while it runs."""

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
        """What the token names, also where it was signed before the keys were rotated; None if it isn't valid."""
        keys = self.workspace.store.keys.verifying(self.now)
        return next((found for key in keys if (found := read_token(key, purpose, token)) is not None), None)

    def has_ended(self, purpose: Literal["preferences", "confirm"], message: MessageRecipient) -> bool:
        """Whether the message is so old that its link for this purpose works no longer. Unsubscribing always works."""
        settings = self.settings
        ends = {"preferences": settings.links.preferences_end_after, "confirm": settings.consent.confirm_within}
        return message.granted_at is not None and self.now > message.granted_at + ends[purpose]

    def show_ended(self, purpose: Literal["preferences", "confirm"], message: MessageRecipient) -> Response:
        """What to do instead; it shows nothing about the recipient, since an old link may be in other hands."""
        other = self.make_link("unsubscribe", "u", message) if purpose == "preferences" else ""
        return self.show_page("ended", message, status=410, asked=purpose, other=other)

    def make_link(self, purpose: Purpose, path: str, message: MessageRecipient) -> str:
        """A relative link to another page for the same message, behind any proxy path; "" if it would have ended."""
        if purpose == "preferences" and self.has_ended(purpose, message):
            return ""
        secret = self.workspace.store.secret
        return f"../{path}/{sign(secret, purpose, link_id(secret, message.id))}"

    def text_version(self, page: str, message_id: str) -> str:
        """The wording that the recipient of a message sees on a page; "" if the message is not known."""
        with self.workspace.store.reading() as connection:
            message = responses.find_recipient(connection, message_id)
        return "" if message is None else self.pages.text_version(page, message.language)

    def show_page(
        self, name: str, message: MessageRecipient | None = None, *, status: int = 200, **values: object
    ) -> Response:
        """A page in the recipient's language, with these values."""
        language = message.language if message else ""
        html = self.pages.render(name, language, **values)
        return HTMLResponse(html, status_code=status, headers=self.pages.headers)

    def show_not_found(self) -> Response:
        """One page for every address that is not valid: forged, for another purpose, or no longer known."""
        return self.show_page("nowhere", status=404)

    def _current(self) -> _Derived:
        workspace = self.workspace
        derived = self._derived
        if derived is None or derived.project is not workspace.project:
            pages = self._load_pages(workspace.project, derived)
            derived = _Derived(workspace.project, pages, Rerendering(workspace))
            self._derived = derived
        return derived

    @staticmethod
    def _load_pages(project: Project, previous: _Derived | None) -> Pages:
        """The project's pages; the previous ones if one of their files was broken while the app runs."""
        try:
            return Pages(project)
        except ConfigurationError as error:
            if previous is None:
                raise
            log.error("a page file is broken; serving the previous pages", problem=str(error))
            return previous.pages
