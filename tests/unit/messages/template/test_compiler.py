"""Templates that end the native libraries, or take them for ever: each is refused, and the next one is compiled."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from automation.messages.render import Renderer
from automation.messages.template import compiler
from automation.messages.template.compiler import compile_markup
from automation.messages.template.files import TemplateError, Templates
from automation.messages.template.pieces import Text

SOUND = "<p>Hello</p>"
DEEP = 40_000


def compiled(source: str, kind: str = "html") -> str:
    return compile_markup("mjml" if kind == "mjml" else "html", [Text(source, "templates/t/email", 1)])[0].text


def why(source: str, kind: str = "html") -> str:
    with pytest.raises(TemplateError) as refused:
        compiled(source, kind)
    assert "<p>Hello</p>" in compiled(SOUND), "the next template is compiled"
    return str(refused.value)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("<div>" * DEEP, "html"),
        ("<b>" * DEEP + "</b>" * DEEP, "html"),
        ("<mjml><mj-body>" + "<mj-section>" * DEEP, "mjml"),
        ("<mjml><mj-body><mj-section><mj-column><mj-text>" + "<div>" * DEEP, "mjml"),
    ],
)
def test_deep_nesting_is_refused_with_its_line(source: str, kind: str) -> None:
    assert why(source, kind) == "templates/t/email:1: more than 500 elements inside each other"


@pytest.mark.slow
def test_what_ends_the_compiler_ends_no_other_process() -> None:
    """Our reader counts `<div/>` as closed; a browser and the library do not."""
    assert why("<div/>" * 14_000) == "templates/t/email: it is nested too deeply to compile"


def test_an_idle_compiler_ends_and_the_next_template_starts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(SOUND)
    process = compiler._compiler._process
    assert process is not None
    os.kill(process.pid, signal.SIGALRM)
    monkeypatch.setattr(process, "poll", lambda: None)  # as if it ended after we had looked
    assert "<p>Hello</p>" in compiled(SOUND)
    assert compiler._compiler._process is not process


def test_the_package_need_not_be_on_the_path_of_new_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    compiler._compiler.close()
    assert "<p>Hello</p>" in compiled(SOUND)


@pytest.mark.slow
def test_endless_work_is_ended() -> None:
    assert why("<a " * 80_000) == "templates/t/email: it takes too long to compile; make it smaller"


def test_a_template_that_was_refused_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(Templates.from_content({"t/email.html": "<div>" * DEEP, "t/en.yaml": "subject: x"}))
    asked: list[str] = []
    ask = compiler._compiler.ask

    def count(request: str) -> str | int:
        asked.append(request)
        return ask(request)

    monkeypatch.setattr(compiler._compiler, "ask", count)
    for _ in range(3):
        with pytest.raises(TemplateError, match="more than 500 elements"):
            renderer.render("t", "email", {}, language="en")
    assert len(asked) == 1
