"""`automation preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Text
from automation.errors import AutomationError, ConfigurationError
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.store.ledger.decisions import DecisionRow
    from automation.types.message import Rendered
    from automation.workspace.shop_format import ShopFormat


def preview(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="the campaign's name", show_default=False)] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", help="the shop's own id, an e-mail address or a phone number")
    ] = None,
    sent: Annotated[
        str | None, typer.Option("--sent", metavar="MESSAGE", help="show this message exactly as it was sent")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="show it in a browser")] = False,
    output: Annotated[Path | None, typer.Option(help="write it to this HTML file", resolve_path=True)] = None,
) -> None:
    """Show the message that one customer would get.

    Works for every customer at any time, and says why they would not get it now. Nothing is sent, and the coupon code
    is a sample. With --sent, shows a message that was sent, by the id that `automation explain` prints.

    Example: automation preview winback --customer C1042 --open
    """
    from automation.reporting.json_output.messages import preview_json, sent_json
    from automation.reporting.previews import preview_customer, sent_message

    invocation: Invocation = context.obj
    if sent is not None and (name is not None or customer is not None):
        raise ConfigurationError("a sent message needs no campaign and no customer: automation preview --sent MESSAGE")
    if sent is None and (name is None or customer is None):
        raise ConfigurationError("name the campaign and the customer: automation preview CAMPAIGN --customer ID")
    with invocation.workspace() as workspace:
        folder = workspace.project.data_dir / "previews"
        page = output or (folder / f"{sent or name}.html" if open_ else None)
        shown: list[Block]
        if sent is not None:
            found = sent_message(workspace, sent)
            message, value, shown = (
                found.message,
                sent_json(found, page),
                [Text(_state(found.decision, shop_format(workspace)), "muted")],
            )
        else:
            assert name is not None
            assert customer is not None
            made = preview_customer(workspace, name, customer)
            message, value = made.message, preview_json(made, page)
            shown = [Text(f"would not get it now: {why}", "warning") for why in made.why_not]
    shown += [Text(_head(message), "strong"), Text(message.text)]
    if page is not None:
        _write(page, message, open_=open_)
        shown.append(Text(f"\nwritten to {page}", "muted"))
    invocation.output.show(value, *shown)


def _state(decision: DecisionRow, shop: ShopFormat) -> str:
    when = f", {shop.time(decision.settled_at)}" if decision.settled_at else ""
    return f"message {decision.message_id} of {decision.campaign}, run {decision.run_id}: {decision.state}{when}"


def _head(message: Rendered) -> str:
    facts = [("from:", message.sender), ("subject:", message.subject), ("preheader:", message.preheader)]
    lines = [f"to:        {message.to or 'nobody: there is no address'} by {message.channel}"]
    lines += [f"{label:<10} {value}" for label, value in facts if value]
    lines += [f"{label + ':':<10} {value}" for label, value in message.headers.items()]
    return "\n".join(lines) + "\n"


def _write(file: Path, message: Rendered, *, open_: bool) -> None:
    from automation.messages.preview import preview as page
    from automation.messages.render import Body

    body = Body(message.subject, message.preheader, message.text, message.html, message.language)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(body), "utf-8")
    if open_:
        _open(file)


def _open(file: Path) -> None:
    import webbrowser

    if not webbrowser.open(file.as_uri()):
        raise AutomationError(f"no browser can be opened here; the page is {file}")
