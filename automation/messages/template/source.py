"""One template as one flat list of pieces: layouts, blocks and includes are joined before anything is rendered.

Joining as text, with fixed names only, has three uses: MJML can be compiled once, before Jinja runs; no template can
load another one while it renders; and every Jinja tag keeps the file and line that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

from jinja2 import Environment, TemplateSyntaxError

from automation.messages.template.files import TemplateError, Templates, project_path
from automation.messages.template.pieces import Block, Piece, Tag, Text

MAX_DEPTH = 10
MAX_PIECES = 6_000  # 3,000 tags compile in 2 s
MAX_SOURCE = 1024 * 1024
STATEMENTS = ("if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith")
JOINED = ("extends", "block", "endblock", "include")
_NAME = re.compile(r"(?:extends|include)\s+(?:\"([^\"]+)\"|'([^']+)')")
_BLOCK = re.compile(r"block\s+([A-Za-z_]\w*)")
_SUPER = re.compile(r"super\s*\(\s*\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Reads the author's syntax only; `markup` writes the joined source with other delimiters.
_SYNTAX = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False)  # noqa: S701 - renders nothing


@dataclass
class _Join:
    """The state of joining one template: the files and sizes so far."""

    templates: Templates
    pieces: int = 0
    size: int = 0
    path: list[str] = field(default_factory=list)


def join(templates: Templates, path: str) -> list[Text | Tag]:
    """The file with its layouts and includes, flat. Raises `TemplateError`."""
    try:
        return list(_joined(_Join(templates), path, None))
    except RecursionError as error:
        raise TemplateError(project_path(path), None, "blocks are nested too deeply") from error


def join_text(text: str, file: str, line: int = 1) -> list[Text | Tag]:
    """A single text such as a subject, which starts at `line` of its file. Raises `TemplateError`."""
    try:
        parsed = _parse(text, file)
    except RecursionError as error:
        raise TemplateError(file, line, "blocks are nested too deeply") from error
    pieces = tuple(replace(piece, line=piece.line + line - 1) for piece in parsed if not isinstance(piece, Block))
    return list(_flat(_Join(Templates({})), pieces, {}))


def _joined(state: _Join, path: str, user: Tag | None) -> Iterator[Text | Tag]:
    start = len(state.path)
    overrides: dict[str, list[tuple[Piece, ...]]] = {}
    while True:
        _enter(state, path, user)
        pieces = _parse(state.templates.text(path), project_path(path))
        layout = _layout(pieces)
        if layout is None:
            break
        yield from _take_child(pieces, overrides)
        user, path = layout
    yield from _flat(state, pieces, overrides)
    del state.path[start:]


def _enter(state: _Join, path: str, user: Tag | None) -> None:
    known = state.templates.files
    if path in state.path or len(state.path) >= MAX_DEPTH:
        chain = " → ".join([*state.path, path])
        raise _error(user, f"layouts and includes form a loop, or are nested too deeply: {chain}")
    if user and path not in known and path not in state.templates.refused:
        raise _error(user, f"there is no {project_path(path)}{_near(path, known)}")
    state.path.append(path)


def _parse(text: str, file: str) -> tuple[Piece, ...]:
    if found := _CONTROL.search(text):
        raise TemplateError(file, text.count("\n", 0, found.start()) + 1, "a control character; remove it")
    try:
        tokens = iter(list(_SYNTAX.lexer.tokeniter(text, None)))
    except TemplateSyntaxError as error:
        raise TemplateError(file, error.lineno, error.message or "this is not Jinja") from error
    pieces, closing = _nested(_pieces(tokens, file), None)
    if closing is not None:
        raise _error(closing, "this endblock has no block")
    return pieces


def _pieces(tokens: Iterator[tuple[int, str, str]], file: str) -> Iterator[Text | Tag]:
    for line, kind, value in tokens:
        if kind == "data" and value:
            yield Text(value, file, line)
        elif kind in ("variable_begin", "block_begin"):
            yield _tag("print" if kind == "variable_begin" else "statement", tokens, file, line)


def _tag(kind: Literal["print", "statement"], tokens: Iterator[tuple[int, str, str]], file: str, line: int) -> Tag:
    code: list[str] = []
    for _, token, value in tokens:
        if token in ("variable_end", "block_end"):
            return Tag(kind, "".join(code).strip(), file, line)
        code.append(value)
    raise TemplateError(file, line, f"{{{{ or {{% is not closed: {''.join(code).strip()[:60]}")


def _nested(flat: Iterator[Text | Tag], opened: Tag | None) -> tuple[tuple[Piece, ...], Tag | None]:
    pieces: list[Piece] = []
    for piece in flat:
        if isinstance(piece, Tag) and piece.word == "block":
            found = _BLOCK.fullmatch(piece.code)
            if not found:
                raise _error(piece, "a block is written {% block name %}")
            inner, closing = _nested(flat, piece)
            if closing is None:
                raise _error(piece, "this block is not closed; write {% endblock %}")
            pieces.append(Block(found[1], inner))
        elif isinstance(piece, Tag) and piece.word == "endblock":
            return tuple(pieces), piece
        else:
            pieces.append(piece)
    return tuple(pieces), None


def _layout(pieces: tuple[Piece, ...]) -> tuple[Tag, str] | None:
    for piece in pieces:
        if isinstance(piece, Tag) and piece.word == "extends":
            return piece, _name(piece)
    return None


def _take_child(pieces: tuple[Piece, ...], overrides: dict[str, list[tuple[Piece, ...]]]) -> Iterator[Tag]:
    """Keep what a template puts into its layout's blocks; yield what it sets for all of them."""
    for piece in pieces:
        if isinstance(piece, Block):
            overrides.setdefault(piece.name, []).append(piece.pieces)
        elif isinstance(piece, Tag) and piece.word == "set":
            yield piece
        elif isinstance(piece, Tag) and piece.word != "extends":
            raise _error(piece, "beside {% extends %} only {% block %} and {% set %} can stand; move it into a block")
        elif isinstance(piece, Text) and piece.text.strip():
            line = piece.line + piece.text[: len(piece.text) - len(piece.text.lstrip())].count("\n")
            raise TemplateError(piece.file, line, "this is outside every block of the layout and would be lost")


