"""Every name that a template can use, with what it means: what `validate` checks, and the reference lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from automation.types.profile import ALWAYS_KNOWN, PROFILE_COLUMNS, PROFILE_MEANINGS
from automation.types.schema import CUSTOMERS
from automation.types.shown_values import LAST_ORDER, PROFILE

Kind = Literal["group", "list", "text", "link", "date", "number", "whole number", "true or false"]
Path = tuple[str, ...]
ITEM = "[]"
"""Stands in a path for any entry of a list."""
_NEVER_BOUGHT = "for customers who never bought"
_NO_DATA = "where the catalogue does not say"
_KINDS: Mapping[str, Kind] = {
    "text": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "date": "date",
    "time": "date",
}
_DAYS = frozenset({"recency_days", "lifetime_days"})
_TRAITS: Mapping[str, str] = {
    "customer_id": "the shop's own id",
    "email": "e-mail address",
    "phone": "phone number",
    "first_name": "first name",
    "last_name": "last name",
    "language": "language, such as `de` or `fr-CA`",
    "country": "country code, such as `DE`",
    "city": "city",
    "postcode": "postcode",
    "timezone": "time zone, such as `Europe/Berlin`",
    "birthday": "birthday",
    "created_at": "when the account was made",
}


@dataclass(frozen=True)
class Variable:
    """name: as a template writes it, `items[].price` for the price of each item. empty: when it has no value, as the
    end of a sentence; "" if it always has one."""

    name: str
    kind: Kind
    meaning: str
    empty: str = ""

    @property
    def path(self) -> Path:
        return tuple(self.name.replace(ITEM, f".{ITEM}").split("."))


def _profile() -> Iterator[Variable]:
    """The fields of the profile, as texts get them: days are whole, times are days of the shop's zone."""
    for name, kind in PROFILE_COLUMNS.items():
        if name != "customer_id":
            empty = "" if name in ALWAYS_KNOWN else _empty_field(name)
            shown = "whole number" if name in _DAYS else _KINDS[kind]
            yield Variable(f"{PROFILE}.{name}", shown, PROFILE_MEANINGS[name], empty)


def _empty_field(name: str) -> str:
    if name.endswith("_opening") or name.startswith("email_"):
        return "for customers without recorded e-mails"
    if name.startswith(("top_", "discount_", "usual_discount")):
        return f"{_NEVER_BOUGHT}, and where the data does not say"
    return _NEVER_BOUGHT


def _variables() -> Iterator[Variable]:
    yield Variable("customer", "group", "the traits of the customer; your own traits beside these")
    for name in CUSTOMERS.columns:
        empty = "" if name in CUSTOMERS.required else "where the data does not say"
        yield Variable(f"customer.{name}", _KINDS[CUSTOMERS.columns[name]], _TRAITS[name], empty)
    yield Variable(PROFILE, "group", "what the shop knows from the customer's behaviour when the run is planned")
    yield from _profile()
    yield from _LAST_ORDER
    yield from _MESSAGE


