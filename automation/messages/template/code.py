"""The code generator for templates, where Jinja's own does more than a message needs."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame


class Generator(CodeGenerator):
    """A printed value is checked and escaped by one call, `environment.escaped` or `environment.printed`.

    Jinja's `escape(environment.finalize(…))` is two, and makes each text a `Markup` only to join it: 110 instead of
    150 µs for a message with 50 values.
    """

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.escaped(" if frame.eval_ctx.autoescape else "environment.printed(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")
