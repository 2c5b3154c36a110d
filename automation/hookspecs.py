"""All hooks of a plugin, on one page.

There are two kinds. *Contribute* hooks run once, at load, and call `register(name, cls)` for each component. *Observe*
hooks get frozen values, a batch at a time; their exceptions are logged and counted, and stop nothing. No hook can
change a decision: only a component that the campaign names can, so that `explain` can name it.
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
    """Register file formats that `automation import` reads."""


@hookspec
def register_rules(register: Callable[[str, type[Rule]], None]) -> None:
    """Register conditions for audiences; the name is the rule's YAML key."""


@hookspec
def register_segmenters(register: Callable[[str, type[Segmenter]], None]) -> None:
    """Register models that label or score customers."""


@hookspec
def register_recommenders(register: Callable[[str, type[Recommender]], None]) -> None:
    """Register models that recommend products to customers."""


@hookspec
def register_offer_policies(register: Callable[[str, type[OfferPolicy]], None]) -> None:
    """Register policies that choose an offer for each customer."""


@hookspec
def register_suppressions(register: Callable[[str, type[Suppression]], None]) -> None:
    """Register further reasons not to send."""


@hookspec
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    """Register channels that deliver messages."""


@hookspec
def register_template_filters(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Register Jinja filters; the name is the filter's name in templates."""


# Observe


@hookspec
def run_started(campaign: str, run_id: str, audience: int) -> None:
    """A run's audience was frozen."""


@hookspec
def decisions_made(campaign: str, run_id: str, decisions: pl.DataFrame) -> None:
    """A batch was planned: customer_id, outcome, reason, variant, offer."""


@hookspec
def messages_sent(receipts: pl.DataFrame) -> None:
    """A group of messages has its channels' receipts: message_id, verdict, detail."""


@hookspec
def events_recorded(table: str, rows: int, quarantined: int) -> None:
    """An import or a flush was committed to the warehouse."""


@hookspec
def run_finished(campaign: str, run_id: str, account: Account, figures: Mapping[str, float]) -> None:
    """A run ended; `figures` has its duration in seconds and its messages per second."""
