"""config.yaml's offers and models: one entry under one name each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from automation.config.components import READERS, with_options
from automation.config.grammar import build
from automation.config.problems import KeyPath, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reader, Reading
from automation.config.settings import MODEL_KINDS, ModelKind, ModelSettings
from automation.types.campaign import Grammar
from automation.types.offer import Offer
from automation.types.quantity import Amount, parse_money, parse_percent


class OfferEntry(Grammar):
    """An offer as config.yaml has it: `value` is `10%` or `5 EUR`, by its kind."""

    kind: Literal["percent", "amount", "free_shipping", "none"]
    value: str | None = None
    label: str
    coupon: Literal["none", "unique", "shared"] = "none"
    code: str | None = None
    minimum_basket: Amount | None = None
    expected_cost: Amount | None = None


class ModelEntry(Grammar):
    """A model as config.yaml has it; `kind` is needed only where one name is registered twice."""

    using: str
    options: Any = None
    kind: ModelKind | None = None
    seed: int = Field(default=1, ge=0, lt=2**32)
    parts: tuple[str, ...] = ()


def read_offer(reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]) -> Offer | Broken:
    entry = build(reading, OfferEntry, raw, path)
    if isinstance(entry, Broken):
        return BROKEN
    currency = reading.source.get(("shop", "currency")) or "EUR"
    foreign = [
        name
        for name in ("minimum_basket", "expected_cost")
        if getattr(entry, name) is not None and getattr(entry, name).currency != currency
    ]
    for name in foreign:
        reading.report((*path, name), f"must be in the shop's currency, {currency}")
    value = _offer_value(reading, entry, path, currency)
    if foreign or isinstance(value, Broken):
        return BROKEN
    if entry.coupon == "shared" and entry.code is None:
        return reading.report(path, "a shared coupon needs its `code`", key=True)
    return Offer(
        name=str(path[-1]),
        kind=entry.kind,
        value=value,
        currency=currency if entry.kind == "amount" else None,
        label=entry.label,
        coupon=entry.coupon,
        code=entry.code,
        minimum_basket=entry.minimum_basket.amount if entry.minimum_basket else None,
        expected_cost=entry.expected_cost.amount if entry.expected_cost else None,
    )


def _offer_value(reading: Reading, entry: OfferEntry, path: KeyPath, currency: str) -> Decimal | Broken:
    here = (*path, "value")
    if entry.kind in ("free_shipping", "none"):
        return Decimal(0) if entry.value is None else reading.report(here, f"`{entry.kind}` has no value", key=True)
    if entry.value is None:
        example = "10%" if entry.kind == "percent" else f"5 {currency}"
        return reading.report(path, f"needs a `value`, such as {example}", key=True)
    try:
        if entry.kind == "percent":
            return parse_percent(entry.value)
        money = parse_money(entry.value)
    except ValueError as error:
        return reading.report(here, str(error))
    if money.currency != currency:
        return reading.report(here, f"must be in the shop's currency, {currency}")
    return money.amount


def read_model(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> ModelSettings | Broken:
    entry = build(reading, ModelEntry, raw, path)
    if isinstance(entry, Broken):
        return BROKEN
    kinds = [kind for kind in MODEL_KINDS if entry.using in reading.registry.components[kind]]
    if not kinds:
        known = {name for kind in MODEL_KINDS for name in reading.registry.names(kind)}
        return reading.report((*path, "using"), unknown_name("model component", entry.using, known))
    if len(kinds) > 1 and entry.kind is None:
        return reading.report((*path, "using"), f"is registered more than once; say `kind:` {' or '.join(kinds)}")
    kind = entry.kind or kinds[0]
    if kind not in kinds:
        return reading.report((*path, "kind"), f"{entry.using!r} is registered under {', '.join(kinds)}")
    using = with_options(reading, kind, entry.using, entry.options, (*path, "options"))
    if isinstance(using, Broken):
        return BROKEN
    assert using.options is not None
    return ModelSettings(str(path[-1]), kind, entry.using, using.options, entry.seed, entry.parts)


SETTINGS_READERS: Mapping[Any, Reader] = {**READERS, Offer: read_offer, ModelSettings: read_model}
