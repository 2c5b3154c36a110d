"""The offer and the recommended products as a template sees them, in the message's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from automation.errors import AutomationError
from automation.messages.batch_content import BatchContent
from automation.types.language import in_language
from automation.types.offer import NO_DISCOUNT, NO_MESSAGE, Offer
from automation.types.shown_values import LINES


def offer_terms(
    offer: Offer | None, coupon: str | None, valid_until: datetime | None, *, languages: tuple[str, str]
) -> dict[str, object] | None:
    """The offer for a template: name, label, kind, value, code, valid_until; None for no discount.

    languages: the message's, and the one to fall back to.
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


class UnfitProduct(AutomationError):
    """A product that a message would show can't be shown; the others' messages are sent."""


def show_items(items: str, content: BatchContent, step: str, languages: tuple[str, str]) -> list[dict[str, object]]:
    """The recommended products for a template, in their order; `reason` is "" for one without a text.

    languages: the message's, and the one to fall back to. A message of four items takes 1.5 µs longer than with
    reasons that were written when the run was planned. Raises `UnfitProduct`.
    """
    products, names, sentences = content.products_of(step), content.names, content.sentences(*languages)
    shown: list[dict[str, object]] = []
    for item in json.loads(items):
        product = item["product_id"]
        if product not in products:
            raise UnfitProduct(f"product {product!r}: {content.unfit.get(product, 'the run did not keep it')}")
        reason, after = sentences.get((item["by"], item["reason"]), _NO_TEXT)
        if after is not None:
            reason = f"{reason}{', '.join([names.get(other, other) for other in item['because']])}{after}"
        shown.append({"product_id": product, **products[product], "reason": reason})
    return shown


def show_order(order: Mapping[str, Any] | None, content: BatchContent, step: str) -> dict[str, object] | None:
    """The customer's last order for a template, with what the catalogue had of its products; None for no order.

    Raises `UnfitProduct`.
    """
    if order is None or LINES not in order:
        return None if order is None else dict(order)
    return {**order, LINES: [_show_line(line, content, step) for line in order[LINES]]}


def _show_line(line: Mapping[str, Any], content: BatchContent, step: str) -> dict[str, object]:
    product, quantity, amount = line["product_id"], line["quantity"], line["amount"]
    if product in content.unfit:
        raise UnfitProduct(f"product {product!r}: {content.unfit[product]}")
    known = content.products_of(step).get(product, {})
    return {
        **{name: known.get(name) for name in _SHOWN_OF_LINE},
        "product_id": product,
        "quantity": int(quantity) if quantity == int(quantity) else quantity,
        "price": round(amount / quantity, 4) if amount is not None and quantity else None,
        "amount": amount,
    }


_SHOWN_OF_LINE = ("name", "category", "brand", "url", "image_url")
_NO_TEXT = ("", None)


def _label(labels: Mapping[str, str], languages: tuple[str, str]) -> str:
    """0.1 µs if there is a label for exactly this language."""
    return labels.get(languages[0]) or in_language(labels, *languages) or ""
