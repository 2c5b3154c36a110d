"""The repository's own templates, and how a message is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment
from support.rendering import Shape
from support.shop_context import shop_context

from automation.messages.preview import preview
from automation.messages.render import Body, Renderer
from automation.messages.template.files import Templates, read_templates
from automation.messages.template.filters import template_filters
from automation.messages.template.texts import read_texts

ROOT = Path(__file__).resolve().parents[3]


class TestOwnTemplates:
    """The repository's own templates, as `automation demo` uses them."""

    TEMPLATES = read_templates(ROOT)
    NAMES = ("birthday", "confirm", "newsletter", "weekly_picks", "winback")

    @pytest.mark.parametrize("name", NAMES)
    def test_are_complete_in_every_language(self, name: str) -> None:
        assert Renderer(self.TEMPLATES).check(name) == ()
        assert self.TEMPLATES.languages(name) == ["de", "en", "es", "fr"]

    @pytest.mark.parametrize("name", NAMES)
    def test_every_message_can_be_left_and_says_who_wrote_it(self, name: str) -> None:
        made = Renderer(self.TEMPLATES)
        for language in self.TEMPLATES.languages(name):
            body = made.render(name, "email", shop_context(), language=language)
            shape = Shape(body.html)
            assert shape.open == []
            assert None not in shape.images
            assert "https://news.lindholm.example/u/abc?x=1&y=2" in shape.links
            for part in (body.text, body.html):
                assert "Speicherstrasse 4, 20457 Hamburg" in part
                assert "None" not in part
            assert "https://news.lindholm.example/u/abc?x=1&y=2" in body.text
            assert len(body.html) < 102_000  # Gmail cuts what is longer

    @pytest.mark.parametrize("name", NAMES)
    def test_a_customer_of_whom_little_is_known(self, name: str) -> None:
        bare = {"product_id": "1", "name": "Tea", "price": None, "url": None, "image_url": None, "reason": None}
        context = shop_context(customer={"first_name": None}, offer=None, items=[bare])
        body = Renderer(self.TEMPLATES).render(name, "email", context, language="en")
        assert "None" not in body.text + body.html + body.subject
        assert "Hello there," in body.text

    @pytest.mark.parametrize("name", NAMES)
    def test_joining_layouts_gives_what_jinja_gives(self, name: str) -> None:
        """The text version against Jinja's own inheritance, includes and attribute lookup."""
        sources = {path: data.decode() for path, data in self.TEMPLATES.files.items()}
        jinja = Environment(loader=DictLoader(sources), trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - plain text
        jinja.filters |= template_filters()
        context = shop_context(language="en")
        context["text"] = {
            key: jinja.from_string(phrase.text).render(context)
            for key, phrase in read_texts(self.TEMPLATES, name, "en").items()
        }
        expected = jinja.get_template(f"{name}/email.txt").render(context)
        found = Renderer(self.TEMPLATES).render(name, "email", shop_context(), language="en").text
        assert found.split() == expected.split()

    def test_the_same_context_gives_the_same_bytes(self) -> None:
        first = Renderer(self.TEMPLATES).render("winback", "email", shop_context(), language="de")
        pinned = Templates.from_content(self.TEMPLATES.files_of("winback"))
        assert Renderer(pinned).render("winback", "email", shop_context(), language="de") == first

    def test_the_text_of_a_winback(self) -> None:
        body = Renderer(self.TEMPLATES).render("winback", "email", shop_context(), language="en")
        assert body.subject == "We have missed you, Ana"
        assert body.preheader == "10 % off everything, just for you"
        assert body.text == (Path(__file__).parent / "winback.en.txt").read_text().rstrip("\n")

    def test_an_sms(self) -> None:
        body = Renderer(self.TEMPLATES).render("birthday", "phone", shop_context(), language="en")
        assert body.text == (
            "Happy birthday from Lindholm & Daughters! 10 % off everything: WB-7K2M https://lindholm.example"
        )


def test_a_preview_shows_everything_and_runs_nothing() -> None:
    page = preview(Body("<Hi>", "pre & header", "text <b>", '<p onclick="x">"quoted"</p><script>1</script>', "en"))
    assert "<h1>&lt;Hi&gt;</h1>" in page
    assert "pre &amp; header" in page
    assert "text &lt;b&gt;" in page
    assert "<iframe sandbox title" in page
    assert "<script>" not in page
