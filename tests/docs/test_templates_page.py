"""The reference of templates is true: the examples come out as it says, and messages have every variable it lists."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.rendering import text

from automation.messages.batch_content import BatchContent
from automation.messages.template.variables import BY_PATH, ITEM, names_below
from automation.messages.template_context import offer_terms, show_items, show_order
from automation.pipeline.recommend import SHOWN
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.offer import Offer
from automation.warehouse.shown_values import PRODUCT_FIELDS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/templates.md").read_text()
EXAMPLES = re.findall(r"^\| `\w+` \| `(.+?)` → (.+?)(?:, or .*?|, half.*?|;.*?)?\.? \|$", PAGE, flags=re.M)


@pytest.mark.parametrize(("expression", "result"), EXAMPLES, ids=[expression for expression, _ in EXAMPLES])
def test_an_example_of_a_filter_comes_out_like_this(expression: str, result: str) -> None:
    assert text(f"{{{{ {expression.replace(chr(92), '')} }}}}") == result


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 12


def test_messages_have_what_the_reference_lists_and_nothing_else() -> None:
    offer = Offer(name="ten", kind="percent", label="10 % off")
    terms = offer_terms(offer, "TEN", TOY_AS_OF, languages=("en", "en"))
    assert terms is not None
    assert set(terms) == set(names_below(("offer",)))
    content = BatchContent(products={"p1": dict.fromkeys(SHOWN, "x") | {"url": "https://toy.example"}})
    (item,) = show_items(
        json.dumps([{"product_id": "p1", "by": "a", "reason": "b", "because": []}]), content, "send", ("en", "en")
    )
    assert set(item) == set(names_below(("items", ITEM)))
    line = {"product_id": "p1", "quantity": 2.0, "amount": 5.0}
    order = show_order({"day": "2026-03-01", "lines": [line]}, replace(content, linked={}), "send")
    assert order is not None
    lines: Any = order["lines"]
    (shown,) = lines
    assert set(shown) == set(names_below(("last_order", "lines", ITEM)))
    assert set(PRODUCT_FIELDS) < set(shown)
    assert shown["price"] == 2.5


def test_every_group_is_described() -> None:
    assert all(path[:length] in BY_PATH for path in BY_PATH for length in range(1, len(path)))
