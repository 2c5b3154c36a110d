"""From joined pieces to the source that Jinja compiles: MJML to HTML once, CSS inlined once, tags put back.

Neither MJML nor an HTML parser knows Jinja, so each tag travels as a marker: a word inside an attribute or a title, an
HTML comment in a text, and `<mj-raw>` around the comment among MJML's own elements, so that a loop may stand around
columns, images or texts. What comes back is checked: a tag that a compiler dropped is an error, not a silent loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

from automation.messages.template.files import TemplateError
from automation.messages.template.pieces import DELIMITERS, JinjaSource, Tag, Text

MAX_NESTING = 500
"""Elements inside each other; one without an end tag counts until its parent ends."""
_MARKER = re.compile(r"<!--jqz(\d+)z-->|jqz(\d+)z")
_TOKEN = re.compile(r"<!--.*?-->|<(/?)([A-Za-z][\w:-]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>", re.S)
_PLACE = {"word": "jqz{}z", "comment": "<!--jqz{}z-->", "element": "<mj-raw><!--jqz{}z--></mj-raw>"}
_ENDING = frozenset(
    {"mj-text", "mj-button", "mj-table", "mj-raw", "mj-navbar-link", "mj-social-element"}
    | {"mj-accordion-title", "mj-accordion-text"}
)
_WORDS_ONLY = frozenset({"title", "style", "textarea", "script", "mj-title", "mj-preview", "mj-style"})
_AROUND = frozenset({"mj-body", "mj-section", "mj-column", "mj-group", "mj-hero"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_INLINE_STYLE = re.compile(r"<mj-style\s+inline=[\"']inline[\"']\s*>(.*?)</mj-style>", re.S)
_CONDITIONAL = re.compile(r"<!--\[if [^\]]*\]>.*?<!\[endif\]-->", re.S)


def plain_source(pieces: Sequence[Text | Tag]) -> JinjaSource:
    """A text, a subject or an SMS: nothing to compile, the tags stay where they are."""
    return _write(piece.text if isinstance(piece, Text) else piece for piece in pieces)


def html_source(pieces: Sequence[Text | Tag]) -> tuple[JinjaSource, JinjaSource]:
    """An HTML template with its style sheets inlined, and the text version derived from it."""
    import css_inline

    marked, tags = _mark(pieces, mjml=False)
    inlined = css_inline.inline(marked, keep_at_rules=True, load_remote_stylesheets=False)
    return _restored(inlined, tags)


def mjml_source(pieces: Sequence[Text | Tag]) -> tuple[JinjaSource, JinjaSource]:
    """An MJML template compiled to HTML, and the text version derived from it."""
    import css_inline
    import mjml

    marked, tags = _mark(pieces, mjml=True)
    css = "\n".join(_INLINE_STYLE.findall(marked))
    file = next((piece.file for piece in pieces), "templates")
    try:
        html = mjml.mjml2html(_INLINE_STYLE.sub("", marked).strip())
    except ValueError as error:
        raise TemplateError(file, None, f"this is not MJML: {error}") from error
    if unknown := re.search(r"<(mj-[a-z-]+)", html):
        raise TemplateError(
            file, _line_of(pieces, unknown[1]), f"<{unknown[1]}> is not an MJML tag, or not allowed here"
        )
    if css:
        html = css_inline.inline(
            html, inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=css
        )
    return _restored(html, tags)


def _restored(html: str, tags: list[Tag]) -> tuple[JinjaSource, JinjaSource]:
    _refuse_lost(html, tags)
    return _write(_split(html, tags)), _write(_split(text_of(html), tags))


def _split(marked: str, tags: list[Tag]) -> Iterator[str | Tag]:
    end = 0
    for found in _MARKER.finditer(marked):
        yield marked[end : found.start()]
        yield tags[int(found[1] or found[2])]
        end = found.end()
    yield marked[end:]


def _write(parts: Iterator[str | Tag] | Sequence[str | Tag]) -> JinjaSource:
    """Join with Jinja's delimiters; each tag starts a line of its own, which prints nothing and tells tags apart."""
    written: list[str] = []
    origins: dict[int, Tag] = {}
    line = 1
    for part in parts:
        text = part
        if isinstance(part, Tag):
            opening, closing = DELIMITERS["variable" if part.kind == "print" else "block"]
            text = f"{opening}\n{part.code} {closing}"
            for at in range(line + 1, line + text.count("\n") + 1):
                origins[at] = part
        assert isinstance(text, str)
        line += text.count("\n")
        written.append(text)
    return JinjaSource("".join(written), origins)


