"""What authors of components read has a docstring: every public class, method and function of these rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("automation/types", "automation/contracts", "automation/testing", "plugins")
FILES = sorted(
    [*(path for room in ROOMS for path in (ROOT / room).rglob("*.py")), ROOT / "automation" / "hookspecs.py"],
)
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    source = path.read_text()
    assert list(undocumented(source)) == []
    assert ast.get_docstring(ast.parse(source)) or not source.strip(), "the module needs a docstring"


def undocumented(source: str) -> Iterator[str]:
    """Public names without a docstring, methods as `Class.method`; a registering hook is documented by its spec."""
    for owner, node in public(ast.parse(source)):
        if not (ast.get_docstring(node) or "").strip() and not is_hook(node):
            yield f"{owner.name}.{node.name}" if owner is not None else node.name


def public(module: ast.Module) -> Iterator[tuple[ast.ClassDef | None, Documented]]:
    for node in module.body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        yield None, node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Documented) and not inner.name.startswith("_"):
                    yield node, inner


def is_hook(node: Documented) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "hookimpl" for mark in node.decorator_list)


def test_a_missing_docstring_is_found() -> None:
    source = 'class A:\n    """A."""\n    def f(self): ...\n    def _g(self): ...\ndef h():\n    """ """\n'
    assert list(undocumented(source)) == ["A.f", "h"]
