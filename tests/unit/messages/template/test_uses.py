"""What a template uses of the customer's profile and last order: names that exist, and values that may be empty."""

from __future__ import annotations

import pytest
from support.rendering import renderer

from automation.messages.template.texts import Phrase
from automation.messages.template.use_checks import shown_values
from automation.types.shown_values import ShownValues

LINES = "{% for line in last_order.lines %}"
ORDER = "{% if last_order %}"


def problems(source: str, **files: str) -> list[str]:
    written = {"t/sms.txt": source, "t/en.yaml": "hi: Hello", **{f"t/{name}": body for name, body in files.items()}}
    return [str(problem) for problem in renderer(written).check("t")]


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.lifecycle }} {% if profile.outlier %}!{% endif %}",
        "{{ profile.top_category|default('tea') }}",
        "{{ profile['top_category']|default('tea')|upper }}",
        "{% if profile.top_category %}{{ profile.top_category }}{% endif %}",
        "{% if not profile.orders %}new{% else %}{{ profile.orders }}{% endif %}",
        "{% if profile.orders is none %}new{% elif profile.orders > 2 %}{{ profile.orders }}{% endif %}",
        "{% if profile.orders is not none and profile.orders > 2 %}{{ profile.monetary|default(0)|money }}{% endif %}",
        "{% if profile.orders == none or profile.orders < 2 %}new{% else %}{{ profile.orders }}{% endif %}",
        "{% if profile.top_category == 'tea' %}{{ profile.top_category }}{% endif %}",
        "{{ profile.top_category if profile.top_category else 'tea' }} {{ profile.top_brand or 'us' }}",
        "{% if profile.top_category|default('') %}{{ profile.top_category|upper }}{% endif %}",
        "{% set tea = profile.top_category|default('tea') %}{{ tea }}",
        "{% set mine = profile.top_category %}{% if mine %}{{ mine }}{% endif %}",
        "{% with mine = profile.top_category %}{% if mine %}{{ profile.top_category }}{% endif %}{% endwith %}",
        "{% if last_order %}{{ last_order.day|date }}{% endif %}",
        "{{ last_order.total|default('')}} {{ last_order.day|default('') }}",
        f"{ORDER}{LINES}" "{{ line.name|default('?') }} {{ line.quantity }}{% endfor %}{% endif %}",
        f"{ORDER}{LINES}" "{% if line.url %}{{ line.url }}{% endif %}{% endfor %}{% endif %}",
        "{% for line in (last_order.lines if last_order else []) if line.name %}{{ line.name }}{% endfor %}",
        "{% if last_order %}{{ last_order.lines[0].product_id }} {{ (last_order.lines|first).quantity }}{% endif %}",
        "{% if last_order %}{% for row in last_order.lines[:4]|batch(2) %}{% for line in row %}{{ line.quantity }}"
        "{% endfor %}{% endfor %}{% endif %}",
        "{% set order = last_order %}{% if order %}{{ order.day }}{% for line in order.lines %}{{ line.product_id }}"
        "{% endfor %}{% endif %}",
        "{% if profile.orders and last_order and last_order.total %}{{ last_order.total|money }}{% endif %}",
        "{% for line in items %}{{ line.name }}{% endfor %}{% if offer %}{{ offer.label }}{% endif %}",
    ],
)  # fmt: skip
def test_what_has_a_value_or_says_what_to_do_without_is_fine(source: str) -> None:
    assert problems(source) == []


