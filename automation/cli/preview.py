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
    from automation.runner.plan import Sample
    from automation.types.message import Rendered

Customer = Annotated[str, typer.Option("--customer", help="the shop's own id of the customer")]


def preview(
    context: typer.Context,
    name: Name,
    customer: Customer,
    open_: Annotated[bool, typer.Option("--open", help="show it in a browser")] = False,
    output: Annotated[Path | None, typer.Option(help="write the page there", resolve_path=True)] = None,
) -> None:
    """Show the message that one customer would get.

    Works whether or not the rules match the customer. Nothing is sent, and the coupon code is a sample.

    Example: automation preview winback --customer C1042 --open
    """
    from automation.runner.plan import preview as rehearsed

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        sample = rehearsed(workspace, name, customer)
        file = output or workspace.project.data_dir / "previews" / f"{name}.html"
    rendered = rendered_message(sample, customer)
    if open_ or output:
        _write(file, rendered)
    if open_:
        _open(file)
    shown = [Text(_head(rendered), "loud"), Text(rendered.text)]
    if open_ or output:
        shown.append(Text(f"\nas a page: {file}", "faint"))
    invocation.output.show(_payload(sample, rendered, file if open_ or output else None), *shown)


def rendered_message(sample: Sample, customer: str) -> Rendered:
    if sample.rendered is None:
        from automation.types.decision import REASONS

        why = REASONS.get(sample.reason, sample.reason)
        raise AutomationError(f"customer {customer!r} would get no message: {why} ({sample.outcome})")
    return sample.rendered


def _head(rendered: Rendered) -> str:
    lines = [f"to:      {rendered.to} by {rendered.channel}"]
    lines += [f"{label:<8} {value}" for label, value in _facts(rendered) if value]
    return "\n".join(lines) + "\n"


def _facts(rendered: Rendered) -> list[tuple[str, str]]:
    return [("from:", rendered.sender), ("subject:", rendered.subject), ("first:", rendered.preheader)]


def _payload(sample: Sample, rendered: Rendered, page: Path | None) -> dict[str, object]:
    names = ("channel", "to", "sender", "reply_to", "subject", "preheader", "language", "text", "html")
    return {
        "customer": sample.customer_id,
        "variant": sample.variant,
        "offer": sample.offer,
        "message": {**{name: getattr(rendered, name) for name in names}, "headers": dict(rendered.headers)},
        "page": page,
    }


def _write(file: Path, rendered: Rendered) -> None:
    from automation.messages.preview import preview as page
    from automation.messages.render import Body

    body = Body(rendered.subject, rendered.preheader, rendered.text, rendered.html, rendered.language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(body), "utf-8")


def _open(file: Path) -> None:
    import webbrowser

    if not webbrowser.open(file.as_uri()):
        raise AutomationError(f"no browser can be opened here; the page is {file}")
