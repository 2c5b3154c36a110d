"""Everything that a plugin can take part in, on one page.

Two kinds only. *Contribute*, once, at load: call `register(name, cls)` for each component. *Observe*: frozen values, a
batch at a time; what an observer raises is logged and counted, never fatal. No hook may change a decision: change
happens only through a component that the campaign names, so that `explain` can say who decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import polars as pl

    from automation.contracts import Channel, OfferPolicy, Recommender, Rule, Segmenter, Source, Suppression
    from automation.types.run import Account

hookspec = pluggy.HookspecMarker("automation")
hookimpl = pluggy.HookimplMarker("automation")


# Contribute


@hookspec
def register_sources(register: Callable[[str, type[Source]], None]) -> None:
    """File formats that `automation import` reads."""


@hookspec
def register_rules(register: Callable[[str, type[Rule]], None]) -> None:
    """Conditions of an audience; the name is the rule's YAML key."""


@hookspec
def register_segmenters(register: Callable[[str, type[Segmenter]], None]) -> None:
    """Labelled or scored sets of customers."""


@hookspec
def register_recommenders(register: Callable[[str, type[Recommender]], None]) -> None:
    """Products for a customer."""


@hookspec
def register_offer_policies(register: Callable[[str, type[OfferPolicy]], None]) -> None:
    """Ways to choose an offer."""


@hookspec
def register_suppressions(register: Callable[[str, type[Suppression]], None]) -> None:
    """Further reasons not to send."""


@hookspec
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    """Ways to deliver a message."""


@hookspec
def register_template_filters(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Jinja filters; the name is the filter's."""


# Observe


@hookspec
def run_started(campaign: str, run_id: str, audience: int) -> None:
    """A run's audience was frozen."""


@hookspec
def decisions_made(campaign: str, run_id: str, decisions: pl.DataFrame) -> None:
    """A batch was planned: customer_id, outcome, reason, variant, offer."""


@hookspec
def messages_sent(receipts: pl.DataFrame) -> None:
    """What the channels answered for a group: message_id, verdict, detail."""


@hookspec
def events_recorded(table: str, rows: int, quarantined: int) -> None:
    """An import or a flush was committed to the warehouse."""


@hookspec
def run_finished(campaign: str, run_id: str, account: Account, figures: Mapping[str, float]) -> None:
    """A run ended; `figures` holds seconds and messages a second."""
