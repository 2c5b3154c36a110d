"""Finds what a template uses, and what is known to have a value where it uses it.

`{% if last_order %}`, `x is not none`, `and`, `else` and the like say that a value is there; `|default` says that it
need not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from jinja2 import nodes

from automation.messages.template.variables import ITEM, Path

_SAME_LIST = frozenset({"batch", "list", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique"})
_ONE_OF_LIST = frozenset({"first", "last", "max", "min"})
_DEFAULTS = frozenset({"d", "default"})
_ASKS_FOR_VALUE = frozenset({"defined", "none", "undefined"})


class Needs(IntEnum):
    """What a use needs: nothing; that the groups around the value are there; that the value itself is there."""

    NOTHING = 0
    GROUPS = 1
    VALUE = 2


@dataclass(frozen=True)
class Use:
    """A path that a template uses, on a line of the joined source. known: the paths that have a value there."""

    path: Path
    line: int
    needs: Needs
    known: frozenset[Path]


@dataclass(frozen=True)
class _Scope:
    """names: what local names stand for; None for something that is no path."""

    names: Mapping[str, Path | None]
    known: frozenset[Path]

    def knowing(self, paths: Iterable[Path]) -> _Scope:
        return replace(self, known=self.known | frozenset(paths))

    def naming(self, target: nodes.Node, path: Path | None) -> _Scope:
        names = {name.name: path if target is name else None for name in _names(target)}
        return replace(self, names={**self.names, **names}) if names else self


def find_uses(tree: nodes.Template, known: frozenset[Path] = frozenset()) -> list[Use]:
    """Every use in the order of the template. known: what has a value wherever the template is rendered."""
    walk = _Walk()
    walk.body(tree.body, _Scope({}, known))
    return walk.uses


@dataclass
class _Walk:
    uses: list[Use] = field(default_factory=list)

    def body(self, parts: Sequence[nodes.Node], scope: _Scope) -> None:
        for part in parts:
            scope = self._statement(part, scope)

    def _statement(self, node: nodes.Node, scope: _Scope) -> _Scope:
        """Returns the scope of the next statement."""
        if isinstance(node, nodes.If):
            self._if(node, scope)
        elif isinstance(node, nodes.For):
            self._for(node, scope)
        elif isinstance(node, nodes.Assign):
            self._value(node.node, scope, Needs.GROUPS)
            return scope.naming(node.target, _alias(node.node, scope))
        elif isinstance(node, nodes.With):
            inner = scope
            for target, value in zip(node.targets, node.values, strict=True):
                self._value(value, scope, Needs.GROUPS)
                inner = inner.naming(target, _alias(value, scope))
            self.body(node.body, inner)
        else:
            for part in node.iter_child_nodes():
                self._value(part, scope, Needs.VALUE)
        return scope

    def _if(self, node: nodes.If, scope: _Scope) -> None:
        for case in (node, *node.elif_):
            self._value(case.test, scope, Needs.GROUPS)
            self.body(case.body, scope.knowing(_present(case.test, scope, truth=True)))
            scope = scope.knowing(_present(case.test, scope, truth=False))
        self.body(node.else_, scope)

    def _for(self, node: nodes.For, scope: _Scope) -> None:
        self._value(node.iter, scope, Needs.VALUE)
        listed = _path(node.iter, scope)
        inner = scope.naming(node.target, None if listed is None else _item(listed))
        inner = replace(inner, names={**inner.names, "loop": None})
        if node.test is not None:
            self._value(node.test, inner, Needs.GROUPS)
            inner = inner.knowing(_present(node.test, inner, truth=True))
        self.body(node.body, inner)
        self.body(node.else_, scope)

    def _value(self, node: nodes.Node, scope: _Scope, needs: Needs) -> None:
        """Note every use within an expression."""
        if isinstance(node, nodes.And | nodes.Or):
            self._value(node.left, scope, Needs.GROUPS)
            met = _present(node.left, scope, truth=isinstance(node, nodes.And))
            self._value(node.right, scope.knowing(met), needs)
        elif isinstance(node, nodes.Not):
            self._value(node.node, scope, Needs.GROUPS)
        elif isinstance(node, nodes.CondExpr):
            self._value(node.test, scope, Needs.GROUPS)
            self._value(node.expr1, scope.knowing(_present(node.test, scope, truth=True)), needs)
            if node.expr2 is not None:
                self._value(node.expr2, scope.knowing(_present(node.test, scope, truth=False)), needs)
        elif isinstance(node, nodes.Compare):
            self._compare(node, scope)
        elif isinstance(node, nodes.Filter | nodes.Test):
            self._applied(node, scope)
        elif (path := _path(node, scope)) is not None:
            self.uses.append(Use(path, node.lineno, needs, scope.known))
        else:
            for part in node.iter_child_nodes():
                self._value(part, scope, Needs.VALUE)

    def _compare(self, node: nodes.Compare, scope: _Scope) -> None:
        operators = {operand.op for operand in node.ops}
        self._value(node.expr, scope, Needs.GROUPS if operators <= {"eq", "ne", "in", "notin"} else Needs.VALUE)
        for operand in node.ops:
            self._value(operand.expr, scope, Needs.GROUPS if operand.op in ("eq", "ne") else Needs.VALUE)

    def _applied(self, node: nodes.Filter | nodes.Test, scope: _Scope) -> None:
        free = node.name in (_DEFAULTS if isinstance(node, nodes.Filter) else _ASKS_FOR_VALUE)
        if node.node is not None:
            self._value(node.node, scope, Needs.NOTHING if free else Needs.VALUE)
        for part in (*node.args, *node.kwargs):
            self._value(part, scope, Needs.VALUE)


def _path(node: nodes.Node, scope: _Scope) -> Path | None:
    """The path that an expression stands for, if it is one."""
    if isinstance(node, nodes.Name):
        return scope.names.get(node.name, (node.name,))
    if isinstance(node, nodes.Getattr):
        above = _path(node.node, scope)
        return None if above is None else (*above, node.attr)
    if isinstance(node, nodes.Getitem):
        above = _path(node.node, scope)
        if above is None or isinstance(node.arg, nodes.Slice):
            return above
        named = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
        return (*above, node.arg.value) if named else _item(above)  # type: ignore[attr-defined]
    return _filtered(node, scope) if isinstance(node, nodes.Filter) and node.node is not None else None


def _alias(value: nodes.Node, scope: _Scope) -> Path | None:
    """What a name that is set to this stands for: with `|default` it is never empty."""
    return None if isinstance(value, nodes.Filter) and value.name in _DEFAULTS else _path(value, scope)


def _filtered(node: nodes.Filter, scope: _Scope) -> Path | None:
    above = None if node.node is None else _path(node.node, scope)
    if above is None or node.name in _SAME_LIST | _DEFAULTS:
        return above
    return _item(above) if node.name in _ONE_OF_LIST else None


def _item(listed: Path) -> Path:
    """An entry of a list; an entry of one of its rows (`|batch`) is one of the list."""
    return listed if listed[-1] == ITEM else (*listed, ITEM)


def _present(test: nodes.Node, scope: _Scope, *, truth: bool) -> frozenset[Path]:
    """The paths that have a value if the test came out like this."""
    if isinstance(test, nodes.Not):
        return _present(test.node, scope, truth=not truth)
    if isinstance(test, nodes.And | nodes.Or):
        sides = [_present(side, scope, truth=truth) for side in (test.left, test.right)]
        return sides[0] | sides[1] if truth is isinstance(test, nodes.And) else sides[0] & sides[1]
    if isinstance(test, nodes.Test):
        asks = test.name == "none" and not truth
        return _of(test.node, scope) if asks and test.node is not None else frozenset()
    if isinstance(test, nodes.Compare):
        return _compared(test, scope, truth=truth)
    return _of(test, scope) if truth and not _may_be_replaced(test) else frozenset()


def _compared(test: nodes.Compare, scope: _Scope, *, truth: bool) -> frozenset[Path]:
    (operand, *more) = test.ops
    if more:
        return frozenset()
    with_none = isinstance(operand.expr, nodes.Const) and operand.expr.value is None
    if operand.op == "ne":
        return _of(test.expr, scope) if with_none and truth else frozenset()
    if operand.op == "eq":
        told = isinstance(operand.expr, nodes.Const) and truth is not with_none
        return _of(test.expr, scope) if told else frozenset()
    return _of(test.expr, scope) if truth and operand.op != "notin" else frozenset()


def _of(node: nodes.Node, scope: _Scope) -> frozenset[Path]:
    path = _path(node, scope)
    return frozenset() if path is None else frozenset({path})


def _may_be_replaced(node: nodes.Node) -> bool:
    """Whether `|default` gives something that counts as true in place of an empty value."""
    return (
        isinstance(node, nodes.Filter)
        and node.name in _DEFAULTS
        and (bool(node.kwargs) or any(not isinstance(part, nodes.Const) or bool(part.value) for part in node.args))
    )


def _names(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target
    else:
        yield from target.find_all(nodes.Name)
