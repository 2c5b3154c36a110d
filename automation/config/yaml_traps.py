"""Common YAML mistakes that mean something else than intended, each with the corrected line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from automation.config.problems import Place

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(-?\d[\d.]*%?(?: [A-Z]{3})?)")
_WORDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_KEY_AND_VALUE = re.compile(r"^(?P<head>\s*(?:- +)?[\w.-]+:\s+)(?P<value>.*?)\s*$")
_FLOW_VALUE = re.compile(r"(?P<head>[{,]\s*[\w.-]+:\s+)(?P<value>[^,{}\[\]\"']*?: [^,{}\[\]]*?)(?P<tail>\s*[,}])")
_UNQUOTED_BRACES = re.compile(r"(?:[:\-,\[]\s+|[{\[])(?P<value>\{\{.*)")
_LEADING = re.compile(r"0\d+|\+\d+")
_DECIMAL_COMMA = re.compile(r"(\d{1,3}(?:\.\d{3})*|\d+),(\d+)(.*)")


@dataclass(frozen=True)
class Trap:
    """A mistake and its place; `what` says how to write it."""

    place: Place
    what: str


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _line(lines: list[str], number: int) -> str:
    return lines[number] if 0 <= number < len(lines) else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'


def _write(line: str) -> str:
    return f"write: {line.strip()}"


# In a document that can be read


def scalar_trap(node: yaml.ScalarNode, lines: list[str]) -> Trap | None:
    """`times: >2`, an empty folded text; `01067` and `+4912`, numbers that lose a character."""
    line = _line(lines, node.start_mark.line)
    if node.style in (">", "|") and not node.value.strip():
        return _folded(node, line)
    if node.style is None and node.tag == "plain" and _LEADING.fullmatch(node.value):
        lost = "zero" if node.value.startswith("0") else "plus"
        start, end = node.start_mark.column, node.end_mark.column
        written = _write(f'{line[:start]}"{node.value}"{line[end:]}')
        return Trap(_place(node.start_mark), f"{node.value} is read as a number and loses its {lost}; {written}")
    return None


def _folded(node: yaml.ScalarNode, line: str) -> Trap:
    start = node.start_mark.column
    match = _COMPARISON.match(line, start)
    what = f"`{line[start:].strip()}` starts a folded text in YAML, which is empty here"
    if match:
        what += f"; {_write(line[:start] + _in_words(match) + line[match.end() :])}"
    return Trap(_place(node.start_mark), what)


def _in_words(match: re.Match[str]) -> str:
    return f"{_WORDS[match[1]]} {match[2]}"


def cut_by_comment(node: yaml.ScalarNode, lines: list[str], *, plain: bool) -> Trap | None:
    """`subject: You are #1`: YAML drops everything from ` #` on."""
    if not plain or node.style is not None:
        return None
    mark = node.end_mark if node.value else node.start_mark
    line = _line(lines, mark.line)
    match = re.compile(r"\s*(?<=\s)#(?=[^\s#])(.*)$").match(line, mark.column)
    if not match:
        return None
    head = line[: node.start_mark.column].rstrip() + " " if not node.value else line[: node.start_mark.column]
    text = (node.value + line[mark.column :]).strip() if node.value else line[mark.column :].strip()
    what = f"`{match[0].strip()}` is read as a comment and left out; {_write(head + _quoted(text))}"
    return Trap(_place(node.start_mark), f"{what} (or put a space after # for a comment)")


def nested_braces(node: yaml.MappingNode, lines: list[str]) -> Trap | None:
    """`subject: {{ name }}` is a mapping whose key is a mapping."""
    if any(isinstance(key, yaml.MappingNode) for key, _ in node.value):
        return _braces(_line(lines, node.start_mark.line), node.start_mark.line, node.start_mark.column)
    return None


def _braces(line: str, number: int, column: int) -> Trap:
    what = "`{{` starts a mapping in YAML; put the text in quotes"
    match = _KEY_AND_VALUE.match(line)
    if match and match["value"].startswith("{{"):
        what += f"; {_write(match['head'] + _quoted(match['value']))}"
    return Trap(Place(number + 1, column + 1), what)


def decimal_comma(value: yaml.Node, following: tuple[yaml.Node, yaml.Node], lines: list[str]) -> Trap | None:
    """`{budget: 2.000,50 EUR}`: the comma ends the value, and `50 EUR` becomes a key."""
    next_key, next_value = following
    touching = (
        value.end_mark.line == next_key.start_mark.line and value.end_mark.column + 1 == next_key.start_mark.column
    )
    if not (touching and isinstance(next_value, yaml.ScalarNode) and next_value.value == ""):
        return None
    line = _line(lines, value.start_mark.line)
    start, end = value.start_mark.column, next_key.end_mark.column
    match = _DECIMAL_COMMA.fullmatch(line[start:end])
    if not match:
        return None
    number = f"{match[1].replace('.', '')}.{match[2]}{match[3]}"
    written = _write(line[:start] + number + line[end:])
    return Trap(
        _place(value.start_mark),
        f"the comma ends the value here, so `{line[start:end]}` is two keys; {written}",
    )


# In a document that can't be read


def explain_syntax(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[Place, str]:
    """The place and the reason, in terms of the file instead of the parser."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Place(1, 1), f"can't be read as YAML: {error.problem}"
    line = _line(lines, mark.line)
    for candidate in (error.context_mark, mark):
        trap = _unquoted_braces(_line(lines, candidate.line), candidate.line) if candidate else None
        if trap:
            return trap.place, trap.what
    if error.context_mark and "could not find expected ':'" in (error.problem or ""):
        return _place(error.context_mark), "a key needs a colon and a space after it"
    if error.context_mark and "while scanning a quoted scalar" in (error.context or ""):
        return _place(error.context_mark), "the quotation mark opened here is never closed"
    return _place(mark), _reason(error, mark, line)


