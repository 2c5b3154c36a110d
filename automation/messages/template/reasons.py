"""The shop's own texts of reason codes: `templates/reasons/<language>.yaml`, one `code: text` a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from automation.messages.template.files import TemplateError, Templates, project_path
from automation.messages.template.texts import Phrase, read_phrases
from automation.types.template_folders import REASONS

PRODUCTS = "{products}"
"""Stands in a text for the names of the products that the reason refers to."""
_PLACEHOLDER = re.compile(r"\{\{?\s*(\w+)\s*\}?\}")


class OwnReasons:
    """Read when first asked for, once for each launch."""

    def __init__(self, templates: Templates | None = None) -> None:
        self._templates = templates or Templates({})

    @cached_property
    def phrases(self) -> Mapping[str, Mapping[str, Phrase]]:
        """Language → code → text. Raises `TemplateError`."""
        return {language: self._read(f"{REASONS}/{language}.yaml") for language in self._templates.languages(REASONS)}

    def of_code(self, code: str) -> dict[str, str]:
        """Language → text of one reason code. Raises `TemplateError`."""
        return {language: texts[code].text for language, texts in self.phrases.items() if code in texts}

    def _read(self, path: str) -> Mapping[str, Phrase]:
        phrases = read_phrases(self._templates.text(path), project_path(path))
        for code, phrase in phrases.items():
            for found in _PLACEHOLDER.finditer(phrase.text):
                if found[0] != PRODUCTS:
                    what = f"{code}: {found[0]} is not known here; write {PRODUCTS} for the products' names"
                    raise TemplateError(phrase.file, phrase.line, what)
        return phrases
