"""The command line: prints the overview itself, and loads only the command that is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.cli.commands import COMMANDS, Command, find, overview

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from automation.cli.invocation import Invocation

GLOBAL = ("--project", "--format")
FORMATS = ("text", "json", "csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given, rest, problem = split(sys.argv[1:] if arguments is None else arguments)
    problem = problem or _find_unreadable(rest)
    if problem is None and rest[:1] == ["--version"]:
        import automation

        return _print(f"automation {automation.__version__}")
    if problem is None and (not rest or rest[0] in ("--help", "-h")):
        return _print(overview())
    command = find(rest[0]) if rest else None
    if problem or command is None:
        return _fail(problem or _unknown(rest[0]))
    if given.get("--format") == "csv" and not command.csv:
        return _fail(f"automation {command.name} prints no CSV; use --format text or json")
    return _execute(command, rest[1:], given)


def split(arguments: Sequence[str]) -> tuple[dict[str, str], list[str], str | None]:
    """Take `--project` and `--format` out, wherever they stand before `--`. Returns them, the rest and an error."""
    given: dict[str, str] = {}
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if argument == "--":
            rest += [argument, *remaining]
        elif name not in GLOBAL:
            rest.append(argument)
        elif not equals and (value := next(remaining, "")) == "":
            return given, rest, f"{name} needs a value"
        else:
            given[name] = value
    if given.get("--format", "text") not in FORMATS:
        return given, rest, f"--format {given['--format']} is not a format; use text or json"
    return given, rest, None


def _find_unreadable(arguments: Sequence[str]) -> str | None:
    """Bytes that are no UTF-8 reach us as lone surrogates, which no store can hold."""
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            return f"argument {number} is not valid UTF-8: {argument.encode('utf-8', 'backslashreplace').decode()}"
    return None


def _execute(command: Command, arguments: list[str], given: dict[str, str]) -> int:
    from automation.cli import failures
    from automation.cli.invocation import Invocation
    from automation.cli.output import Output

    os.umask(0o077)  # what this and its workers write holds personal data
    os.environ["PYTHONSAFEPATH"] = "1"  # no process that this one starts imports modules from the project's folder
    output = Output(as_json=given.get("--format") == "json", as_csv=given.get("--format") == "csv")
    invocation = Invocation(command.name, given.get("--project"), output)
    if not command.starts_at_once:
        failures.log_warnings_to_stderr()
    try:
        return _call(command, arguments, invocation)
    except KeyboardInterrupt:
        output.error("interrupted")
        return 130
    except Exception as error:
        return failures.report_failure(error, invocation)


def _call(command: Command, arguments: list[str], invocation: Invocation) -> int:
    return (_call_at_once if command.starts_at_once else _call_by_typer)(command, arguments, invocation)


def _call_at_once(command: Command, arguments: list[str], invocation: Invocation) -> int:
    from automation.cli.arguments import Parser

    function = load(command)
    parser = Parser(command.name, function)
    _module(command).add_arguments(parser)
    try:
        values = parser.parse(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    function(invocation, **values)
    return 0


def _call_by_typer(command: Command, arguments: list[str], invocation: Invocation) -> int:
    import typer

    function = load(command)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=_markup())
    app.command(context_settings={"help_option_names": ["--help", "-h"]})(function)
    try:
        app(args=arguments, prog_name=f"automation {command.name}", obj=invocation)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def load(command: Command) -> Callable[..., Any]:
    """Import the command's function."""
    function: Callable[..., Any] = getattr(_module(command), command.module)
    return function


def _module(command: Command) -> ModuleType:
    from importlib import import_module

    return import_module(f"automation.cli.{command.module}")


def _markup() -> Any:
    """Boxes and colours only on a terminal: rich takes 0.1 s to load."""
    return "rich" if sys.stdout.isatty() else None


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"there is no command {name!r}{meant}; automation --help lists them"


def _print(text: str) -> int:
    sys.stdout.write(text + "\n")
    return 0


def _fail(problem: str) -> int:
    sys.stderr.write(f"automation: {problem}\n")
    return 2
