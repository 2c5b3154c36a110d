"""The pages for recipients: small, without scripts, in their language; a shop can write its own.

Files in the project's `templates/web/` replace ours of the same name: `page.html` (the frame), `style.css`,
one file for each page, and texts in `en.yaml`, `de.yaml`, `es.yaml`, `fr.yaml` and further languages.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Template, TemplateError, TemplateNotFound, TemplateSyntaxError
from markupsafe import Markup

from automation.config.problems import unknown_name
from automation.config.project import Project
from automation.errors import ConfigurationError
from automation.ids import content_hash
from automation.messages.page_sandbox import make_page_sandbox
from automation.messages.template.files import MAX_FILE
from automation.messages.template.sandbox import render_template
from automation.types.language import FALLBACK, nearest_language
from automation.types.template_folders import PAGES

OURS = Path(__file__).parent / "page_files"
OWN = f"templates/{PAGES}"
NAMES = ("nowhere", "problem", "unsubscribe", "unsubscribed", "preferences", "confirm", "confirmed", "ended")


class Pages:
    """One project's pages. Raises `ConfigurationError` for a mistake in the shop's own files."""

    def __init__(self, project: Project) -> None:
        own = project.root / OWN
        _refuse_odd_files(own)
        self._pages = make_page_sandbox((own, OURS), autoescape=True)
        self._texts = _texts(own)
        self._compiled = _compiled(self._texts)
        shop = project.settings.shop
        self._shop = {"name": shop.name, "url": shop.url or "", "address": shop.address, "email": shop.email or ""}
        self._language = shop.language
        self._style = _style(own)
        self._check()

    @property
    def headers(self) -> Mapping[str, str]:
        """Only our own style loads, and forms post only to us."""
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return {"Content-Security-Policy": policy}

    def render(self, name: str, language: str, **shown: object) -> str:
        """The page's HTML; every value that is shown is escaped."""
        chosen = self._chosen(language)
        values = {**_SHOWN, **self._named(chosen, shown), "shop": self._shop, "language": chosen}
        text = {key: render_template(template, dict(values)) for key, template in self._compiled[chosen].items()}
        style = Markup(self._style)  # noqa: S704
        return render_template(self._pages.get_template(f"{name}.html"), {**values, "text": text, "style": style})

    def text_version(self, name: str, language: str) -> str:
        """Identifies the wording that a person agreed to: its language and a hash of the page's template and texts."""
        chosen = self._chosen(language)
        source, *_ = self._pages.loader.get_source(self._pages, f"{name}.html") if self._pages.loader else ("",)
        return f"{chosen}:{content_hash(source, *map(str, sorted(self._texts[chosen].items())))[:12]}"

    def _chosen(self, language: str) -> str:
        return nearest_language(language, self._texts) or nearest_language(self._language, self._texts) or FALLBACK

    def _named(self, language: str, shown: Mapping[str, object]) -> dict[str, object]:
        """Topics and channels by their texts `topic_NAME` and `channel_NAME`, if there are any."""
        texts = self._texts[language]

        def named(kind: str, name: str) -> str:
            return texts.get(f"{kind}_{name}") or name.replace("_", " ").replace("-", " ").capitalize()

        values = dict(shown)
        values |= {kind: named(kind, str(shown[kind])) for kind in ("topic", "channel") if kind in shown}
        rows = shown.get("choices", ())
        assert isinstance(rows, tuple)
        values["choices"] = [
            {**row, "topic": named("topic", row["topic"]), "channel": named("channel", row["channel"])} for row in rows
        ]
        return values

    def _check(self) -> None:
        """Render each page once in each language, so that a mistake shows at the start and not to a customer."""
        for language, texts in self._compiled.items():
            for name, template in texts.items():
                try:
                    render_template(template, {**_SHOWN, "shop": self._shop, "language": language})
                except Exception as error:
                    raise ConfigurationError(f"{OWN}/{language}.yaml: {name}: {_in_words(error)}") from error
        choice = {"value": "email.news", "topic": "news", "channel": "email", "checked": True}
        for name in NAMES:
            for language in self._texts:
                try:
                    self.render(name, language, topic="news", channel="email", choices=(choice,))
                except Exception as error:
                    file = error.name if isinstance(error, TemplateSyntaxError | TemplateNotFound) else None
                    where = f"{OWN}/{file or name + '.html'}"
                    raise ConfigurationError(f"{where}: in {language}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    return str(error.message) if isinstance(error, TemplateError) else f"{type(error).__name__}: {str(error)[:200]}"


def _compiled(texts: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Template]]:
    """Texts can use `shop`, `topic` and `channel`; the page escapes the result."""
    plain = make_page_sandbox((), autoescape=False)
    compiled: dict[str, dict[str, Template]] = {language: {} for language in texts}
    for language, named in texts.items():
        for name, text in named.items():
            try:
                compiled[language][name] = plain.from_string(text)
            except TemplateError as error:
                raise ConfigurationError(f"{OWN}/{language}.yaml: {name}: {error.message}") from error
    return compiled


