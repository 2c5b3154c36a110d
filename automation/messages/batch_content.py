"""What a batch's messages show: its products, and the texts of the reasons why they are recommended.

A run freezes both with each batch, the texts in every language that the recommender has. So a message can be rendered
again byte for byte, whatever becomes of the catalogue and the plugins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from automation.messages.template.reasons import PRODUCTS, OwnReasons
from automation.types.campaign import Campaign
from automation.types.language import FALLBACK, nearest_language
from automation.types.web_link import host_of, is_web_link

_WEB = re.compile(r"\s*https?:", re.I)

Sentence = tuple[str, str | None]
"""A reason's text before and after the names of products; the second is None if it names no products."""
Sentences = Mapping[tuple[str, str], Sentence]
"""(recommender, reason code) → its text in one language."""
Products = Mapping[str, Mapping[str, Any]]
"""Product id → what is shown of it."""


@dataclass(frozen=True)
class BatchContent:
    """`products`: product id → what is shown of it; only the name of one that a reason refers to. `utm`: step → its
    links' parameters. `reasons`: recommender → reason code → language → text; `own` are the shop's, of the launch."""

    products: Products = field(default_factory=dict)
    utm: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reasons: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    own: OwnReasons = field(default_factory=OwnReasons)
    kept: dict[tuple[str, str], Sentences] = field(default_factory=dict, compare=False, repr=False)
    linked: dict[str, Products] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Product id → name, of the products that have one."""
        return {product: str(shown["name"]) for product, shown in self.products.items() if shown.get("name")}

    def products_of(self, step: str) -> Products:
        """The products as the messages of this step link to them; worked out once a batch and step.

        A product whose link is no web link is not among them, but in `unfit`.
        """
        if step not in self.linked:
            utm = self.utm.get(step, {})
            self.linked[step] = {
                name: {**shown, "url": tag_link(shown.get("url"), utm)}
                for name, shown in self.products.items()
                if name not in self.unfit
            }
        return self.linked[step]

    @cached_property
    def unfit(self) -> Mapping[str, str]:
        """Product id → why no message can show it: an import refuses such a link, a shop's warehouse may have it."""
        return {
            name: f"its url {str(shown['url'])[:80]!r} is not a web link"
            for name, shown in self.products.items()
            if _WEB.match(str(shown.get("url") or "")) and not is_web_link(str(shown["url"]))
        }

    @cached_property
    def link_hosts(self) -> frozenset[str]:
        """The hosts that the products' links lead to."""
        return frozenset(host_of(str(shown.get("url") or "")) for shown in self.products.values()) - {""}

    def product_of(self, step: str, url: str) -> str | None:
        """The product that the messages of this step show with this link."""
        return next((name for name, shown in self.products_of(step).items() if shown.get("url") == url), None)

    def sentences(self, language: str, otherwise: str) -> Sentences:
        """The reasons in `language`, else in `otherwise`, else in English; the shop's own texts before the plugins'.

        Worked out once a batch and language.
        """
        key = (language, otherwise)
        if key not in self.kept:
            self.kept[key] = {
                (recommender, code): _sentence(texts, self.own.of_code(code), key)
                for recommender, codes in self.reasons.items()
                for code, texts in codes.items()
            }
        return self.kept[key]


def read_content(stored: Mapping[str, Mapping[str, Any]], campaign: Campaign, own: OwnReasons) -> BatchContent:
    """A batch's content from the store, for the messages of its launch; once a batch."""
    utm = {name: send.utm for name, send in campaign.sends.items()}
    return BatchContent(stored.get("products", {}), utm, stored.get("reasons", {}), own)


def tag_link(url: object, utm: Mapping[str, str]) -> object:
    """A link to the shop with the campaign's utm parameters; those that it has already stay."""
    if not utm or not isinstance(url, str) or not is_web_link(url):
        return url
    parts = urlsplit(url)
    present = parse_qsl(parts.query, keep_blank_values=True)
    tags = [(f"utm_{name}", value) for name, value in utm.items() if f"utm_{name}" not in dict(present)]
    return urlunsplit(parts._replace(query=urlencode(present + tags)))


def _sentence(shipped: Mapping[str, str], own: Mapping[str, str], wanted: tuple[str, str]) -> Sentence:
    for language in (*wanted, FALLBACK):
        for texts in (own, shipped):
            if (found := nearest_language(language, texts)) is not None:
                before, named, after = texts[found].partition(PRODUCTS)
                return before, after if named else None
    return "", None
