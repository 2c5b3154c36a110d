"""Compiles MJML and HTML in a process of its own: `python -P -m automation.messages.template.compiler_process`.

The libraries for it are native code that deep nesting ends by a signal, and some input takes them endless time. Here it
ends this process, within limits of time and memory, and costs its template only. See `compiler`.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any

from automation.messages.template.files import TemplateError
from automation.messages.template.markup import html_source, mjml_source
from automation.messages.template.pieces import JinjaSource, Tag, Text

MAX_SECONDS = 5
"""CPU seconds for one template; a large one takes 0.1."""
MAX_MEMORY = 1 << 30
IDLE = 10
"""Seconds without a template after which the process ends; the next template starts another."""
COMPILERS = {"mjml": mjml_source, "html": html_source}


def answer(request: str) -> str:
    """One request, as `compiler` writes it, to its answer: the two sources, or the error."""
    kind, written = json.loads(request)
    pieces = [Text(*fields) if what == "text" else Tag(*fields) for what, *fields in written]
    try:
        sources = COMPILERS[kind](pieces)
        return json.dumps([_packed(source, pieces) for source in sources])
    except TemplateError as error:
        return json.dumps({"file": error.file, "line": error.line, "what": error.what})
    except (Exception, RecursionError, MemoryError) as error:
        return json.dumps(
            {"file": None, "line": None, "what": f"it can't be compiled: {type(error).__name__}: {error}"}
        )


def _packed(source: JinjaSource, pieces: Sequence[Text | Tag]) -> list[Any]:
    """The text, and for each line of a tag the tag's place among the pieces."""
    places = {id(piece): place for place, piece in enumerate(pieces)}
    return [source.text, [[line, places[id(tag)]] for line, tag in source.origins.items()]]


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the process that started it: at the end of its input
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    while True:
        signal.alarm(IDLE)
        request = sys.stdin.readline()
        signal.alarm(0)
        if not request:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + MAX_SECONDS + 1, hard))
        sys.stdout.write(answer(request) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
