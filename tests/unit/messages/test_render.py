"""Rendering: what comes out in which language, and what an error says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.rendering import error, renderer, text
from support.shop_context import shop_context

from automation.messages.render import Body
from automation.messages.template.files import LanguageMissing


class TestLanguage:
    FILES = {  # noqa: RUF012
        "t/email.html": "<p>{{ text.hi }}</p>",
        "t/email.txt": "{{ text.hi }} {{ text.shared }}",
        "t/en.yaml": "subject: Hi {{ customer.first_name }}\npreheader: For you\nhi: Hello",
        "t/de.yaml": "subject: Hallo {{ customer.first_name }}\nhi: Guten Tag",
        "layouts/en.yaml": "shared: shared\nhi: never seen",
        "layouts/de.yaml": "shared: geteilt",
    }

    def render(self, **asked: Any) -> Body:
        return renderer(self.FILES).render("t", "email", shop_context(), **asked)

    def test_each_language_has_its_texts(self) -> None:
        english, german = self.render(language="en"), self.render(language="de-AT")
        assert (english.subject, english.preheader, english.text) == ("Hi Ana", "For you", "Hello shared")
        assert (german.subject, german.preheader, german.text) == ("Hallo Ana", "", "Guten Tag geteilt")
        assert german.language == "de"

    def test_a_missing_language(self) -> None:
        with pytest.raises(LanguageMissing):
            self.render(language="fr")
        assert self.render(language="fr", otherwise="en").subject == "Hi Ana"

    def test_the_campaigns_subject_wins(self) -> None:
        assert self.render(language="de", subject="Für {{ customer.first_name }}").subject == "Für Ana"
        assert self.render(language="de", subject={"de": "Schon gesehen?"}).subject == "Schon gesehen?"
        assert self.render(language="en", subject={"de": "Schon gesehen?"}).subject == "Hi Ana"

    @pytest.mark.parametrize(
        ("yaml", "message"),
        [
            ("subject: You are #1", "t/en.yaml:1: subject: the text would end before the '#'; put it in quotes"),
            ("a: 1\nsubject: {{ shop.name }}", "t/en.yaml:2: subject: this is not a text; a text that starts with {{"),
            ("subject: a\nsubject: b", "t/en.yaml:2: subject is here twice"),
            ("subject: Last chance: 20%", "t/en.yaml:1: mapping values are not allowed here; put the text in quotes"),
            ("hi: x", "templates/t/en.yaml: no subject; write subject: …"),
            ('subject: "a\\nb"', "t/en.yaml: subject: it contains a line break; it must be one line"),
            ("subject: '{{ nobody.name }}'", "t/en.yaml:1: {{ nobody.name }}: 'nobody' is not known"),
            ("- subject", "t/en.yaml:1: write one `name: text` a line"),
        ],
    )
    def test_what_is_wrong_in_a_language_file(self, yaml: str, message: str) -> None:
        assert message in error({**self.FILES, "t/en.yaml": yaml}, language="en")

    def test_no_line_breaks_from_a_name(self) -> None:
        context = shop_context(customer={"first_name": "Ana\r\nBcc: x@example.org"})
        assert error(self.FILES, context, language="en") == (
            "templates/t/en.yaml: subject: it contains a line break; it must be one line"
        )

    def test_no_yes_and_numbers_are_texts(self) -> None:
        files = {**self.FILES, "t/en.yaml": "subject: NO\nhi: 22:30"}
        body = renderer(files).render("t", "email", shop_context(), language="en")
        assert (body.subject, body.text) == ("NO", "22:30 shared")


class TestErrors:
    """In a marketer's words: the file, the line, the tag, what is wrong, what to write."""

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (
                "<p>\n{{ customer.fist_name }}</p>",
                "templates/t/email.html:2: {{ customer.fist_name }}: 'fist_name' is not known; "
                "did you mean first_name?; where it may be missing write {{ customer.fist_name|default('…') }}",
            ),
            (
                "<p>{{ xyz }}</p>",
                "templates/t/email.html:1: {{ xyz }}: 'xyz' is not known; known here: campaign, customer",
            ),
            (
                "<p>\n\n{% for i in itms %}{% endfor %}</p>",
                "templates/t/email.html:3: {% for i in itms %}: 'itms' is not known; did you mean items?",
            ),
            (
                "<p>{{ items[2].price }}</p>",
                "templates/t/email.html:1: {{ items[2].price }}: it is empty here; "
                "where it may be missing write {{ items[2].price|default('…') }}",
            ),
            ("<p>{{ items }}</p>", "{{ items }}: it is a list, which can't be printed"),
            ("<p>{{ customer.first_name|money }}</p>", "'Ana' is not a number"),
            ("<p>{{ today|shout }}</p>", "templates/t/email.html:1: {{ today|shout }}: there is no filter 'shout'"),
            ("<p>{{ today|dat }}</p>", "there is no filter 'dat'; did you mean date?"),
            ("<p>{% if %}</p>", "templates/t/email.html:1: {% if %}: Expected an expression"),
            ("<p>{% if offer %}</p>", "{% if offer %}"),
            ("<p>{{ 1 / 0 }}</p>", "{{ 1 / 0 }}: ZeroDivisionError"),
        ],
    )
    def test_message(self, source: str, message: str) -> None:
        assert message in error({"t/email.html": source})

    def test_the_file_is_the_one_that_holds_the_tag(self) -> None:
        files = {"t/email.html": '<p>{% include "layouts/a.html" %}</p>', "layouts/a.html": "<b>\n{{ nope }}</b>"}
        assert error(files).startswith("templates/layouts/a.html:2: {{ nope }}: 'nope' is not known")

    def test_no_file_for_the_channel(self) -> None:
        assert error({}) == "templates/t: there is no email.mjml or email.html or email.txt"

    def test_objects_are_refused(self) -> None:
        message = error({"t/email.html": "x"}, shop_context(offer={"value": Path("/")}))
        assert message == "templates/t: the context's offer.value is a PosixPath; only plain values may be rendered"


