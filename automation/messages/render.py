"""Renders a template with a plain context: the same context gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from automation.messages.template.compiler import compile_markup
from automation.messages.template.files import KIND_FILES, TemplateError, Templates, project_path
from automation.messages.template.filters import LOCALE, template_filters
from automation.messages.template.locale import Locale, locale_of
from automation.messages.template.markup import plain_source
from automation.messages.template.pieces import JinjaSource
from automation.messages.template.program import Program, compile_program, texts_used, unknown_names
from automation.messages.template.reasons import OwnReasons
from automation.messages.template.sandbox import Texts, make_sandbox, refuse_objects
from automation.messages.template.source import join, join_text
from automation.messages.template.texts import Phrase, read_texts
from automation.messages.template.use_checks import Placed, find_unfit_uses, read_uses
from automation.types.message import KINDS, AddressKind

Kind = AddressKind
Subject = str | Mapping[str, str] | None
MAX_SUBJECT = 500
_ANY_FILE = "email.mjml, email.html, sms.txt, push.txt or message.txt"
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n")
_NAMED_HOST = re.compile(r"https?://([\w.-]+)", re.I)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Body:
    """A rendered message. Channels other than e-mail use only `text` (and `subject`, as a title)."""

    subject: str
    preheader: str
    text: str
    html: str
    language: str = ""


@dataclass(frozen=True)
class _Compiled:
    html: Program | None
    text: Program


class Renderer:
    """Renders from one set of templates; compiles each template once, when it is first used.

    Not thread-safe while it compiles: give each worker its own.
    """

    def __init__(self, templates: Templates, filters: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.templates = templates
        self.reasons = OwnReasons(templates)
        names = {**template_filters(), **(filters or {})}
        self._markup = make_sandbox(names, autoescape=True)
        self._plain = make_sandbox(names, autoescape=False)
        self._bodies: dict[tuple[str, Kind], _Compiled] = {}
        self._unfit: dict[tuple[str, Kind], TemplateError] = {}
        self._texts: dict[tuple[str, str], dict[str, Program]] = {}
        self._written: dict[tuple[str, str], dict[str, Phrase]] = {}
        self._locales: dict[tuple[str, str], Locale] = {}
        self._subjects: dict[str, Program] = {}
        self._languages: dict[tuple[str, str | None, str | None], str] = {}

    def render(
        self,
        template: str,
        kind: Kind,
        context: Mapping[str, Any],
        *,
        language: str | None = None,
        otherwise: str | None = None,
        subject: Subject = None,
        plain: bool = False,
    ) -> Body:
        """One message. Raises `LanguageMissing`, or `TemplateError` with the template's file and line.

        plain: the context comes from JSON, so it contains no objects and needs no check.
        """
        compiled = self._body(template, kind)
        chosen = self.language(template, language, otherwise)
        values = self._values(template, chosen, context, plain=plain)
        values["subject"] = line = self._subject(template, kind, chosen, subject, values)
        values["preheader"] = preheader = self._line(template, chosen, "preheader", values)
        html = compiled.html.render(values) if compiled.html else ""
        text = _BLANK_LINES.sub("\n\n", compiled.text.render(values)).strip()
        return Body(line, preheader, text, html, chosen)

    @cached_property
    def link_hosts(self) -> frozenset[str]:
        """The hosts that the templates name in their links."""
        found = (_NAMED_HOST.findall(body.decode("utf-8", "replace")) for body in self.templates.files.values())
        return frozenset(host.lower().rstrip(".") for hosts in found for host in hosts)

    def kinds(self, template: str) -> tuple[Kind, ...]:
        """The kinds of channel for which the template has a file."""
        return tuple(
            kind for kind in KINDS if any(f"{template}/{name}" in self.templates.files for name in KIND_FILES[kind])
        )

    def uses(self, template: str, subjects: Sequence[Phrase] = ()) -> list[Placed]:
        """Every variable that the template uses in any language, and that these subjects of a campaign use."""
        texts = []
        for language in self.templates.languages(template):
            with suppress(TemplateError):  # reported with the texts' other problems
                texts.append(self._read(template, language))
        return read_uses(self._plain, self.templates, template, texts, subjects)

    def check(self, template: str, subjects: Sequence[Phrase] = ()) -> tuple[TemplateError, ...]:
        """Every problem of the template in any language, and of a campaign's subjects, that shows without a context."""
        problems: list[TemplateError] = []
        programs: list[Program] = []
        kinds = self.kinds(template)
        if not kinds:
            return (TemplateError(f"templates/{template}", None, f"there is no {_ANY_FILE}"),)
        for kind in kinds:
            try:
                body = self._body(template, kind)
                programs += [program for program in (body.html, body.text) if program]
            except TemplateError as error:
                problems.append(error)
        uses = texts_used(self._plain, programs)
        for language in self.templates.languages(template):
            try:
                texts = self._phrases(template, language)
                problems += unknown_names(self._plain, texts.values())
                wanted = {**uses, **({"subject": f"templates/{template}"} if "email" in kinds else {})}
                problems += [
                    TemplateError(
                        project_path(f"{template}/{language}.yaml"),
                        None,
                        f"the text {name!r} is missing; {where} uses it",
                    )
                    for name, where in wanted.items()
                    if name not in texts
                ]
            except TemplateError as error:
                problems.append(error)
        lines = [program for phrase in subjects for program in self._compiled_phrase(phrase, problems)]
        problems += unknown_names(self._plain, [*programs, *lines])
        return (*problems, *find_unfit_uses(self.uses(template, subjects)))

    def _compiled_phrase(self, phrase: Phrase, problems: list[TemplateError]) -> list[Program]:
        try:
            return [self._phrase(phrase)]
        except TemplateError as error:
            problems.append(error)
            return []

    def language(self, template: str, wanted: str | None, otherwise: str | None) -> str:
        """The language that a message is written in. Raises `LanguageMissing`."""
        key = (template, wanted, otherwise)
        if key not in self._languages:
            self._languages[key] = self.templates.language(*key)
        return self._languages[key]

    def _values(self, template: str, language: str, context: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
        values = dict(context)
        try:
            if not plain:
                refuse_objects(values)
        except TypeError as error:
            raise TemplateError(f"templates/{template}", None, str(error)) from error
        phrases = self._phrases(template, language)
        done: dict[str, str | None] = {}

        def text(name: str) -> str:
            if name not in done:
                done[name] = None
                done[name] = phrases[name].render(values)
            rendered = done[name]
            if rendered is None:
                raise TemplateError(phrases[name].name, None, f"the text {name!r} refers to itself")
            return rendered

        values["language"] = language
        values[LOCALE] = self._locales[template, language]
        values["text"] = Texts(text, phrases)
        return values

    def _subject(self, template: str, kind: Kind, language: str, subject: Subject, values: dict[str, Any]) -> str:
        if isinstance(subject, Mapping):
            subject = next(
                (subject[name] for name in (language, language.split("-", maxsplit=1)[0]) if name in subject), None
            )
        if subject is None:
            line = self._line(template, language, "subject", values)
        else:
            if subject not in self._subjects:
                self._subjects[subject] = self._phrase(Phrase(subject, "the campaign's subject", 1))
            line = _one_line(self._subjects[subject].render(values), "the campaign's subject")
        if not line and kind == "email":
            raise TemplateError(
                project_path(f"{template}/{language or 'en'}.yaml"), None, "no subject; write subject: …"
            )
        return line

    def _line(self, template: str, language: str, name: str, values: dict[str, Any]) -> str:
        phrase = self._phrases(template, language).get(name)
        return _one_line(phrase.render(values), f"{phrase.name}: {name}") if phrase else ""

    def _body(self, template: str, kind: Kind) -> _Compiled:
        key = (template, kind)
        if key in self._unfit:
            raise self._unfit[key]  # compiling it again for every message would take seconds each time
        if key not in self._bodies:
            try:
                self._bodies[key] = self._compile(template, kind)
            except TemplateError as error:
                self._unfit[key] = error
                raise
        return self._bodies[key]

    def _compile(self, template: str, channel: Kind) -> _Compiled:
        paths = [f"{template}/{name}" for name in KIND_FILES[channel]]
        known = {*self.templates.files, *self.templates.refused}
        has = [path for path in paths if path in known]
        if not has:
            raise TemplateError(f"templates/{template}", None, f"there is no {' or '.join(KIND_FILES[channel])}")
        markup = next((path for path in has if not path.endswith(".txt")), None)
        plain = next((path for path in has if path.endswith(".txt")), None)
        html, derived = None, JinjaSource("")
        if markup:
            kind: Literal["mjml", "html"] = "mjml" if markup.endswith(".mjml") else "html"
            written, derived = compile_markup(kind, join(self.templates, markup))
            html = compile_program(written, project_path(markup), self._markup)
        source = plain_source(join(self.templates, plain)) if plain else derived
        return _Compiled(html, compile_program(source, project_path(plain or markup or template), self._plain))

    def _phrases(self, template: str, language: str) -> dict[str, Program]:
        if (template, language) not in self._texts:
            phrases = self._read(template, language)
            self._locales[template, language] = locale_of(language, phrases)
            self._texts[template, language] = {name: self._phrase(phrase) for name, phrase in phrases.items()}
        return self._texts[template, language]

    def _read(self, template: str, language: str) -> dict[str, Phrase]:
        key = (template, language)
        if key not in self._written:
            self._written[key] = read_texts(self.templates, template, language)
        return self._written[key]

    def _phrase(self, phrase: Phrase) -> Program:
        return compile_program(plain_source(join_text(phrase.text, phrase.file, phrase.line)), phrase.file, self._plain)


def _one_line(text: str, where: str) -> str:
    line = text.strip()
    if found := _CONTROL.search(line):
        what = "a line break" if found[0] in "\r\n\u2028\u2029" else "a control character"
        raise TemplateError(where, None, f"it contains {what}; it must be one line")
    if len(line) > MAX_SUBJECT:
        raise TemplateError(where, None, f"{len(line)} characters; at most {MAX_SUBJECT} are allowed")
    return line
