"""What a template sees of an offer and of recommended products."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from automation.types.offer import NO_DISCOUNT, NO_MESSAGE, Offer


def offer_terms(offer: Offer | None, coupon: str | None, valid_until: datetime | None) -> dict[str, object] | None:
    """What a template sees of an offer: name, label, kind, value, code, valid_until; None for no discount."""
    if offer is None or offer.name in {NO_DISCOUNT, NO_MESSAGE}:
        return None
    code = coupon if offer.coupon == "unique" else offer.code
    return {
        "name": offer.name,
        "label": offer.label,
        "kind": offer.kind,
        "value": float(offer.value),
        "code": code,
        "valid_until": None if valid_until is None else valid_until.date().isoformat(),
    }


def show_items(items: str, products: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """What a template sees of each recommended product, in their order."""
    return [
        {"product_id": item["product_id"], **products[item["product_id"]], "reason": item["sentence"]}
        for item in json.loads(items)
    ]