class TestFilters:
    @pytest.mark.parametrize(
        ("source", "language", "expected"),
        [
            ("{{ 1234.5|money }}", "en", "€1,234.50"),
            ("{{ 1234.5|money }}", "de", "1.234,50\u00a0€"),
            ("{{ '1234.5'|money('USD') }}", "fr", "1\u202f234,50\u00a0$"),
            ("{{ -2|money('SEK') }}", "en", "-SEK\u00a02.00"),
            ("{{ 980|money('JPY') }}", "en", "¥980"),
            ("{{ 0.005|money }}", "en", "€0.01"),
            ("{{ '0.1'|percent }}", "en", "10%"),
            ("{{ 0.125|percent }}", "de-AT", "12,5\u00a0%"),
            ("{{ 1234567|number }}", "es", "1.234.567"),
            ("{{ today|date }}", "en", "3 November 2026"),
            ("{{ today|date }}", "de", "3. November 2026"),
            ("{{ '2026-03-01T10:00:00+00:00'|date }}", "fr", "1 mars 2026"),
            ("{{ today|date }}", "es", "3 de noviembre de 2026"),
            ("{{ 4.25|round(1) }}", "en", "4.3"),
            ("{{ offer.nothing|default('x') }}", "en", "x"),
            ("{{ items[1].image_url|default('none') }}", "en", "none"),
            ("{{ items|batch(2)|length }}", "en", "2"),
            ("{{ ['a', 'b']|join(', ') }}", "en", "a, b"),
            ("{{ 'a-b-c'|replace('-', '+') }}", "en", "a+b+c"),
            ("{{ items|map_names }}", "en", "three"),
            ("{{ 'because of tea'|sentence }}", "en", "Because of tea"),
            ("{{ [1, 2.5]|sum }}", "en", "3.5"),
        ],
    )
    def test_filter(self, source: str, language: str, expected: str) -> None:
        made = renderer({"t/sms.txt": source}, map_names=lambda items: {3: "three"}[len(items)])
        assert made.render("t", "phone", shop_context(), language=language).text == expected

    def test_decimals(self) -> None:
        assert text("{{ offer.value * 2 + 0.5 }}", shop_context(offer={"value": Decimal("0.1")})) == "0.7"


class TestCheck:
    def test_a_good_template_has_no_problems(self) -> None:
        assert (
            renderer({"t/email.html": "<p>{{ customer.first_name }}</p>", "t/en.yaml": "subject: Hi"}).check("t") == ()
        )

    def test_problems_are_found_without_a_customer(self) -> None:
        files = {
            "t/email.html": "<p>{{ text.hi }} {{ customr.name }}</p>\n{{ text.bye }}",
            "t/en.yaml": "subject: Hi\nhi: x\nbye: '{{ shp.name }}'",
            "t/de.yaml": "hi: x",
        }
        assert [str(problem) for problem in renderer(files).check("t")] == [
            "templates/t/de.yaml: the text 'bye' is missing; templates/t/email.html:2 uses it",
            "templates/t/de.yaml: the text 'subject' is missing; templates/t uses it",
            "templates/t/en.yaml:3: {{ shp.name }}: 'shp' is not known; did you mean shop?",
            "templates/t/email.html:1: {{ customr.name }}: 'customr' is not known; did you mean customer?",
        ]

    def test_a_channel_without_addresses_has_a_file_of_its_own(self) -> None:
        made = renderer({"t/message.txt": "Call {{ customer.first_name }}", "t/en.yaml": "subject: To do"})
        assert made.kinds("t") == ("customer",)
        assert made.check("t") == ()
        body = made.render("t", "customer", {"customer": {"first_name": "Ana"}}, language="en")
        assert (body.subject, body.text, body.html) == ("To do", "Call Ana", "")

    def test_an_empty_template(self) -> None:
        problems = renderer({"t/en.yaml": "subject: Hi"}).check("t")
        assert [str(one) for one in problems] == [
            "templates/t: there is no email.mjml, email.html, sms.txt, push.txt or message.txt"
        ]
