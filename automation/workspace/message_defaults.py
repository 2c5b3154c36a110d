"""Message defaults from the project's settings: sender, shop data, links, tracking."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from automation.config.project import Project
from automation.messages.compose import MessageDefaults
from automation.workspace.channels import kinds_of

_SHOWN_OF_SHOP = {"name", "url", "currency", "language", "address", "email"}


def message_defaults_of(project: Project, secret: bytes) -> MessageDefaults:
    """The project's message defaults; `secret` signs the links."""
    settings = project.settings
    shop = settings.shop
    return MessageDefaults(
        shop={key: str(value or "") for key, value in shop.model_dump(include=_SHOWN_OF_SHOP).items()},
        zone=ZoneInfo(shop.timezone),
        sender=settings.senders.from_ or f"{shop.name} <{shop.email or 'no-reply@localhost'}>",
        reply_to=settings.senders.reply_to or "",
        base_url=settings.links.base_url,
        unsubscribe_to=shop.email or "no-reply@localhost",
        kinds=kinds_of(project),
        offers=settings.offers,
        secret=secret,
        track=settings.links.track is not False,
        pixel=settings.links.track is True,
        redirect_to=settings.testing.redirect_all,
    )
