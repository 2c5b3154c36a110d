"""`automation preview` and `automation test-send`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.plan import Name
from automation.errors import AutomationError, ConfigurationError

if TYPE_CHECKING:
    from automation.runner.plan import Sample
    from automation.types.message import Rendered
    from automation.workspace.workspace import Workspace

Customer = Annotated[str, typer.Option("--customer", help="the shop's own id of the customer")]


def preview(
    context: typer.Context,
    name: Name,
    customer: Customer,
    open_: Annotated[bool, typer.Option("--open", help="show it in a browser")] = False,
    output: Annotated[Path | None, typer.Option(help="write the page there", resolve_path=True)] = None,
) -> None:
    """Show the message that one customer would get.

    Whether or not the rules hold for them; nothing is sent, and a coupon's code is a sample.

    Example: automation preview winback --customer C1042 --open
    """
    from automation.runner.plan import preview as rehearsed

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        sample = rehearsed(workspace, name, customer)
        file = output or workspace.project.data_dir / "previews" / f"{name}.html"
    rendered = _message(sample, customer)
    if open_ or output:
        _write(file, rendered)
    if open_:
        _open(file)
    shown = [Text(_head(rendered), "loud"), Text(rendered.text)]
    if open_ or output:
        shown.append(Text(f"\nas a page: {file}", "faint"))
    invocation.output.show(_payload(sample, rendered, file if open_ or output else None), *shown)


def send_test(
    context: typer.Context,
    name: Name,
    to: Annotated[str, typer.Option(help="where it goes, instead of to the customer")],
    customer: Annotated[
        str | None, typer.Option("--customer", help="whose message; else that of the first of testing.customers")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="every variant in every language, once each")] = False,
) -> None:
    """Send one customer's message to an address of yours.

    Through the real channel, but outside the ledger: no cap counts it and no coupon is used up.

    Example: automation test-send winback --customer C1042 --to me@example.com --all
    """
    from automation.runner.plan import every_version
    from automation.runner.plan import preview as rehearsed

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        whose = customer or _test_customer(workspace)
        samples = every_version(workspace, name, whose) if every else [rehearsed(workspace, name, whose)]
        sent = [_send(workspace, sample, whose, to, versions=every) for sample in samples]
    lines = [Text(f"sent to {to} by {one['channel']}: {one['subject']}", "good") for one in sent]
    names = ("variant", "language", "channel", "verdict")
    shown = [{key: one[key] for key in names} for one in sent]
    payload = {"campaign": name, "customer": whose, "to": to, "channel": shown[0]["channel"], "verdict": "sent"}
    invocation.output.show({**payload, "sent": shown}, *lines)


def _send(workspace: Workspace, sample: Sample, customer: str, to: str, *, versions: bool) -> dict[str, str | None]:
    from automation.runner.test_send import MARK, send_trial
    from automation.types.message import Verdict

    rendered = _message(sample, customer)
    parts = ", ".join(part for part in (sample.variant, rendered.language) if part)
    mark = f"[Test {parts}] " if versions and parts else MARK
    receipt = send_trial(workspace, rendered, to, mark=mark)
    if receipt.verdict is not Verdict.SENT:
        raise AutomationError(f"the {rendered.channel} channel answered {receipt.verdict.value}: {receipt.detail}")
    subject = f"{mark}{rendered.subject}"
    found = {"variant": sample.variant, "language": rendered.language or None, "channel": rendered.channel}
    return {**found, "verdict": receipt.verdict.value, "subject": subject}


def _test_customer(workspace: Workspace) -> str:
    customers = workspace.project.settings.testing.customers
    if not customers:
        raise ConfigurationError(
            "say whose message: --customer ID; or name customers for tests in config.yaml: testing: {customers: [ID]}"
        )
    return customers[0]


def _message(sample: Sample, customer: str) -> Rendered:
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
