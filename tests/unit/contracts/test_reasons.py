"""A component's texts of reason codes, one file a language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automation.contracts import ReasonFiles, reason_texts
from automation.errors import ContractError


def files(root: Path, **texts: str) -> ReasonFiles:
    (root / "reasons").mkdir()
    for language, text in texts.items():
        (root / "reasons" / f"{language}.yaml").write_text(text, encoding="utf-8")
    return ReasonFiles(str(root / "plugin.py"))


def test_every_file_is_a_language(tmp_path: Path) -> None:
    found = files(tmp_path, fr="popular: très demandé", en="popular: in demand")
    assert dict(found) == {"en": {"popular": "in demand"}, "fr": {"popular": "très demandé"}}
    assert (len(found), list(found)) == (2, ["en", "fr"])
    with pytest.raises(KeyError):
        found["de"]


def test_a_file_is_read_when_it_is_first_used(tmp_path: Path) -> None:
    found = ReasonFiles(str(tmp_path / "plugin.py"))
    (tmp_path / "reasons").mkdir()
    (tmp_path / "reasons/en.yaml").write_text("popular: in demand")
    assert found["en"]["popular"] == "in demand"


@pytest.mark.parametrize(("text", "what"), [("- a", "write one `code: text` a line"), ("a: [", "can't be read: ")])
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ContractError) as error:
        files(tmp_path, en=text)["en"]
    assert str(error.value).startswith(f"{tmp_path}/reasons/en.yaml: {what}")


@pytest.mark.parametrize(
    ("reasons", "what"),
    [
        ({"popular": "in demand"}, "Odd.reasons: must be language → code → text, such as {'en': {'popular': '…'}}"),
        ({"en": {"popular": 3}}, "Odd.reasons: must be language → code → text, such as {'en': {'popular': '…'}}"),
        (
            {"en": {"popular": "x"}, "fr": {"popular": "y", "new": "z"}},
            "Odd.reasons: new has a text in 'fr', none in 'en'",
        ),
    ],
)
def test_texts_of_a_wrong_form_are_refused(reasons: Any, what: str) -> None:
    odd = type("Odd", (), {"reasons": reasons})
    for component in (odd, odd()):
        with pytest.raises(ContractError) as error:
            reason_texts(component)
        assert str(error.value) == what


def test_a_component_need_not_have_texts() -> None:
    assert reason_texts(object()) == {}