_LAST_ORDER = (
    Variable(LAST_ORDER, "group", "the customer's last order when the run is planned", _NEVER_BOUGHT),
    Variable(f"{LAST_ORDER}.id", "text", "its number", "where the purchases have no order id"),
    Variable(f"{LAST_ORDER}.day", "date", "its day, in the shop's time zone"),
    Variable(f"{LAST_ORDER}.days_since", "whole number", "whole days since then"),
    Variable(f"{LAST_ORDER}.total", "number", "its amount, in the shop's currency", "where an amount is not known"),
    Variable(f"{LAST_ORDER}.product_count", "whole number", "how many different products it has"),
    Variable(f"{LAST_ORDER}.lines", "list", "its products, the most expensive line first, at most 50"),
    Variable(f"{LAST_ORDER}.lines[]", "group", "one of them"),
    Variable(f"{LAST_ORDER}.lines[].product_id", "text", "the product's id"),
    Variable(f"{LAST_ORDER}.lines[].name", "text", "its name", "where the product is no longer in the catalogue"),
    Variable(f"{LAST_ORDER}.lines[].category", "text", "its category", _NO_DATA),
    Variable(f"{LAST_ORDER}.lines[].brand", "text", "its brand", _NO_DATA),
    Variable(f"{LAST_ORDER}.lines[].url", "link", "its page in the shop", _NO_DATA),
    Variable(f"{LAST_ORDER}.lines[].image_url", "link", "its picture", _NO_DATA),
    Variable(f"{LAST_ORDER}.lines[].quantity", "number", "how many were bought"),
    Variable(f"{LAST_ORDER}.lines[].price", "number", "what was paid for one", "where the amount is not known"),
    Variable(f"{LAST_ORDER}.lines[].amount", "number", "what was paid for all of them", "where it is not known"),
)
_MESSAGE = (
    Variable("items", "list", "the recommended products, the best first; an empty list without `recommend`"),
    Variable("items[]", "group", "one of them"),
    Variable("items[].product_id", "text", "the product's id"),
    Variable("items[].name", "text", "its name", _NO_DATA),
    Variable("items[].category", "text", "its category", _NO_DATA),
    Variable("items[].brand", "text", "its brand", _NO_DATA),
    Variable("items[].price", "number", "its price", _NO_DATA),
    Variable("items[].currency", "text", "the currency of the price", _NO_DATA),
    Variable("items[].url", "link", "its page in the shop, with the campaign's `utm` parameters", _NO_DATA),
    Variable("items[].image_url", "link", "its picture", _NO_DATA),
    Variable("items[].reason", "text", 'why it is recommended, in the message\'s language; `""` without a text'),
    Variable("offer", "group", "what the message offers", "without an offer, and for `no_discount`"),
    Variable("offer.name", "text", "its name in config.yaml"),
    Variable("offer.label", "text", "its label, in the message's language"),
    Variable("offer.kind", "text", "`percent`, `amount` or `free_shipping`"),
    Variable("offer.value", "number", "a share for `percent` (0.1 is 10 %), money for `amount`"),
    Variable("offer.code", "text", "the coupon code", "for an offer without a coupon"),
    Variable("offer.valid_until", "date", "the last day", "without `valid_for`"),
    Variable("shop", "group", "the shop, from config.yaml"),
    Variable("shop.name", "text", "its name"),
    Variable("shop.url", "link", "its address, with the campaign's `utm` parameters"),
    Variable("shop.address", "text", "its postal address"),
    Variable("shop.email", "text", "its e-mail address"),
    Variable("shop.currency", "text", "its currency, such as `EUR`"),
    Variable("shop.language", "text", "its language"),
    Variable("links", "group", "the recipient's own pages"),
    Variable("links.unsubscribe", "link", "stops messages of this kind with one click; by mail without a web app"),
    Variable("links.preferences", "link", "the preference centre; by mail without a web app"),
    Variable("links.confirm", "link", "confirms a consent (double opt-in)", "without a web app"),
    Variable("campaign", "group", "the campaign"),
    Variable("campaign.name", "text", "its name"),
    Variable("text", "group", "the texts of the language file, by the names that you give them: `text.intro`"),
    Variable("language", "text", "the language that the message is written in"),
    Variable("subject", "text", "the rendered subject, for the title of the page"),
    Variable("preheader", "text", "the rendered preheader"),
    Variable("today", "date", "the day on which the message leaves, in the shop's time zone"),
)
VARIABLES: tuple[Variable, ...] = tuple(_variables())
BY_PATH: Mapping[Path, Variable] = MappingProxyType({one.path: one for one in VARIABLES})
NAMES = tuple(sorted(one.name for one in VARIABLES if len(one.path) == 1))
"""The names that stand at the beginning of a path."""
OPEN = frozenset({"customer", "text"})
"""Groups that have further names of the shop's own."""


def names_below(path: Path) -> list[str]:
    """The names that may stand after this path."""
    return [one[-1] for one in BY_PATH if one[:-1] == path]
