"""What a batch's messages show: linked products, and reasons in the language of each message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from automation.messages.batch_content import BatchContent
from automation.messages.template.files import TemplateError, Templates
from automation.messages.template.reasons import OwnReasons
from automation.messages.template_context import offer_terms, show_items
from automation.types.offer import Offer

BOUGHT = {
    "en": "because you bought {products}",
    "fr": "parce que vous avez acheté {products}",
    "de-AT": "weil Sie {products} gekauft haben, gell",
}
CONTENT = BatchContent(
    products={
        "p1": {"name": "Mug", "price": 9.0, "url": None},
        "p2": {"name": "Bougie", "url": None},
        "p3": {"name": None, "url": None},
    },
    reasons={"similar": {"bought": BOUGHT, "seen": {"en": "because you looked"}}, "popular": {"bought": {"en": "hot"}}},
)
NOTHING = OwnReasons()


def reason(language: str, otherwise: str = "en", *, own: OwnReasons = NOTHING, **item: object) -> object:
    asked = {"product_id": "p1", "by": "similar", "reason": "bought", "because": ["p2"], **item}
    content = replace(CONTENT, own=own, kept={}, linked={})
    (found,) = show_items(json.dumps([asked]), content, "send", (language, otherwise))
    return found["reason"]


@pytest.mark.parametrize(
    ("language", "otherwise", "expected"),
    [
        ("fr", "en", "parce que vous avez acheté Bougie"),
        ("fr-CA", "en", "parce que vous avez acheté Bougie"),
        ("DE_at", "en", "weil Sie Bougie gekauft haben, gell"),
        ("de", "fr", "parce que vous avez acheté Bougie"),
        ("pl", "sv", "because you bought Bougie"),
        ("", "", "because you bought Bougie"),
    ],
)
def test_a_reason_is_in_the_message_s_language_else_the_shop_s_else_english(
    language: str, otherwise: str, expected: str
) -> None:
    assert reason(language, otherwise) == expected


def test_several_products_and_one_that_is_not_in_the_catalogue_any_more() -> None:
    assert reason("en", because=["p2", "p9", "p3"]) == "because you bought Bougie, p9, p3"


def test_links_carry_the_parameters_of_the_step() -> None:
    content = BatchContent(
        products={"p1": {"name": "Mug", "url": "https://shop.example/mug"}},
        utm={"first": {"campaign": "welcome"}, "second": {}},
    )
    assert content.products_of("first")["p1"]["url"] == "https://shop.example/mug?utm_campaign=welcome"
    assert content.products_of("second")["p1"]["url"] == "https://shop.example/mug"
    assert content.product_of("first", "https://shop.example/mug?utm_campaign=welcome") == "p1"
    assert content.product_of("second", "https://shop.example/mug?utm_campaign=welcome") is None


def test_the_same_code_of_another_recommender_has_its_own_text() -> None:
    assert reason("fr", by="popular") == "hot"


@pytest.mark.parametrize("item", [{"reason": "unheard"}, {"by": "unheard"}])
def test_a_reason_without_any_text_is_empty(item: dict[str, Any]) -> None:
    assert reason("en", **item) == ""


def own(**files: str) -> OwnReasons:
    return OwnReasons(Templates.from_content({f"reasons/{name}.yaml": text for name, text in files.items()}))


def test_the_shop_s_own_texts_come_first_in_their_language() -> None:
    shop = own(fr='bought: "vous aviez choisi {products}"', it="seen: perché hai guardato")
    assert reason("fr-CA", own=shop) == "vous aviez choisi Bougie"
    assert reason("en", own=shop) == "because you bought Bougie"
    assert reason("it", own=shop, reason="seen") == "perché hai guardato"
    assert reason("it", own=shop) == "because you bought Bougie"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: x\nbought: because of {product}", "2: bought: {product} is not known here; write {products} for the"),
        (
            'bought: "because of {{ products }}"',
            "1: bought: {{ products }} is not known here; write {products} for the",
        ),
        ("- x", "1: write one `name: text` a line"),
    ],
)
def test_a_mistake_in_the_shop_s_texts_has_its_place(text: str, what: str) -> None:
    with pytest.raises(TemplateError) as error:
        _ = own(fr=text).phrases
    assert str(error.value).startswith(f"templates/reasons/fr.yaml:{what}")


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (("fr", "en"), "10 % de remise"),
        (("fr-BE", "en"), "10 % de remise"),
        (("es", "fr"), "10 % de remise"),
        (("es", "pl"), "10 % off"),
        (("", ""), "10 % off"),
    ],
)
def test_an_offer_is_called_in_the_message_s_language(languages: tuple[str, str], expected: str) -> None:
    offer = Offer(name="ten", kind="percent", label={"fr": "10 % de remise", "en": "10 % off"})
    terms = offer_terms(offer, None, None, languages=languages)
    assert terms is not None
    assert terms["label"] == expected


def test_an_offer_with_one_label_is_called_that_everywhere() -> None:
    terms = offer_terms(Offer(name="ten", kind="percent", label="-10 %"), None, None, languages=("fr", "en"))
    assert terms is not None
    assert terms["label"] == "-10 %"
    only = Offer(name="ten", kind="percent", label={"de": "10 % Rabatt"})
    terms = offer_terms(only, None, None, languages=("fr", "es"))
    assert terms is not None
    assert terms["label"] == "10 % Rabatt", "better another language than nothing"