def _mark(pieces: Sequence[Text | Tag], *, mjml: bool) -> tuple[str, list[Tag]]:
    place = _Place(mjml)
    written: list[str] = []
    tags: list[Tag] = []
    for piece in pieces:
        if isinstance(piece, Text):
            if "jqz" in piece.text:
                raise TemplateError(
                    piece.file, piece.line, "the letters 'jqz' are used internally; write something else"
                )
            place.read(piece)
            written.append(piece.text)
        else:
            written.append(_PLACE[place.of(piece)].format(len(tags)))
            if place.inside_tag:
                place.rest += "x"
            tags.append(piece)
    return "".join(written), tags


class _Place:
    """Follows markup closely enough to know where a Jinja tag is."""

    def __init__(self, mjml: bool) -> None:
        self.mjml = mjml
        self.open: list[str] = []
        self.rest = ""  # an unfinished tag or comment

    @property
    def inside_tag(self) -> bool:
        return bool(self.rest)

    def read(self, piece: Text) -> None:
        before, text = len(self.rest), self.rest + piece.text
        end = 0
        for found in _TOKEN.finditer(text):
            end = found.end()
            if found[2]:
                self._element(found, piece, piece.line + text.count("\n", before, max(found.start(), before)))
        tail = text[end:]
        start = tail.find("<!--")
        start = start if start >= 0 else _unfinished(tail)
        self.rest = tail[start:] if start >= 0 else ""

    def of(self, tag: Tag) -> str:
        here = self.open[-1] if self.open else ""
        if self.inside_tag or here in _WORDS_ONLY:
            return "word"
        if not self.mjml or any(name in _ENDING for name in self.open):
            return "comment"
        if not here and tag.word in ("set", "with", "endwith"):
            raise TemplateError(tag.file, tag.line, f"{tag}: write this inside <mj-body>")
        if here not in _AROUND:
            where = f"directly in <{here}>" if here else "outside <mjml>"
            better = "put it inside or around an mj-section, mj-column or mj-text"
            raise TemplateError(tag.file, tag.line, f"{tag}: a tag is not allowed {where}; {better}")
        return "element"

    def _element(self, found: re.Match[str], piece: Text, line: int) -> None:
        name = found[2].lower()
        if found[4] or name in _VOID:
            return
        if not found[1]:
            self.open.append(name)
            if len(self.open) > MAX_NESTING:
                raise TemplateError(piece.file, line, f"more than {MAX_NESTING} elements inside each other")
        elif self.open and self.open[-1] == name:
            self.open.pop()
        elif self.mjml:
            inside = f"<{self.open[-1]}> is open" if self.open else "nothing is open"
            raise TemplateError(piece.file, line, f"</{name}> closes nothing: {inside}")
        elif name in self.open:
            while self.open.pop() != name:
                pass


def _unfinished(tail: str) -> int:
    at = tail.rfind("<")
    return at if at >= 0 and re.match(r"</?[A-Za-z]", tail[at:]) else -1


def _refuse_lost(html: str, tags: list[Tag]) -> None:
    found = {int(match[1] or match[2]) for match in _MARKER.finditer(html)}
    for number, tag in enumerate(tags):
        if number not in found:
            raise TemplateError(tag.file, tag.line, f"{tag}: a tag is not allowed here: it would be lost in the HTML")


def _line_of(pieces: Sequence[Text | Tag], word: str) -> int | None:
    for piece in pieces:
        if isinstance(piece, Text) and f"<{word}" in piece.text:
            return piece.line + piece.text.count("\n", 0, piece.text.index(f"<{word}"))
    return None


def text_of(html: str) -> str:
    """The text version of an HTML document: paragraphs, list items, links with their addresses."""
    reader = _TextReader()
    reader.feed(_CONDITIONAL.sub("", html))
    reader.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _TextReader(HTMLParser):
    _BREAKS = frozenset({"p", "div", "tr", "table", "h1", "h2", "h3", "h4", "ul", "ol", "li", "br", "hr", "section"})
    _SKIPPED = frozenset({"head", "style", "script", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        style = (values.get("style") or "").replace(" ", "")
        if (self.hidden or tag in self._SKIPPED or "display:none" in style) and tag not in _VOID:
            self.hidden.append(tag)
        if self.hidden:
            return
        if tag in self._BREAKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        if tag == "a":
            self.links.append(values.get("href") or "")
        if tag == "img" and values.get("alt") and self.links:
            self.parts.append(values["alt"] or "")

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            if tag in self.hidden:
                while self.hidden.pop() != tag:
                    pass
            return
        if tag == "a" and self.links and (link := self.links.pop()):
            self.parts.append(f" <{link}>")
        if tag in self._BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data.replace("\n", " "))

    def handle_comment(self, data: str) -> None:
        if not self.hidden and data.startswith("jqz"):
            self.parts.append(data)
