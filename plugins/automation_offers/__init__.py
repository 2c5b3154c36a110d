"""Offer policies without training: `fixed` gives always the same offer, `rules` the offer of the first match."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import OfferPolicy
from automation.hookspecs import hookimpl
from automation_offers.policies import FirstMatch, Fixed


@hookimpl
def register_offer_policies(register: Callable[[str, type[OfferPolicy]], None]) -> None:
    register("fixed", Fixed)
    register("rules", FirstMatch)
