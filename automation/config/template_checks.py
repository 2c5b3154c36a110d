"""Checks that a campaign's templates exist, with the files, languages and subjects that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automation.config.problems import KeyPath, Problem, unknown_name
from automation.config.settings import NAME, Settings
from automation.config.source_map import SourceMap, read_file
from automation.plugin_manager import Registry
from automation.types.template_folders import NO_TEMPLATES

TEMPLATES = "templates"
PARTS = {
    "email": ("email.mjml", "email.html"),
    "phone": ("sms.txt",),
    "push": ("push.txt",),
    "customer": ("message.txt",),
}
"""By the channel's kind of address, the files of which a template needs one."""


def check_templates(root: Path, source: SourceMap, settings: Settings, registry: Registry) -> list[Problem]:
    """Every problem of the campaign's templates."""
    problems: list[Problem] = []
    known = _folders(root)
    for path, name, subject in _named(source):
        if not NAME.fullmatch(name):
            problems.append(source.problem(path, f"{name!r} is not the name of a folder in {TEMPLATES}/"))
        elif name not in known:
            problems.append(source.problem(path, unknown_name("template", name, known)))
        else:
            folder = root / TEMPLATES / name
            problems += _check_parts(folder, source, path, _kinds(source, settings, registry))
            problems += _check_languages(folder, source, path, subject, _language(source, settings))
    return problems


def _folders(root: Path) -> list[str]:
    folder = root / TEMPLATES
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name not in NO_TEMPLATES)


def _named(source: SourceMap) -> Iterator[tuple[KeyPath, str, Any]]:
    """Each template that the campaign names: its place, its name, and the subject given with it."""
    given = source.get(("send", "subject"))
    name = source.get(("send", "template"))
    if isinstance(name, str):
        yield ("send", "template"), name, given
    variants = source.get(("experiment", "variants"))
    for variant, entry in variants.items() if isinstance(variants, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("template"), str):
            yield ("experiment", "variants", variant, "template"), entry["template"], entry.get("subject") or given


def _kinds(source: SourceMap, settings: Settings, registry: Registry) -> list[str]:
    """The kinds of the campaign's channels: email, phone, push, customer."""
    channels = source.get(("send", "channels"))
    using = (
        [settings.channels.get(name) for name in channels if isinstance(name, str)]
        if isinstance(channels, list)
        else []
    )
    return sorted({str(registry.find("channels", component.name).kind) for component in using if component})


def _check_parts(folder: Path, source: SourceMap, path: KeyPath, kinds: list[str]) -> Iterator[Problem]:
    for kind in kinds:
        parts = PARTS.get(kind, ())
        if parts and not any((folder / part).is_file() for part in parts):
            wanted = " or ".join(f"{TEMPLATES}/{folder.name}/{part}" for part in parts)
            yield source.problem(path, f"the template {folder.name!r} has no file for this channel; it needs {wanted}")


def _check_languages(
    folder: Path, source: SourceMap, path: KeyPath, subject: Any, language: tuple[str, KeyPath | None]
) -> Iterator[Problem]:
    wanted, where = language
    texts = sorted(folder.glob("*.yaml"))
    if not (folder / f"{wanted}.yaml").is_file():
        if subject is None or texts:
            file = f"{TEMPLATES}/{folder.name}/{wanted}.yaml"
            yield source.problem(
                where or path, f"the template {folder.name!r} has no texts in {wanted!r}: it needs {file}"
            )
        return
    for text in texts:
        _, read = read_file(text, f"{TEMPLATES}/{folder.name}/{text.name}")
        yield from read.problems
        if isinstance(read.value, dict) and subject is None and not isinstance(read.value.get("subject"), str):
            yield read.problem((), "needs a `subject`, since the campaign gives none")


def _language(source: SourceMap, settings: Settings) -> tuple[str, KeyPath | None]:
    """The language that the template must have, and where the campaign names it."""
    language = source.get(("send", "language"))
    if isinstance(language, str):
        return language, ("send", "language")
    if isinstance(language, dict) and isinstance(language.get("otherwise"), str):
        return language["otherwise"], ("send", "language", "otherwise")
    return settings.shop.language, None
