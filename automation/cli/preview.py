"""`automation preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.plan import Name
from automation.errors import AutomationError

if TYPE_CHECKING:
    from automation.types.message import Rendered

Customer = Annotated[str, typer.Option("--customer", help="the shop's own id, an e-mail address or a phone number")]


def preview(
    context: typer.Context,
    name: Name,
    customer: Customer,
    open_: Annotated[bool, typer.Option("--open", help="show it in a browser")] = False,
    output: Annotated[Path | None, typer.Option(help="write it to this HTML file", resolve_path=True)] = None,
) -> None:
    """Show the message that one customer would get.

    Works whether or not the rules match the customer. Nothing is sent, and the coupon code is a sample.

    Example: automation preview winback --customer C1042 --open
    """
    from automation.reporting.json_output.messages import preview_json
    from automation.runner.preview import preview as preview_message

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        sample = preview_message(workspace, name, customer)
        folder = workspace.project.data_dir / "previews"
    message = sample.rendered
    assert message is not None
    page = output or (folder / f"{name}.html" if open_ else None)
    shown = [Text(_head(message), "strong"), Text(message.text)]
    if page is not None:
        _write(page, message)
        shown.append(Text(f"\nwritten to {page}", "muted"))
    if page is not None and open_:
        _open(page)
    invocation.output.show(preview_json(sample, message, page), *shown)


def _head(message: Rendered) -> str:
    facts = [("from:", message.sender), ("subject:", message.subject), ("preheader:", message.preheader)]
    lines = [f"to:        {message.to} by {message.channel}"]
    lines += [f"{label:<10} {value}" for label, value in facts if value]
    return "\n".join(lines) + "\n"


def _write(file: Path, message: Rendered) -> None:
    from automation.messages.preview import preview as page
    from automation.messages.render import Body

    body = Body(message.subject, message.preheader, message.text, message.html, message.language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(body), "utf-8")


def _open(file: Path) -> None:
    import webbrowser

    if not webbrowser.open(file.as_uri()):
        raise AutomationError(f"no browser can be opened here; the page is {file}")
