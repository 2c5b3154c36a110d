"""Writes docs/reference from the code: `python docs/generate.py`. `--check` only lists outdated pages."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from addresses import addresses_page
from events import event_types_page
from keys import Key, allowed, default, keys
from mapping import mapping_keys, mapping_page
from profile_fields import profile_fields_page
from pydantic import BaseModel

from automation import hookspecs
from automation.cli.commands import COMMANDS
from automation.cli.main import main as automation
from automation.config import not_built
from automation.config.reading import model_fields
from automation.config.settings import Settings
from automation.contracts import Options, reason_texts
from automation.plugin_manager import KINDS, OBSERVERS, Registry, load_plugins
from automation.rules import core
from automation.rules.operators import CustomerOperators
from automation.types.campaign import Campaign
from automation.types.decision import REASONS, Outcome
from automation.types.language import FALLBACK
from automation.types.profile import PROFILE_MEANINGS
from templates import templates_page

DOCS = Path(__file__).resolve().parent
NOTE = "<!-- Written by docs/generate.py from the code; edit that. -->\n"


@dataclass(frozen=True)
class Page:
    """One page of the reference."""

    file: str
    title: str
    about: str
    write: Callable[[Registry], str]


def generate(registry: Registry) -> dict[str, str]:
    """Every page's text by its file name."""
    pages = {page.file: f"# {page.title}\n\n{NOTE}\n{page.about}\n\n{page.write(registry)}" for page in PAGES}
    lines = [f"- [{page.title}]({page.file}): {page.about[0].lower()}{page.about[1:]}" for page in PAGES]
    index = "These pages are written from the code; a test checks that they are up to date.\n"
    return {"README.md": "\n".join(["# Reference", "", NOTE, index, *lines, ""]), **pages}


# Files


def campaign_page(_: Registry) -> str:
    return "\n".join(_key_tables(Campaign, "campaign", not_built.KEYS))


def settings_page(_: Registry) -> str:
    return "\n".join(_key_tables(Settings, "settings", {}))


def _key_tables(model: type[BaseModel], which: str, unbuilt: Mapping[Any, Any]) -> Iterator[str]:
    """The keys at the top, then one table for each key that has keys of its own."""
    found = list(keys(model))
    meanings = written_meanings(
        which, [key.name for key in found], {key.name: key.meaning for key in found if key.meaning}
    )
    tops = [key for key in found if "." not in key.name]
    yield from _table(tops, meanings, unbuilt)
    for top in tops:
        below = [key for key in found if key.name.startswith(f"{top.name}.")]
        if below:
            yield f"\n## `{top.name}`\n"
            yield from _table(below, meanings, unbuilt)
    yield ""


def written_meanings(which: str, found: Iterable[str], own: Mapping[str, Any]) -> dict[str, Any]:
    """What docs/meanings.yaml says of each key, and `own`. Raises `SystemExit` unless that is each key once."""
    meanings = yaml.safe_load((DOCS / "meanings.yaml").read_text())[which] | own
    if wrong := set(found) ^ set(meanings):
        listed = ", ".join(sorted(wrong))
        raise SystemExit(f"docs/meanings.yaml, {which}: add these keys, or remove those that no longer exist: {listed}")
    return dict(meanings)


def import_page(registry: Registry) -> str:
    return mapping_page(registry, written_meanings("mapping", [key.name for key in mapping_keys()], {}))


def profile_page(_: Registry) -> str:
    return profile_fields_page(written_meanings("profile", PROFILE_MEANINGS, {}))


def _table(rows: list[Key], meanings: Mapping[str, str], unbuilt: Mapping[Any, Any]) -> Iterator[str]:
    yield "| key | meaning | allowed values | default |"
    yield "|---|---|---|---|"
    for key in rows:
        yield _row(f"`{key.name}`", meanings[key.name] + _unbuilt(key.name, unbuilt), key.allowed, key.default)


def _unbuilt(name: str, unbuilt: Mapping[Any, Any]) -> str:
    path = tuple(name.split("."))
    if any(path[:length] in unbuilt and unbuilt[path[:length]] is not_built.ANY for length in range(1, len(path) + 1)):
        return " (*not built yet*)"
    values = unbuilt.get(path)
    return f" (*not built yet: {', '.join(f'`{value}`' for value in values)}*)" if values else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


# Components


def rules_page(registry: Registry) -> str:
    operators = ", ".join(f"`{name}`" for name in CustomerOperators.NAMES)
    lines = [
        "Combine conditions with `all`, `any` (each a list) and `not`; `everyone` matches everybody. The first key of",
        "a condition names the rule. A value is compared with exactly one operator, explained under [`trait`](#trait):",
        f"{operators}.",
        "The fields that `profile` knows are on [a page of their own](profile-fields.md).",
        "",
    ]
    for name in registry.names("rules"):
        lines += _component(registry, "rules", name, level=2)
    return "\n".join(lines)


