"""Reading, hashing and choosing templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.messages.template.files import MAX_FILE, LanguageMissing, TemplateError, Templates, read_templates

FILES = {
    "layouts/base.mjml": "<mjml>{% block body %}{% endblock %}</mjml>",
    "layouts/other.mjml": "<mjml></mjml>",
    "layouts/card.mjml": "<mj-column></mj-column>",
    "layouts/en.yaml": "hello: Hello",
    "winback/email.mjml": (
        '{% extends "layouts/base.mjml" %}{% block body %}{% include "layouts/card.mjml" %}{% endblock %}'
    ),
    "winback/en.yaml": "subject: Hi",
    "winback/de.yaml": "subject: Hallo",
    "single/email.html": "<p>x</p>",
    "single/de.yaml": "subject: Hallo",
    "plain/email.html": "<p>x</p>",
}
TEMPLATES = Templates.from_content(FILES)


def test_names() -> None:
    assert TEMPLATES.names() == ["plain", "single", "winback"]


def test_a_templates_files_are_all_that_it_includes() -> None:
    assert list(TEMPLATES.files_of("winback")) == [
        "layouts/base.mjml",
        "layouts/card.mjml",
        "layouts/en.yaml",
        "winback/de.yaml",
        "winback/email.mjml",
        "winback/en.yaml",
    ]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("winback/de.yaml", False),
        ("layouts/base.mjml", False),
        ("layouts/card.mjml", False),
        ("layouts/en.yaml", False),
        ("layouts/other.mjml", True),
        ("single/email.html", True),
    ],
)
def test_a_changed_file_changes_the_templates_that_use_it(changed: str, same: bool) -> None:
    after = Templates.from_content({**FILES, changed: "something else"})
    assert (after.files_of("winback") == TEMPLATES.files_of("winback")) is same


def test_the_pinned_content_has_the_same_files() -> None:
    assert Templates.from_content(TEMPLATES.files_of("winback")).files_of("winback") == TEMPLATES.files_of("winback")


def test_no_such_template() -> None:
    with pytest.raises(TemplateError, match=r"^templates/nope: there is no such template$"):
        TEMPLATES.files_of("nope")


@pytest.mark.parametrize(
    ("template", "wanted", "otherwise", "chosen"),
    [
        ("winback", "de", None, "de"),
        ("winback", "de-AT", None, "de"),
        ("winback", "DE_at", None, "de"),
        ("winback", "fr", "en", "en"),
        ("winback", None, "en", "en"),
        ("winback", "fr", "de-CH", "de"),
        ("single", "fr", None, "de"),
        ("single", None, None, "de"),
        ("plain", "fr", None, "fr"),
        ("plain", None, None, ""),
    ],
)
def test_language(template: str, wanted: str | None, otherwise: str | None, chosen: str) -> None:
    assert TEMPLATES.language(template, wanted, otherwise) == chosen


def test_no_language() -> None:
    with pytest.raises(LanguageMissing) as error:
        TEMPLATES.language("winback", "fr", "sv")
    assert str(error.value) == (
        "templates/winback: no texts in 'fr', only in de, en; "
        "write templates/winback/fr.yaml or name a language to fall back to"
    )


def write(root: Path, name: str, content: bytes = b"x") -> Path:
    path = root / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_reading_stays_inside(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    write(tmp_path, "a/email.html")
    write(tmp_path, "a/notes.md")
    write(tmp_path, "a/.hidden.txt")
    (tmp_path / "templates/a/email.txt").symlink_to(secret)
    (tmp_path / "templates/a/gone.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "templates/out").symlink_to(tmp_path)
    (tmp_path / "templates/a/same.txt").symlink_to(tmp_path / "templates/a/email.html")
    templates = read_templates(tmp_path)
    assert sorted(templates.files) == ["a/email.html", "a/same.txt"]
    assert sorted(templates.refused) == ["a/email.txt", "a/gone.txt"]
    with pytest.raises(TemplateError, match=r"^templates/a/email\.txt: this link leads outside templates/"):
        templates.text("a/email.txt")


def test_no_templates_folder(tmp_path: Path) -> None:
    assert read_templates(tmp_path).names() == []


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    write(tmp_path, "a/email.html", b"x" * (MAX_FILE + 1))
    with pytest.raises(TemplateError, match=r"the file is 262,145 bytes; at most 262,144 are allowed$"):
        read_templates(tmp_path).text("a/email.html")


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "a/../../b.txt", "a\\b.txt", "./a.txt"])
def test_pinned_paths_stay_inside(path: str) -> None:
    assert Templates.from_content({path: "x"}).files == {}


def test_not_utf8() -> None:
    with pytest.raises(TemplateError, match=r"^templates/a/email\.txt:2: this is not UTF-8; save the file as UTF-8$"):
        Templates.from_content({"a/email.txt": b"ok\n\xe4"}).text("a/email.txt")