_SHOWN = {"asked": "preferences", "topic": "", "channel": "", "other": "", "saved": False, "choices": ()}


def _refuse_odd_files(own: Path) -> None:
    """Only plain files inside the folder are read, of the size of a page."""
    for path in sorted(own.rglob("*")):
        inside = path.resolve().is_relative_to(own.resolve())
        if not inside or not (path.is_file() or path.is_dir()):
            raise ConfigurationError(f"{OWN}/{path.relative_to(own)}: not a plain file in this folder; copy it instead")
        if path.is_file() and path.stat().st_size > MAX_FILE:
            raise ConfigurationError(f"{OWN}/{path.relative_to(own)}: larger than {MAX_FILE:,} bytes")


def _style(own: Path) -> str:
    file = own / "style.css"
    style = (file if file.is_file() else OURS / "style.css").read_text()
    if "</" in style:
        raise ConfigurationError(f"{OWN}/style.css: a style cannot contain `</`")
    return style


def missing_texts(root: Path) -> dict[str, list[str]]:
    """The missing texts by language, of the languages that only the shop has. Raises `ConfigurationError`."""
    ours = _shipped()
    own = {file.stem: _read(file, f"{OWN}/{file.name}") for file in sorted((root / OWN).glob("*.yaml"))}
    missing = {
        language: [name for name in ours[FALLBACK] if name not in texts]
        for language, texts in own.items()
        if nearest_language(language, ours) is None
    }
    return {language: names for language, names in missing.items() if names}


def _shipped() -> dict[str, dict[str, Any]]:
    return {file.stem: _read(file, file.name) for file in sorted(OURS.glob("*.yaml"))}


def _texts(own: Path) -> dict[str, dict[str, str]]:
    """Every language's texts: ours in English, then ours and the shop's own in the language, `de` before `de-AT`."""
    ours = _shipped()
    theirs = {file.stem: _read(file, f"{OWN}/{file.name}") for file in sorted(own.glob("*.yaml"))}
    for language, texts in theirs.items():
        for name, text in texts.items():
            if not isinstance(text, str):
                raise ConfigurationError(f"{OWN}/{language}.yaml: {name}: must be text; put it in quotes")
            if name not in ours[FALLBACK] and not name.startswith(("topic_", "channel_")):
                raise ConfigurationError(f"{OWN}/{language}.yaml: {unknown_name('text', name, list(ours[FALLBACK]))}")
    return {language: _layered(language, ours, theirs) for language in {**ours, **theirs}}


def _layered(language: str, ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> dict[str, str]:
    texts = dict(ours[FALLBACK])
    subtags = language.split("-")
    for name in ("-".join(subtags[:length]) for length in range(1, len(subtags) + 1)):
        texts |= {**ours.get(name, {}), **theirs.get(name, {})}
    return texts


def _read(file: Path, shown: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text()) or {}
    except Exception as error:  # PyYAML raises ValueError, KeyError and RecursionError too
        raise ConfigurationError(f"{shown}: can't be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{shown}: write one `name: text` a line")
    return found
