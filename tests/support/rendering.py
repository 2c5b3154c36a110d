"""Rendering made-up templates, and looking at the HTML that comes out."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from automation.messages.render import Renderer
from automation.messages.template.files import TemplateError, Templates
from support.shop_context import shop_context


def renderer(files: dict[str, str], **filters: Any) -> Renderer:
    return Renderer(Templates.from_content(files), filters)


def text(source: str, context: dict[str, Any] | None = None, language: str = "en") -> str:
    """`source` as an SMS."""
    return renderer({"t/sms.txt": source}).render("t", "phone", context or shop_context(), language=language).text


def error(files: dict[str, str], context: dict[str, Any] | None = None, **asked: Any) -> str:
    with pytest.raises(TemplateError) as raised:
        renderer({"t/en.yaml": "subject: Hi", **files}).render("t", "email", context or shop_context(), **asked)
    return str(raised.value)


class Shape(HTMLParser):
    """Elements in their order, and whether they are balanced."""

    VOID = ("br", "img", "meta", "link", "hr", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str | None] = []
        self.links: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(dict(attrs).get("alt"))
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag
