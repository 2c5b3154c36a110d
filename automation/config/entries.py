"""Reads the entries of config.yaml's `offers`, `models` and `channels`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import Field, InstanceOf

from automation.config.components import READERS, build_component, read_component
from automation.config.model_builder import build_model
from automation.config.problems import KeyPath, list_choices, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reader, Reading
from automation.config.settings import MAX_AGE, MODEL_KINDS, LanguageCode, ModelKind, ModelSettings
from automation.types.channel_settings import ChannelSettings, PauseWhen, ProviderSettings, WarmUp
from automation.types.condition import Using
from automation.types.grammar import FileModel, Names
from automation.types.offer import Offer
from automation.types.quantity import Amount, Duration, parse_money, parse_percent
from automation.types.rate import RateText


class OfferEntry(FileModel):
    """An offer as config.yaml has it: `value` is `10%` or `5 EUR`, by its kind."""

    kind: Literal["percent", "amount", "free_shipping", "none"]
    value: str | None = None
    label: str | Annotated[Mapping[LanguageCode, str], MinLen(1)] = Field(
        description="its name in messages, or a name for each language"
    )
    coupon: Literal["none", "unique", "shared"] = "none"
    code: str | None = None
    minimum_basket: Amount | None = None
    expected_cost: Amount | None = None


class ModelEntry(FileModel):
    """A model as config.yaml has it; `kind` is needed only if the component's name is registered for two kinds."""

    using: str
    options: Any = None
    kind: ModelKind | None = None
    seed: int = Field(default=1, ge=0, lt=2**32)
    parts: tuple[str, ...] = ()
    max_age: Duration = MAX_AGE


class ProviderEntry(FileModel):
    """Who delivers a channel's messages, and how fast."""

    using: Annotated[InstanceOf[Using], Names("channels")]
    rate: RateText | None = Field(default=None, description="how many messages it may get, evenly spread")
    warm_up: WarmUp | None = Field(default=None, description="more from day to day, for a new provider or address")


class ChannelEntry(ProviderEntry):
    """A channel as config.yaml has it."""

    rate_per_domain: Mapping[str, RateText] = Field(
        default_factory=dict, description="how many messages a recipient's domain may get; `otherwise` is every other"
    )
    otherwise: ProviderEntry | None = Field(
        default=None, description="another provider, for what the first one does not take"
    )
    pause_when: PauseWhen = Field(
        default=PauseWhen(), description="what pauses a campaign, or the channel, until `automation resume`"
    )


def read_channel(
    reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]
) -> ChannelSettings | Broken:
    """A channel's name alone, or its entry."""
    if isinstance(raw, str):
        using = read_component(reading, "channels", raw, path, (None, path))
        return BROKEN if isinstance(using, Broken) else ChannelSettings(using.name, using.options)
    if isinstance(raw, dict) and _is_no_entry(reading, raw, path):
        return BROKEN
    entry = build_model(reading, ChannelEntry, raw, path)
    if isinstance(entry, Broken):
        return BROKEN
    other = entry.otherwise
    if other is not None and _kind(reading, other.using) != _kind(reading, entry.using):
        what = f"needs another kind of address than {entry.using.name!r}, so it can't be its fallback"
        return reading.report((*path, "otherwise", "using"), what)
    domains = {domain.lower().removeprefix("@"): rate for domain, rate in entry.rate_per_domain.items()}
    return ChannelSettings(
        entry.using.name,
        entry.using.options,
        rate=entry.rate,
        warm_up=entry.warm_up,
        rate_per_domain=tuple(domains.items()),
        otherwise=None if other is None else _provider(other),
        pause_when=entry.pause_when,
    )


def _is_no_entry(reading: Reading, raw: Mapping[str, Any], path: KeyPath) -> bool:
    """Whether `using` is missing, or keys are there that belong under `options`."""
    known = ["using", "options", *(key for key in ChannelEntry.model_fields if key != "using")]
    extra = next((key for key in raw if key not in known), None)
    if extra is not None:
        what = f"unknown key; allowed: {', '.join(known)} (a component's own settings go under options)"
        reading.report((*path, extra), what, key=True)
    elif "using" not in raw:
        reading.report(path, f"needs `using`: one of {list_choices(reading.registry.names('channels'))}", key=True)
    return extra is not None or "using" not in raw


def _provider(entry: ProviderEntry) -> ProviderSettings:
    return ProviderSettings(entry.using.name, entry.using.options, rate=entry.rate, warm_up=entry.warm_up)


def _kind(reading: Reading, using: Using) -> str:
    return str(reading.registry.find("channels", using.name).kind)


def read_offer(reading: Reading, form: Form, raw: Any, path: KeyPath, parent: Mapping[str, Any]) -> Offer | Broken:
    entry = build_model(reading, OfferEntry, raw, path)
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
    entry = build_model(reading, ModelEntry, raw, path)
    if isinstance(entry, Broken):
        return BROKEN
    kinds = [kind for kind in MODEL_KINDS if entry.using in reading.registry.components[kind]]
    if not kinds:
        known = {name for kind in MODEL_KINDS for name in reading.registry.names(kind)}
        return reading.report((*path, "using"), unknown_name("model component", entry.using, known))
    if len(kinds) > 1 and entry.kind is None:
        return reading.report((*path, "using"), f"is registered more than once; write `kind:` {' or '.join(kinds)}")
    kind = entry.kind or kinds[0]
    if kind not in kinds:
        return reading.report((*path, "kind"), f"{entry.using!r} is registered under {', '.join(kinds)}")
    using = build_component(reading, kind, entry.using, entry.options, (*path, "options"))
    if isinstance(using, Broken):
        return BROKEN
    assert using.options is not None
    return ModelSettings(str(path[-1]), kind, entry.using, using.options, entry.seed, entry.parts, entry.max_age)


SETTINGS_READERS: Mapping[Any, Reader] = {
    **READERS,
    Offer: read_offer,
    ModelSettings: read_model,
    ChannelSettings: read_channel,
}