def _flat(
    state: _Join,
    pieces: tuple[Piece, ...],
    overrides: Mapping[str, list[tuple[Piece, ...]]],
    above: tuple[tuple[Piece, ...], ...] = (),
) -> Iterator[Text | Tag]:
    """`above` is the block's content in the layouts above, nearest first: the value of `super()`."""
    for piece in pieces:
        _count(state, piece)
        if isinstance(piece, Block):
            first, *rest = [*overrides.get(piece.name, []), piece.pieces]
            yield from _flat(state, first, overrides, tuple(rest))
        elif isinstance(piece, Tag) and piece.kind == "print" and _SUPER.fullmatch(piece.code):
            if not above:
                raise _error(piece, "super() has no meaning here: no layout above has this block")
            yield from _flat(state, above[0], overrides, above[1:])
        elif isinstance(piece, Tag) and piece.word == "include":
            yield from _joined(state, _name(piece), piece)
        elif isinstance(piece, Tag) and piece.kind == "statement" and piece.word not in STATEMENTS:
            near = _near(piece.word, (*STATEMENTS, *JOINED))
            raise _error(piece, f"the tag {piece.word!r} can't be used in a template{near}")
        else:
            yield piece


def _count(state: _Join, piece: Piece) -> None:
    state.pieces += 1
    state.size += len(piece.text) if isinstance(piece, Text) else 0
    if state.pieces > MAX_PIECES or state.size > MAX_SOURCE:
        file, line = ("templates", None) if isinstance(piece, Block) else (piece.file, piece.line)
        raise TemplateError(file, line, "with everything it includes, this template is too large")


def _name(tag: Tag) -> str:
    found = _NAME.fullmatch(tag.code)
    if not found:
        raise _error(tag, f'name the file in quotes and nothing else: {{% {tag.word} "layouts/base.mjml" %}}')
    return found[1] or found[2]


def _error(tag: Tag | None, what: str) -> TemplateError:
    return (
        TemplateError("templates", None, what) if tag is None else TemplateError(tag.file, tag.line, f"{tag}: {what}")
    )


def _near(word: str, known: Iterable[str]) -> str:
    matches = get_close_matches(word, list(known), 1)
    return f"; did you mean {matches[0]}?" if matches else ""