def components_page(registry: Registry) -> str:
    lines: list[str] = []
    for kind, word in KINDS.items():
        if kind == "rules":
            continue
        lines += [f"## {word.capitalize()}s" if word[-1] != "y" else f"## {word[:-1].capitalize()}ies", ""]
        lines += [f"None is included; a plugin registers them with [`register_{kind}`](hooks.md).", ""] * (
            not registry.names(kind)
        )
        for name in registry.names(kind):
            lines += _component(registry, kind, name, level=3)
    return "\n".join(lines)


def _component(registry: Registry, kind: str, name: str, *, level: int) -> Iterator[str]:
    component = registry.find(kind, name)
    plugin = registry.owner(kind, name)
    yield from (f"{'#' * level} `{name}`", "")
    if kind != "rules":
        yield from (f"From the plugin `{plugin.name}`.", "")
    yield from (_prose(component), "")
    if texts := reason_texts(component):
        yield from (
            f"Reasons: {'; '.join(f'`{code}`, “{text}”' for code, text in texts.get(FALLBACK, {}).items())}.",
            "",
        )
        yield from (f"They have texts in {', '.join(sorted(texts))}.", "")
    options: type[BaseModel] = getattr(component, "Options", Options)  # a template filter is a function
    if options is not Options and options.__doc__ and kind != "rules":
        yield from (_prose(options), "")
    if model_fields(options):
        yield from ("| option | allowed values | default |", "|---|---|---|")
        for key, info in model_fields(options).items():
            said = f"{info.description}: {allowed(info)}" if info.description else allowed(info)
            yield _row(f"`{key}`", said, default(info))
        yield ""


def _prose(subject: Any) -> str:
    own = subject.__doc__ if inspect.isfunction(subject) else vars(subject).get("__doc__")
    return inspect.cleandoc(own or "")


# Hooks, commands, reasons


def hooks_page(_: Registry) -> str:
    lines = ["A plugin implements a hook as a function of that name, marked with `automation.hookspecs.hookimpl`.", ""]
    for name, spec in vars(hookspecs).items():
        if not hasattr(spec, "automation_spec"):
            continue
        signature = inspect.signature(spec)
        kind = "Observes" if name in OBSERVERS else "Contributes"
        lines += [f"## `{name}({', '.join(signature.parameters)})`", "", f"{kind}. {_docstring(spec)}", ""]
        lines += [f"- `{parameter}`: `{part.annotation}`" for parameter, part in signature.parameters.items()]
        lines.append("")
    return "\n".join(lines)


def _docstring(subject: Any) -> str:
    return inspect.cleandoc(subject.__doc__ or "")


def commands_page(_: Registry) -> str:
    lines = ["```text", _help(), "```", ""]
    for command in COMMANDS:
        lines += [f"## `automation {command.name}`", "", "```text", _help(command.name), "```", ""]
    return "\n".join(lines)


def _help(*command: str) -> str:
    """What the command prints for `--help`, 100 columns wide."""
    os.environ["COLUMNS"] = "100"
    printed = StringIO()
    with redirect_stdout(printed):
        ended_with = automation([*command, "--help"])
    if ended_with:
        raise SystemExit(f"automation {' '.join(command)} --help ended with {ended_with}")
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def reasons_page(registry: Registry) -> str:
    lines = ["Every customer in a run's audience gets exactly one outcome:", ""]
    lines += [f"- `{outcome}`" for outcome in Outcome]
    lines += ["", "and one reason:", "", "| reason | meaning |", "|---|---|"]
    lines += [_row(f"`{code}`", text) for code, text in REASONS.items()]
    for name in registry.names("suppressions"):
        codes = registry.find("suppressions", name).codes
        lines += [_row(f"`{code}`", f"{text} (`{name}`)") for code, text in codes.items()]
    return "\n".join([*lines, ""])


PAGES = (
    Page("campaign-file.md", "A campaign file", "Every key of a file in `campaigns/`.", campaign_page),
    Page("config.md", "config.yaml", "Every key of the project's configuration file.", settings_page),
    Page("mapping.md", "A mapping file", "Every key of a mapping, for `automation import`.", import_page),
    Page("rules.md", "Rules", "The conditions for audiences, segments and offers.", rules_page),
    Page("profile-fields.md", "Fields of the profile", "What rules and rankings can use of a profile.", profile_page),
    Page("templates.md", "Templates", "What a template can use, and what its limits are.", templates_page),
    Page("components.md", "Components", "Everything that `using:` can name, with its options.", components_page),
    Page("commands.md", "Commands", "The output of `automation COMMAND --help`.", commands_page),
    Page("http.md", "HTTP", "The addresses of the web app.", addresses_page),
    Page("event-types.md", "Event types", "Every event that the core writes or reads.", event_types_page),
    Page("reasons.md", "Outcomes and reasons", "The codes that decisions have.", reasons_page),
    Page("hooks.md", "Hooks", "The functions that a plugin can implement.", hooks_page),
)


def main() -> int:
    """Write the pages, or with `--check` list those that differ; returns 1 if one does."""
    os.environ.pop("AUTOMATION_PLUGINS", None)
    stale = []
    for name, text in generate(load_plugins(core=[core])).items():
        path, whole = DOCS / "reference" / name, text.rstrip("\n") + "\n"
        if not path.exists() or path.read_text() != whole:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(whole)
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run: python docs/generate.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
