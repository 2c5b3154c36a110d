"""Asks a process of its own to compile a template's markup, so that no template can end this one."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import automation
from automation.messages.template.files import TemplateError
from automation.messages.template.pieces import JinjaSource, Tag, Text

_MODULE = "automation.messages.template.compiler_process"
_WHY: Mapping[int, str] = {
    signal.SIGXCPU: "it takes too long to compile; make it smaller",
    signal.SIGSEGV: "it is nested too deeply to compile",
    signal.SIGABRT: "it needs too much memory to compile; make it smaller",
}


class _Compiler:
    """The process, which starts with the first template and again where it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, request: str) -> str | int:
        """The answer; or the number of the signal or error by which the process ended."""
        with self._lock:
            answer = self._ask(request)
            return self._ask(request) if answer == -signal.SIGALRM else answer  # it had just ended for want of work

    def _ask(self, request: str) -> str | int:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(  # noqa: S603  # this interpreter, this package; -P: not the project's folder
                [sys.executable, "-P", "-m", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, encoding="utf-8", start_new_session=True, env=_environment(),
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            if answer := self._process.stdout.readline():
                return answer
        except BrokenPipeError:
            pass
        ended_by = self._process.wait()
        self.close()
        return ended_by

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(BrokenPipeError), process:  # leaving it closes its input, by which it ends
                pass


def _environment() -> dict[str, str]:
    """Ours, with the folder that this package was imported from, which need not be installed."""
    folders = [str(Path(automation.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}


_compiler = _Compiler()
atexit.register(_compiler.close)


def compile_markup(kind: Literal["mjml", "html"], pieces: Sequence[Text | Tag]) -> tuple[JinjaSource, JinjaSource]:
    """The joined template as HTML, and the text version derived from it. Raises `TemplateError`.

    10 ms for a template of 10 KB, and 0.1 s for the first one of this process.
    """
    written = [
        ["text", piece.text, piece.file, piece.line]
        if isinstance(piece, Text)
        else ["tag", piece.kind, piece.code, piece.file, piece.line]
        for piece in pieces
    ]
    answer = _compiler.ask(json.dumps([kind, written]))
    file = next((piece.file for piece in pieces), "templates")
    if isinstance(answer, int):
        raise TemplateError(file, None, _WHY.get(-answer, f"it can't be compiled: the compiler ended with {answer}"))
    found = json.loads(answer)
    if isinstance(found, dict):
        raise TemplateError(found["file"] or file, found["line"], found["what"])
    html, text = (_unpacked(source, lines, pieces) for source, lines in found)
    return html, text


def _unpacked(text: str, lines: Sequence[Sequence[int]], pieces: Sequence[Text | Tag]) -> JinjaSource:
    tags = {line: pieces[place] for line, place in lines}
    return JinjaSource(text, {line: tag for line, tag in tags.items() if isinstance(tag, Tag)})
