"""The files under `templates/`: read once, bounded, and identified by content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from automation.errors import AutomationError
from automation.types.language import nearest_language
from automation.types.template_folders import LAYOUTS, NO_TEMPLATES

MAX_FILE = 256 * 1024
MAX_FILES = 2_000
MAX_TOTAL = 16 * 1024 * 1024
SUFFIXES = (".mjml", ".html", ".txt", ".yaml")
KIND_FILES: Mapping[str, tuple[str, ...]] = {
    "email": ("email.mjml", "email.html", "email.txt"),
    "phone": ("sms.txt",),
    "push": ("push.txt",),
    "customer": ("message.txt",),
}
_REFERENCE = re.compile(r"\{%[-+]?\s*(?:extends|include)\s+[\"']([^\"']+)[\"']")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class TemplateError(AutomationError):
    """A template cannot be used, or not be rendered with one context. `file` is relative to the project."""

    def __init__(self, file: str, line: int | None, what: str) -> None:
        super().__init__(f"{file}: {what}" if line is None else f"{file}:{line}: {what}")
        self.file = file
        self.line = line
        self.what = what


class LanguageMissing(TemplateError):
    """The template has no texts in the wanted language, nor in the one to fall back to."""


@dataclass(frozen=True)
class Templates:
    """Relative path (`winback/email.mjml`) → content. `refused` has files that exist but cannot be used."""

    files: Mapping[str, bytes]
    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_content(cls, files: Mapping[str, bytes | str]) -> Templates:
        """Templates from pinned content, under the same rules as files on disk."""
        taken: dict[str, bytes] = {}
        refused: dict[str, str] = {}
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else bytes(content)
            if problem := _problem(path, len(data)):
                refused[path] = problem
            else:
                taken[path] = data
        return cls(taken, refused)

    def names(self) -> list[str]:
        """Every template; each is a folder."""
        folders = {path.split("/", 1)[0] for path in self.files if "/" in path}
        return sorted(folders - NO_TEMPLATES)

    def text(self, path: str) -> str:
        """One file as text. Raises `TemplateError`."""
        if path in self.refused:
            raise TemplateError(project_path(path), None, self.refused[path])
        if path not in self.files:
            raise TemplateError(project_path(path), None, "there is no such file")
        try:
            return self.files[path].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.files[path].count(b"\n", 0, error.start) + 1
            raise TemplateError(project_path(path), line, "this is not UTF-8; save the file as UTF-8") from error

    def languages(self, template: str) -> list[str]:
        """The languages in which the template has texts."""
        names = (PurePosixPath(path) for path in self.files if path.startswith(f"{template}/"))
        return sorted(path.stem for path in names if path.suffix == ".yaml" and _LANGUAGE.fullmatch(path.stem))

    def language(self, template: str, wanted: str | None, otherwise: str | None = None) -> str:
        """The language to write in: the wanted one, its primary subtag (de-AT → de), `otherwise`, or the only one.

        A template without any language file is written in the wanted language as it stands. Raises `LanguageMissing`.
        """
        has = self.languages(template)
        if not has:
            return wanted or otherwise or ""
        for choice in (wanted, otherwise):
            if found := nearest_language(choice, has):
                return found
        if len(has) == 1:
            return has[0]
        asked = f"in {wanted!r}" if wanted else "for a customer without a language"
        raise LanguageMissing(
            f"templates/{template}", None, f"no texts {asked}, only in {', '.join(has)}; "
            f"write templates/{template}/{wanted or 'en'}.yaml or name a language to fall back to"
        )  # fmt: skip

    def files_of(self, template: str) -> dict[str, bytes]:
        """Every file of the template: its folder, its layouts and includes, and the shared texts."""
        waiting = [path for path in self.files if path.startswith(f"{template}/")]
        if not waiting:
            raise TemplateError(f"templates/{template}", None, "there is no such template")
        waiting += [path for path in self.files if path.startswith(f"{LAYOUTS}/") and path.endswith(".yaml")]
        reached: dict[str, bytes] = {}
        while waiting:
            path = waiting.pop()
            if path not in reached and path in self.files:
                reached[path] = self.files[path]
                waiting += _references(self.files[path])
        return dict(sorted(reached.items()))


def read_templates(root: Path) -> Templates:
    """Everything under `root/templates`; symbolic links cannot lead outside."""
    folder = root / "templates"
    files: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    total = 0
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        problem = _escape(path, folder) or _problem(name, path.stat().st_size)
        if not problem and (len(files) >= MAX_FILES or total + path.stat().st_size > MAX_TOTAL):
            problem = f"templates/ holds more than {MAX_FILES} files or {MAX_TOTAL // 1024 // 1024} MB"
        if problem:
            refused[name] = problem
        else:
            files[name] = path.read_bytes()
            total += len(files[name])
    return Templates(files, refused)


def project_path(path: str) -> str:
    """A template's path relative to the project."""
    return f"templates/{path}"


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield Path(here) / name


def _escape(path: Path, folder: Path) -> str | None:
    target = path.resolve()
    if target.is_relative_to(folder.resolve()) and target.is_file():
        return None
    return "this link leads outside templates/, or nowhere; copy the file instead"


def _problem(path: str, size: int) -> str | None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or path != pure.as_posix():
        return "a template's path must be inside templates/"
    if size > MAX_FILE:
        return f"the file is {size:,} bytes; at most {MAX_FILE:,} are allowed"
    return None


def _references(content: bytes) -> list[str]:
    return _REFERENCE.findall(content.decode("utf-8", "replace"))