def _unquoted_braces(line: str, number: int) -> Trap | None:
    match = _UNQUOTED_BRACES.search(line)
    return _braces(line, number, match.start("value")) if match else None


def _reason(error: yaml.MarkedYAMLError, mark: yaml.Mark, line: str) -> str:
    problem = error.problem or ""
    return _written_line_reason(problem, mark, line) or _structure(error, problem, line)


def _written_line_reason(problem: str, mark: yaml.Mark, line: str) -> str | None:
    """The reason, if the line alone shows it."""
    if "\t" in line[: mark.column + 1] and ("cannot start any token" in problem or "indent" in problem):
        return "a tab: YAML is indented with spaces only"
    if comparison := _COMPARISON.search(line):
        written = line[: comparison.start()] + _in_words(comparison) + line[comparison.end() :]
        return f"`{comparison[1]}` has a meaning of its own in YAML; {_write(written)}"
    if problem.startswith("mapping values are not allowed"):
        return _second_colon(mark, line)
    if "cannot start any token" in problem:
        return _bad_start(mark, line)
    return None


def _structure(error: yaml.MarkedYAMLError, problem: str, line: str) -> str:
    if "expected ',' or" in problem:
        return _flow(error, line)
    if "expected <block end>" in problem:
        return "this doesn't belong here: check the indentation, and put the whole text in quotes"
    return _small_slip(problem)


def _second_colon(mark: yaml.Mark, line: str) -> str:
    match = _KEY_AND_VALUE.match(line)
    if match and mark.column >= match.start("value"):
        return f"a text with `: ` in it needs quotes; {_write(match['head'] + _quoted(match['value']))}"
    return "indented further than the line above, which already has its value"


def _bad_start(mark: yaml.Mark, line: str) -> str:
    character = line[mark.column : mark.column + 1]
    match = _KEY_AND_VALUE.match(line)
    what = f"a text that starts with `{character}` needs quotes"
    if match and match.start("value") == mark.column:
        what += f"; {_write(match['head'] + _quoted(match['value']))}"
    return what


def _opened(error: yaml.MarkedYAMLError) -> int:
    return error.context_mark.line + 1 if error.context_mark else 1


def _flow(error: yaml.MarkedYAMLError, line: str) -> str:
    match = _FLOW_VALUE.search(line)
    if match:
        written = line[: match.start("value")] + _quoted(match["value"]) + line[match.end("value") :]
        return f"a text with `: ` in it needs quotes; {_write(written)}"
    closing = "`}`" if (error.problem or "").startswith("expected ',' or '}'") else "`]`"
    return f"a comma or {closing} is missing: the bracket was opened in line {_opened(error)}"


def _small_slip(problem: str) -> str:
    if problem.startswith("found undefined alias"):
        return f"{problem.removeprefix('found undefined ')} is used but never set with &"
    if problem.startswith("found duplicate anchor"):
        return f"{problem.removeprefix('found duplicate ').split(';')[0]} is set twice"
    if "expected the node content" in problem:
        return "a value is missing here"
    return f"can't be read as YAML: {problem}"
