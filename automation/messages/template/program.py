"""A compiled template whose errors name the tag, the file and the reason in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from jinja2 import Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError

from automation.messages.template.files import TemplateError
from automation.messages.template.pieces import JinjaSource, Tag
from automation.messages.template.sandbox import Sandbox, UnknownName, compile_template, names_used, render_template
from automation.messages.template.variables import NAMES


@dataclass(frozen=True)
class Program:
    """A compiled template, or a constant text without tags."""

    name: str
    constant: str | None = None
    template: Template | None = None
    source: JinjaSource = field(default_factory=lambda: JinjaSource(""))

    def render(self, context: dict[str, Any]) -> str:
        if self.template is None:
            return self.constant or ""
        try:
            return render_template(self.template, context)
        except TemplateError:
            raise
        except Exception as error:
            raise self._explained(error, context) from error

    def _explained(self, error: Exception, context: Mapping[str, Any]) -> TemplateError:
        tag = _tag_of(error, self)
        what = _in_words(error, tag, context)
        if tag is None:
            return TemplateError(self.name, None, what)
        return TemplateError(tag.file, tag.line, f"{tag}: {what}")


def compile_program(source: JinjaSource, name: str, environment: Sandbox) -> Program:
    """Raises `TemplateError`."""
    if not source.origins:
        return Program(name, constant=source.text)
    try:
        return Program(name, template=compile_template(environment, source.text, name), source=source)
    except (SyntaxError, RecursionError, MemoryError) as error:  # CPython calls its parser's stack memory
        raise TemplateError(name, None, "loops, conditions or parentheses are nested too deeply") from error
    except TemplateSyntaxError as error:
        tag = source.origins.get(error.lineno) or source.origins.get(error.lineno + 1)
        what = error.message or "this is not Jinja"
        raise TemplateError(
            tag.file if tag else name, tag.line if tag else None, f"{tag}: {what}" if tag else what
        ) from error  # fmt: skip


def texts_used(environment: Sandbox, programs: Iterable[Program]) -> dict[str, str]:
    """The texts that the programs use, and where."""
    uses: dict[str, str] = {}
    for program in programs:
        for node in environment.parse(program.source.text).find_all(nodes.Getattr):
            if isinstance(node.node, nodes.Name) and node.node.name == "text":
                tag = program.source.origins.get(node.lineno)
                uses.setdefault(node.attr, f"{tag.file}:{tag.line}" if tag else program.name)
    return uses


def _tag_of(error: Exception, program: Program) -> Tag | None:
    """The tag that was being rendered: the deepest line of the compiled template in the traceback."""
    assert program.template is not None
    tag, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is program.template or (
            trace.tb_frame.f_code.co_filename == program.name and "environment" in trace.tb_frame.f_globals
        ):
            tag = program.source.origins.get(program.template.get_corresponding_lineno(trace.tb_lineno), tag)
        trace = trace.tb_next
    return tag


def _in_words(error: Exception, tag: Tag | None, context: Mapping[str, Any]) -> str:
    if isinstance(error, UnknownName):
        known = [name for name in context if not name.startswith("_")] if error.known is None else error.known
        near = get_close_matches(error.name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known)[:12]) or 'nothing'}"
        return f"{error.name!r} is not known; {hint}{_or_default(tag)}"
    if isinstance(error, UndefinedError):
        return f"{error.message}{_or_default(tag)}"
    if isinstance(error, SecurityError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _or_default(tag: Tag | None) -> str:
    if tag is None or tag.kind != "print" or "default" in tag.code:
        return ""
    return f"; where it may be missing write {{{{ {tag.code}|default('…') }}}}"


def unknown_names(environment: Sandbox, programs: Iterable[Program]) -> list[TemplateError]:
    """Errors for names that are in no context."""
    problems = {}
    for program in programs:
        for name in sorted(names_used(environment, program.source.text) - set(NAMES)):
            tag = next((tag for tag in program.source.origins.values() if re.search(rf"\b{name}\b", tag.code)), None)
            near = get_close_matches(name, NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(NAMES)}"
            file, line = (tag.file, tag.line) if tag else (program.name, None)
            problems[file, line, name] = TemplateError(
                file, line, f"{tag or program.name}: {name!r} is not known; {hint}"
            )
    return list(problems.values())
