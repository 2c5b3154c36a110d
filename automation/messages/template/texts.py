"""A template's texts in one language: `<template>/<language>.yaml`, over the shared `layouts/<language>.yaml`."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from automation.messages.template.files import TemplateError, Templates, project_path
from automation.types.template_folders import LAYOUTS


@dataclass(frozen=True)
class Phrase:
    """One text as written, and its place; the text is a template itself."""

    text: str
    file: str
    line: int


def read_texts(templates: Templates, template: str, language: str) -> dict[str, Phrase]:
    """Every text of the language by name. The template's own texts override shared ones. Raises `TemplateError`."""
    phrases: dict[str, Phrase] = {}
    shared = templates.languages(LAYOUTS)
    fallback = language.split("-", maxsplit=1)[0]
    for folder, name in ((LAYOUTS, language if language in shared else fallback), (template, language)):
        path = f"{folder}/{name}.yaml"
        if path in templates.files or path in templates.refused:
            phrases |= read_phrases(templates.text(path), project_path(path))
    return phrases


def read_phrases(text: str, file: str) -> dict[str, Phrase]:
    """The texts of one file by name. Raises `TemplateError`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "this is not YAML"
        raise TemplateError(file, mark.line + 1 if mark else None, f"{what}; put the text in quotes") from error
    except RecursionError as error:
        raise TemplateError(file, None, "this is nested too deeply") from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise TemplateError(file, 1, "write one `name: text` a line")
    phrases: dict[str, Phrase] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value.isidentifier():
            raise TemplateError(file, line, "a text's name is one word, such as greeting")
        if not isinstance(value, yaml.ScalarNode):
            hint = "; a text that starts with {{ must be in quotes" if _looks_like_tag(text, line) else ""
            raise TemplateError(file, line, f"{key.value}: this is not a text{hint}")
        if value.style is None and " #" in text.splitlines()[value.end_mark.line]:
            raise TemplateError(file, line, f"{key.value}: the text would end before the '#'; put it in quotes")
        if key.value in phrases:
            raise TemplateError(file, line, f"{key.value} is here twice")
        phrases[key.value] = Phrase(value.value, file, value.start_mark.line + 1)
    return phrases


def _looks_like_tag(text: str, line: int) -> bool:
    return "{{" in text.splitlines()[line - 1]
