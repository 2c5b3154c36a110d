"""`automation schema`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from automation.cli.invocation import Invocation


def schema(
    context: typer.Context,
    of: Annotated[Literal["campaign", "config"], typer.Argument(help="a campaign file, or config.yaml")],
) -> None:
    """Print the JSON Schema of a campaign file or of config.yaml.

    Editors use it to complete and check keys as you type. It includes the options of every loaded plugin and, inside
    a project, the names defined in its config.yaml.

    Example: automation schema campaign > campaign.schema.json
    """
    from automation.reporting.json_schema import json_schema

    invocation: Invocation = context.obj
    invocation.output.document(json_schema(invocation.root_or_none(), of))