NEVER = "is empty for customers who never bought; write "


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ profile.top_categry }}", "'top_categry' is not known; did you mean top_category?"),
        ("{{ profile.top_categry|default('x') }}", "'top_categry' is not known; did you mean top_category?"),
        ("{% if profile.order %}{% endif %}", "'order' is not known; did you mean orders?"),
        ("{{ profile.customer_id }}", "'customer_id' is not known; profile has: recency_days, "),
        ("{{ last_order.date }}", "'date' is not known; last_order has: id, day, days_since, "),
        ("{{ last_order.lines.name }}", "last_order.lines is a list; for its entries write {% for one in last"),
        ("{{ last_order.total.euro }}", "last_order.total is one value (number), and has no 'euro'"),
        (f"{ORDER}{LINES}" "{{ line.nmae }}{% endfor %}{% endif %}", "'nmae' is not known; did you mean n"),
        ("{% for item in items %}{{ item.titel }}{% endfor %}", "'titel' is not known; item has: product_id, name, "),
        ("{% if offer %}{{ offer.cod }}{% endif %}", "'cod' is not known; did you mean code?"),
        ("{{ shop.nam }}", "'nam' is not known; did you mean name?"),
        ("{{ links.unsubscribed }}", "'unsubscribed' is not known; did you mean unsubscribe?"),
        ("{{ profile }}", "name one of its fields, such as profile.recency_days"),
        ("{% for name in profile %}{% endfor %}", "name one of its fields, such as profile.recency_days"),
        ("{{ last_order }}", "name one of its fields, such as last_order.id"),
        ("{{ profile.orders }}", f"profile.orders {NEVER}{{% if profile.orders %}} … {{% endif %}} around it, or "),
        ("{{ profile.monetary|money }}", f"profile.monetary {NEVER}"),
        ("{% if profile.orders > 3 %}{% endif %}", f"profile.orders {NEVER}"),
        ("{% if not profile.orders %}{{ profile.orders }}{% endif %}", f"profile.orders {NEVER}"),
        ("{% if profile.orders or today %}{{ profile.orders }}{% endif %}", f"profile.orders {NEVER}"),
        ("{% if profile.orders|default(1) %}{{ profile.orders }}{% endif %}", f"profile.orders {NEVER}"),
        ("{% if profile.orders != 3 %}{{ profile.orders }}{% endif %}", f"profile.orders {NEVER}"),
        ("{% if profile.top_brand %}{{ profile.top_category }}{% endif %}", "profile.top_category is empty for"),
        ("{{ profile.email_open_rate|percent }}", "profile.email_open_rate is empty for customers without rec"),
        ("{{ profile.top_category ~ '!' }}", "profile.top_category is empty"),
        ("{% set mine = profile.top_category %}{{ mine }}", "profile.top_category is empty"),
        ("{{ last_order.day|date }}", f"last_order {NEVER}{{% if last_order %}} … {{% endif %}} around it"),
        ("{% if last_order.total %}{{ last_order.total }}{% endif %}", f"last_order {NEVER}"),
        (LINES + "{{ line.quantity }}{% endfor %}", f"last_order {NEVER}"),
        ("{% if last_order %}{{ last_order.total|money }}{% endif %}", "last_order.total is empty where an amount is"),
        (f"{ORDER}{LINES}" "{{ line.name }}{% endfor %}{% endif %}", "line.name is empty where the prod"),
        ("{% if last_order %}{{ last_order.lines[0].url }}{% endif %}", "line.url is empty where the catalogue does"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_and_a_value_that_may_be_empty_are_refused(source: str, message: str) -> None:
    found = problems(f"\n{source}")[0]
    assert found.startswith("templates/t/sms.txt:2: {")
    assert f": {message}" in found


def test_what_surrounds_a_text_holds_in_the_text() -> None:
    """A text is checked under what is known at every place that uses it; one that nothing uses is not checked."""
    texts = (
        'hi: Hello\nlast: "{{ last_order.day|date }}"\nthanks: "Thank you. {{ text.last }}"\n'
        'unused: "{{ profile.orders }}"'
    )
    guarded = "{% if last_order %}{{ text.thanks }}{% endif %}"
    assert problems(guarded, **{"en.yaml": texts}) == []
    (found,) = problems(f"{guarded} {{{{ text.last }}}}", **{"en.yaml": texts})
    assert found.startswith("templates/t/en.yaml:2: {{ last_order.day|date }}: last_order is empty for customers who")
    (found,) = problems("{{ text.hi }}", **{"en.yaml": 'hi: Hello\npreheader: "Since {{ profile.orders }} orders"'})
    assert found.startswith("templates/t/en.yaml:2: {{ profile.orders }}: profile.orders is empty")


def test_every_file_and_language_and_the_campaign_s_subjects_are_checked() -> None:
    files = {
        "t/email.html": '{% extends "layouts/a.html" %}{% block a %}{{ text.hi }}{% endblock %}',
        "layouts/a.html": "<p>{% block a %}{% endblock %}</p>\n{{ profile.lifecycel }}",
        "t/sms.txt": "{{ profile.lifecyle }}",
        "t/en.yaml": "subject: Hi\nhi: Hello",
        "t/de.yaml": "subject: Hallo\nhi: '{{ profile.stage }}'",
    }
    subject = Phrase("{{ profile.lifecycl }}", "campaigns/a.yaml", 1)
    made = renderer(files)
    assert sorted(problem.file for problem in made.check("t", [subject])) == [
        "campaigns/a.yaml", "templates/layouts/a.html", "templates/t/de.yaml", "templates/t/sms.txt",
    ]  # fmt: skip


def test_what_is_read_of_a_customer_is_what_the_texts_use() -> None:
    files = {
        "t/email.html": "{{ text.hi }}{% if last_order %}{{ last_order.lines[0].product_id }}{% endif %}",
        "t/sms.txt": "{{ profile.lifecycle }}",
        "t/en.yaml": "subject: '{{ profile.orders|default(0) }}'\nhi: Hello",
        "t/de.yaml": "subject: Hallo\nhi: '{{ profile.top_brand|default(shop.name) }}'",
    }
    subject = Phrase("{{ profile.rfm|default('') }}", "campaigns/a.yaml", 1)
    found = shown_values(renderer(files).uses("t", [subject]))
    assert found == ShownValues(("lifecycle", "orders", "rfm", "top_brand"), ("day", "lines"))
    assert not shown_values(renderer({"t/sms.txt": "{{ customer.profile }} last_order"}).uses("t"))
