"""A shop's own pages and texts, and what it is told about its mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.project import write_project

from automation.errors import ConfigurationError
from automation.messages.pages import NAMES, OURS, Pages
from automation.runner.validation import validate
from automation.workspace.workspace import open_project


def pages(root: Path, **files: str) -> Pages:
    write_project(root)
    folder = root / "templates" / "web"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return Pages(open_project(root))


def test_four_languages_have_the_same_texts_with_the_same_values_in_them() -> None:
    texts = {file.stem: yaml.safe_load(file.read_text()) for file in OURS.glob("*.yaml")}
    assert set(texts) == {"de", "en", "es", "fr"}
    shown = {
        language: {name: sorted(re.findall(r"{{ ([a-z.]+) }}", text)) for name, text in named.items()}
        for language, named in texts.items()
    }
    assert shown["de"] == shown["en"] == shown["es"] == shown["fr"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("fr-CA", "Souhaitez-vous ne plus recevoir «\u00a0Promotions\u00a0» (e-mail)\u00a0?"),
        ("es", "¿Quiere dejar de recibir «Promotions» (correo electrónico)?"),
        ("de-AT", "Sollen wir Ihnen „Promotions“ (E-Mail) nicht mehr schicken?"),
        ("pl", "Shall we stop sending you “Promotions” (e-mail)?"),
    ],
)
def test_a_page_is_in_the_recipient_s_language(tmp_path: Path, language: str, expected: str) -> None:
    assert expected in pages(tmp_path).render("unsubscribe", language, topic="promotions", channel="email")


def test_a_language_of_the_shop_s_own_and_one_of_a_country(tmp_path: Path) -> None:
    own = pages(
        tmp_path, it_yaml="unsubscribe_button: Annulla l'iscrizione", **{"de-AT_yaml": "unsubscribe_button: Servus"}
    )
    italian = own.render("unsubscribe", "it-CH", topic="promotions", channel="email")
    assert ">Annulla l&#39;iscrizione</button>" in italian
    assert "Shall we stop sending you" in italian, "what the shop has not written is in English"
    austrian = own.render("unsubscribe", "de-AT", topic="promotions", channel="email")
    assert ">Servus</button>" in austrian
    assert "Sollen wir Ihnen" in austrian


@pytest.mark.parametrize("name", NAMES)
def test_every_page_has_one_heading_a_title_and_no_script(tmp_path: Path, name: str) -> None:
    html = pages(tmp_path).render(name, "de", topic="promotions", channel="email")
    assert html.startswith('<!doctype html>\n<html lang="de">')
    assert html.count("<h1>") == 1
    assert html.count("<main>") == html.count("</main>") == 1
    assert " – Toy</title>" in html
    assert "<script" not in html


def test_a_shop_writes_its_own_frame_style_and_texts(tmp_path: Path) -> None:
    own = pages(
        tmp_path,
        page_html="<html lang={{ language }}><style>{{ style }}</style>{% block body %}{% endblock %}</html>",
        style_css="p { color: red }",
        en_yaml="topic_promotions: Bargains & more\nunsubscribe_button: Enough!",
        fr_yaml="unsubscribe_button: Ça suffit",
    )
    english = own.render("unsubscribe", "en-GB", topic="promotions", channel="email")
    assert "<style>p { color: red }</style>" in english
    assert "“Bargains &amp; more” (e-mail)" in english
    assert ">Enough!</button>" in english
    assert ">Ça suffit</button>" in own.render("unsubscribe", "fr", topic="promotions", channel="email")
    assert "<html lang=en>" in own.render("unsubscribe", "pl", topic="promotions", channel="email")
    assert (
        own.text_version("confirm", "fr")
        != own.text_version("confirm", "en")
        != Pages(open_project(write_project(tmp_path / "other"))).text_version("confirm", "en")
    )


def test_what_is_shown_is_escaped(tmp_path: Path) -> None:
    html = pages(tmp_path).render("unsubscribe", "en", topic="<b>x</b>", channel='"sms', other='"><script>')
    assert "<b>" not in html.lower()
    assert "<script" not in html


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"en_yaml": "unsubscribe_buton: x"}, "templates/web/en.yaml: there is no text 'unsubscribe_buton'"),
        (
            {"en_yaml": "unsubscribe_button: 1"},
            "templates/web/en.yaml: unsubscribe_button: must be text; put it in quotes",
        ),
        ({"en_yaml": "- x"}, "templates/web/en.yaml: write one `name: text` a line"),
        (
            {"en_yaml": "unsubscribe_button: '{{ shop.nam }}'"},
            "templates/web/en.yaml: unsubscribe_button: 'nam' is not known",
        ),
        ({"en_yaml": "unsubscribe_button: '{{ shop'"}, "templates/web/en.yaml: unsubscribe_button: unexpected end"),
        ({"page_html": "{% if %}"}, "templates/web/page.html: in de: "),
        ({"confirm_html": "{{ text.confirm }}"}, "templates/web/confirm.html: in de: "),
        ({"confirm_html": "{{ shop.__class__.__mro__ }}"}, "templates/web/confirm.html: in de: "),
        ({"confirm_html": "{{ ''.join('x') }}"}, "templates/web/confirm.html: in de: nothing can be called"),
        ({"confirm_html": "{{ 1 / 0 }}"}, "templates/web/confirm.html: in de: ZeroDivisionError: "),
        ({"confirm_html": "{% extends language %}"}, "templates/web/confirm.html: in de: name the file in quotes"),
        (
            {"confirm_html": "{% for a in range(10) %}{% endfor %}"},
            "templates/web/confirm.html: in de: nothing can be called",
        ),
        (
            {"page_html": "{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 60},
            "templates/web/nowhere.html: in de: a text made with '~' would be longer",
        ),
        (
            {"en_yaml": 'confirm_title: "' + "{% for a in 'x' %}" + '{% endfor %}"'},
            "templates/web/en.yaml: confirm_title: a loop needs a list",
        ),
        (
            {"confirm_html": "{% for a in choices + choices %}" * 15 + "{% endfor %}" * 15},
            "templates/web/confirm.html: in de: the loops and filters of this template take more than",
        ),
        ({"en_yaml": "confirm_title: 2024-99-99"}, "templates/web/en.yaml: can't be read: month must be in 1..12"),
        ({"en_yaml": "[" * 5_000}, "templates/web/en.yaml: can't be read: "),
        ({"page_html": "x" * 300_000}, "templates/web/page.html: larger than 262,144 bytes"),
        ({"style_css": "</style><script>"}, "templates/web/style.css: a style cannot contain `</`"),
    ],
)
def test_a_mistake_is_told_at_the_start(tmp_path: Path, files: dict[str, str], what: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        pages(tmp_path, **files)
    assert str(raised.value).startswith(what)


def test_validate_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        pages(tmp_path, de_yaml="unsubscribe_buton: Genug")
    problems = validate(tmp_path).problems
    (problem,) = problems
    assert (problem.file, problem.refuses) == ("templates/web/de.yaml", True)
    assert problem.what.startswith("there is no text 'unsubscribe_buton'; there are: channel_email, ")
    assert problem.what.endswith("(did you mean 'unsubscribe_button'?)")
