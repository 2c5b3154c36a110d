"""`automation schema`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.errors import ConfigurationError


def schema(
    context: typer.Context,
    of: Annotated[Literal["campaign", "config"], typer.Argument(help="a campaign file, or config.yaml")],
) -> None:
    """Print the JSON Schema of a campaign file or of config.yaml.

    Editors use it to complete and check keys as you type. It includes the options of every loaded plugin and, inside
    a project, the names defined in its config.yaml.

    Example: automation schema campaign > campaign.schema.json
    """
    from automation.config.json_schema import campaign_schema, settings_schema
    from automation.config.project import load_project
    from automation.workspace.plugins import registry_of

    invocation: Invocation = context.obj
    root = invocation.root_or_none()
    registry = registry_of(root)
    if of == "config":
        found = settings_schema(registry)
    else:
        try:
            settings = load_project(root, registry).settings if root else None
        except ConfigurationError:
            settings = None  # the schema is what helps to mend it
        found = campaign_schema(registry, settings)
    invocation.output.document(found)
