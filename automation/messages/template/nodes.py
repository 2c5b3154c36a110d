"""The Jinja syntax that a template can use; checked when it is compiled, before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

_ALLOWED_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.If, nodes.For, nodes.Assign, nodes.With, nodes.CondExpr, nodes.Filter, nodes.Test,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub,
    nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair,
    nodes.Keyword,
)  # fmt: skip


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def apply_limits(
    tree: nodes.Template, filters: Iterable[str], tests: Iterable[str], further: tuple[type[nodes.Node], ...] = ()
) -> nodes.Template:
    """The tree with every loop and `~` under the sandbox's limits. Raises `TemplateSyntaxError` for refused syntax.

    further: nodes that are allowed besides those of a message.
    """
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, further):
            _check(node, filters, tests)
    changed = _Bounded().visit(tree)
    assert isinstance(changed, nodes.Template)
    return changed


class _Bounded(NodeTransformer):
    """Makes every loop count its steps, and every `~` check its length."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_each", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "_concat", [], [], None, None, lineno=node.lineno)


def _check(node: nodes.Node, filters: Iterable[str], tests: Iterable[str]) -> None:
    problem = None
    if isinstance(node, nodes.Call):
        problem = "nothing can be called in a template; use a filter, such as {{ name|upper }}"
    elif not isinstance(node, _ALLOWED_NODES) or (isinstance(node, nodes.For) and node.recursive):
        problem = f"{type(node).__name__.lower()} can't be used in a template"
    elif isinstance(node, nodes.Name | nodes.Getattr) and _word(node).startswith("_"):
        problem = f"{_word(node)!r} is a private name"
    elif isinstance(node, nodes.Name) and node.name == "self":
        problem = "'self' can't be used in a template"
    elif isinstance(node, nodes.Const) and isinstance(node.value, str) and _UNPRINTABLE.search(node.value):
        problem = "a text contains a control character, or half of a character"
    elif isinstance(node, nodes.List | nodes.Tuple | nodes.Dict) and not _constant(node):
        problem = "a list in a template holds texts and numbers only"
    elif isinstance(node, nodes.Filter):
        problem = _unknown("filter", node.name, filters)
    elif isinstance(node, nodes.Test):
        problem = _unknown("test", node.name, tests)
    if problem:
        raise TemplateSyntaxError(problem, node.lineno)


def _unknown(what: str, name: str, known: Iterable[str]) -> str | None:
    public = [one for one in known if not one.startswith("_")]
    if name in public:
        return None
    near = get_close_matches(name, public, 1)
    return f"there is no {what} {name!r}" + (f"; did you mean {near[0]}?" if near else "")


def _constant(node: nodes.List | nodes.Tuple | nodes.Dict) -> bool:
    """Whether it contains only constants: a nested list can be short to write and endless to print."""
    if isinstance(node, nodes.Tuple) and node.ctx == "store":
        return True
    if isinstance(node, nodes.Dict):
        return all(isinstance(pair.key, nodes.Const) and isinstance(pair.value, nodes.Const) for pair in node.items)
    return all(isinstance(item, nodes.Const) for item in node.items)


def _word(node: nodes.Name | nodes.Getattr) -> str:
    return node.name if isinstance(node, nodes.Name) else node.attr
