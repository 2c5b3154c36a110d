"""Where pages run: the messages' sandbox, which also extends a frame of a fixed name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, TemplateSyntaxError, nodes

from automation.messages.template.filters import template_filters
from automation.messages.template.nodes import apply_limits
from automation.messages.template.sandbox import MissingName, Sandbox, furnish

_LAYOUT = (nodes.Extends, nodes.Include, nodes.Block)


class PageSandbox(Sandbox):
    """Pages and their texts: every template that is compiled, frames and includes too, is under the limits."""

    def _generate(self, source: nodes.Template, *arguments: Any, **named: Any) -> str:
        for node in source.find_all((nodes.Extends, nodes.Include)):
            assert isinstance(node, nodes.Extends | nodes.Include)
            if not isinstance(node.template, nodes.Const):
                raise TemplateSyntaxError("name the file in quotes and nothing else", node.lineno)
        limited = apply_limits(source, self.filters, self.tests, _LAYOUT)
        return super()._generate(limited, *arguments, **named)


def make_page_sandbox(folders: Sequence[Path], *, autoescape: bool) -> PageSandbox:
    """An environment that finds its files in these folders, the first first."""
    environment = PageSandbox(
        autoescape=autoescape,
        undefined=MissingName,
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        trim_blocks=autoescape,
        lstrip_blocks=autoescape,
        keep_trailing_newline=True,
        optimized=False,
    )
    return furnish(environment, template_filters())
