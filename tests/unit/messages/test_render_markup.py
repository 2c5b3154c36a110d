"""Layouts, MJML and HTML."""

from __future__ import annotations

import pytest
from support.rendering import Shape, error, renderer
from support.shop_context import shop_context

from automation.messages.template.files import TemplateError

MJML = """<mjml lang="{{ language }}"><mj-head><mj-title>{{ subject }}</mj-title>
<mj-style inline="inline">.name { color: #a34a25; }</mj-style></mj-head><mj-body>
<mj-section>
{% for item in items %}
<mj-column width="50%">
  {% if item.image_url %}<mj-image src="{{ item.image_url }}" alt="{{ item.name }}" />{% endif %}
  <mj-text css-class="name">{{ loop.index }}. {{ item.name }}
  {%- if item.price is not none %}, {{ item.price|money }}{% endif %}</mj-text>
</mj-column>
{% endfor %}
</mj-section>
</mj-body></mjml>"""


class TestLayouts:
    FILES = {  # noqa: RUF012
        "layouts/base.txt": "[{% block head %}base head{% endblock %}|{% block body %}base body{% endblock %}]",
        "layouts/middle.txt": '{% extends "layouts/base.txt" %}{% block body %}middle({{ super() }}){% endblock %}',
        "layouts/item.txt": "<{{ item }}>",
    }

    def render(self, source: str) -> str:
        return renderer({**self.FILES, "t/sms.txt": source}).render("t", "phone", shop_context(items=[1, 2])).text

    def test_a_block_that_is_not_replaced_stays(self) -> None:
        assert self.render('{% extends "layouts/base.txt" %}') == "[base head|base body]"

    def test_super_through_two_layouts(self) -> None:
        source = '{% extends "layouts/middle.txt" %}{% block body %}mine({{ super() }}){% endblock %}'
        assert self.render(source) == "[base head|mine(middle(base body))]"

    def test_set_reaches_the_layouts_blocks(self) -> None:
        source = '{% extends "layouts/base.txt" %}{% set a = "A" %}{% block body %}{{ a }}{% endblock %}'
        assert self.render(source) == "[base head|A]"

    def test_include_in_a_loop_sees_the_item(self) -> None:
        assert self.render('{% for item in items %}{% include "layouts/item.txt" %}{% endfor %}') == "<1><2>"

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (
                '{% extends "layouts/bse.txt" %}',
                "there is no templates/layouts/bse.txt; did you mean layouts/base.txt?",
            ),
            ("{% include 'layouts/' ~ name %}", "name the file in quotes and nothing else"),
            ('{% extends "layouts/base.txt" %}\nlost', "t/sms.txt:2: this is outside every block"),
            ("{% block a %}", "this block is not closed"),
            ("{% endblock %}", "this endblock has no block"),
            ("{{ super() }}", "super() has no meaning here"),
            ('{% include "t/sms.txt" %}', "form a loop"),
            ('{% include "../secret.txt" %}', "there is no templates/../secret.txt"),
            ("{% macro m() %}{% endmacro %}", "the tag 'macro' can't be used in a template"),
            ("{{ oops", "t/sms.txt:1: {{ or {% is not closed: oops"),
        ],
    )
    def test_what_is_wrong(self, source: str, message: str) -> None:
        with pytest.raises(TemplateError) as raised:
            self.render(source)
        assert message in str(raised.value)


class TestMjml:
    FILES = {"t/email.mjml": MJML, "t/en.yaml": "subject: Hi"}  # noqa: RUF012

    def test_a_loop_around_columns(self) -> None:
        body = renderer(self.FILES).render("t", "email", shop_context(), language="en")
        shape = Shape(body.html)
        assert shape.open == []
        assert shape.images == ["Globe lamp, brass & glass"]
        assert body.html.count("mj-column-per-50") == 3 + body.html.split("<body")[0].count("mj-column-per-50")
        assert "1. Globe lamp, brass &amp; glass, €129.00" in body.html
        assert 'lang="en"' in body.html
        assert "jqz" not in body.html
        assert "{%" not in body.html

    def test_styles_are_inlined(self) -> None:
        body = renderer(self.FILES).render("t", "email", shop_context(), language="en")
        assert 'class="name"' in body.html
        assert "color: #a34a25" in body.html

    def test_outlook_comments_stay_balanced(self) -> None:
        html = renderer(self.FILES).render("t", "email", shop_context(), language="en").html
        body = html[html.index("<body") :]
        assert body.count("<!--[if mso | IE]>") == body.count("<![endif]-->")
        assert body.count("<!--[if mso | IE]><td") == 3

    def test_the_text_is_derived(self) -> None:
        body = renderer(self.FILES).render("t", "email", shop_context(), language="en")
        assert body.text == "1. Globe lamp, brass & glass, €129.00\n\n2. Stoneware mug, €24.50\n\n3. Smoked black tea"

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (
                "<mjml><mj-body><mj-wrapper>{% if offer %}<mj-section/>{% endif %}</mj-wrapper></mj-body></mjml>",
                "templates/t/email.mjml:1: {% if offer %}: a tag is not allowed directly in <mj-wrapper>; "
                "put it inside or around an mj-section, mj-column or mj-text",
            ),
            (
                "<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>",
                "templates/t/email.mjml:4: </mj-body> closes nothing: <mj-section> is open",
            ),
            (
                "<mjml><mj-body>\n<mj-section><mj-column><mj-foo>x</mj-foo></mj-column></mj-section></mj-body></mjml>",
                "templates/t/email.mjml:2: <mj-foo> is not an MJML tag, or not allowed here",
            ),
        ],
    )
    def test_what_is_wrong(self, source: str, message: str) -> None:
        assert error({"t/email.mjml": source}) == message


class TestHtml:
    def test_css_is_inlined_and_media_queries_stay(self) -> None:
        source = (
            "<html><head><title>{{ subject }}</title>"
            "<style>p { color: red } @media (max-width: 400px) { p { color: blue } }</style>"
            "</head><body><table>{% for item in items %}<tr><td><p>{{ item.name }}</p></td></tr>{% endfor %}"
            "</table></body></html>"
        )
        files = {"t/email.html": source, "t/en.yaml": "subject: Hi"}
        body = renderer(files).render("t", "email", shop_context(), language="en")
        assert body.html.count('<tr><td><p style="color: red') == 3
        assert "@media (max-width: 400px)" in body.html
        assert "<title>Hi</title>" in body.html

    def test_names_are_escaped_in_html_and_not_in_text(self) -> None:
        files = {"t/email.html": "<p title='{{ customer.first_name }}'>{{ text.hi }}</p>"}
        files["t/en.yaml"] = "subject: Hi {{ customer.first_name }}\nhi: Hi {{ customer.first_name }}"
        context = shop_context(customer={"first_name": "<b>'\"&"})
        body = renderer(files).render("t", "email", context, language="en")
        assert "<b>" not in body.html
        assert "&lt;b&gt;&#39;&#34;&amp;" in body.html
        assert body.subject == "Hi <b>'\"&"
        assert body.text == "Hi <b>'\"&"

    def test_a_link_is_kept_in_the_derived_text(self) -> None:
        files = {
            "t/email.html": '<p>See <a href="{{ shop.url }}/a?b&amp;c">us</a></p><ul><li>one</li><li>two</li></ul>'
        }
        body = renderer({**files, "t/en.yaml": "subject: Hi"}).render("t", "email", shop_context())
        assert body.text == "See us <https://lindholm.example/a?b&c>\n\n- one\n\n- two"
