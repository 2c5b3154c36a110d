"""How instants and money are written for the people of the shop: in its time zone, currency and number format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from automation.types.run import RunKind

if TYPE_CHECKING:
    from automation.store.runs import RunRow
    from automation.workspace.opened import Opened, OpenedByStatements


@dataclass(frozen=True)
class ShopFormat:
    """The shop's zone, currency and language. The defaults are those of a project that can't be read."""

    zone: str = "UTC"
    currency: str = "EUR"
    language: str = "en"

    def time(self, instant: datetime) -> str:
        """`2026-11-24 09:00 CET`."""
        local = instant.astimezone(ZoneInfo(self.zone))
        return f"{local:%Y-%m-%d %H:%M} {local:%Z}"

    def cell(self, instant: datetime | None) -> str:
        """`2026-11-24 09:00`, for a column whose heading names the zone; empty without an instant."""
        return "" if instant is None else f"{instant.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M}"

    def wall(self, local: datetime) -> str:
        """A time on the customers' own clocks."""
        return f"{local:%Y-%m-%d %H:%M}, customers' time"

    def day(self, instant: datetime) -> str:
        """`2026-11-24`."""
        return instant.astimezone(ZoneInfo(self.zone)).date().isoformat()

    def money(self, amount: float) -> str:
        """`1.234,50 €` for a German shop, `€1,234.50` for an English one."""
        from automation.messages.template.filters import format_money
        from automation.messages.template.locale import locale_of

        return format_money(amount, self.currency, locale_of(self.language))

    def due(self, run: RunRow) -> str:
        """`due 2026-11-24 09:00 CET`, or how else the run began: `by hand 2026-11-24 14:30 CET`."""
        if run.kind is RunKind.MANUAL:
            return f"by hand {self.time(run.due_at)}"
        if run.kind is RunKind.EVENT:
            return f"after an event {self.time(run.due_at)}"
        wall = run.due_key.removesuffix("Z").replace("T", " ")[:16]
        if run.due_key.endswith("Z") or wall == self.cell(run.due_at):
            return f"due {self.time(run.due_at)}"
        return f"due {wall}, local time"


UNKNOWN_SHOP = ShopFormat()


def shop_format(opened: Opened | OpenedByStatements) -> ShopFormat:
    """The shop's own; the default where config.yaml was not read."""
    if opened.project is None:
        return UNKNOWN_SHOP
    shop = opened.project.settings.shop
    return ShopFormat(shop.timezone, shop.currency, shop.language)
