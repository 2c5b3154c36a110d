"""What a template sees of an offer and of recommended products, in the message's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from automation.messages.batch_content import Products, Sentences
from automation.messages.template.reasons import PRODUCTS
from automation.types.language import in_language
from automation.types.offer import NO_DISCOUNT, NO_MESSAGE, Offer


def offer_terms(
    offer: Offer | None, coupon: str | None, valid_until: datetime | None, *, languages: tuple[str, str]
) -> dict[str, object] | None:
    """What a template sees of an offer: name, label, kind, value, code, valid_until; None for no discount.

    languages: the message's, and the one whose label is shown where there is none in the message's.
    """
    if offer is None or offer.name in {NO_DISCOUNT, NO_MESSAGE}:
        return None
    code = coupon if offer.coupon == "unique" else offer.code
    return {
        "name": offer.name,
        "label": offer.label if isinstance(offer.label, str) else _label(offer.label, languages),
        "kind": offer.kind,
        "value": float(offer.value),
        "code": code,
        "valid_until": None if valid_until is None else valid_until.date().isoformat(),
    }


def show_items(items: str, products: Products, sentences: Sentences) -> list[dict[str, object]]:
    """What a template sees of each recommended product, in their order; without a text its `reason` is ""."""
    return [
        {"product_id": item["product_id"], **products[item["product_id"]], "reason": _reason(item, products, sentences)}
        for item in json.loads(items)
    ]


def _reason(item: Mapping[str, Any], products: Products, sentences: Sentences) -> str:
    text = sentences.get((item["by"], item["reason"]), "")
    if PRODUCTS not in text:
        return text
    names = [(products[product].get("name") if product in products else None) or product for product in item["because"]]
    return text.replace(PRODUCTS, ", ".join(names))


def _label(labels: Mapping[str, str], languages: tuple[str, str]) -> str:
    """M: 0.1 µs where there is one in the message's language, as it is spelt."""
    return labels.get(languages[0]) or in_language(labels, *languages) or ""
