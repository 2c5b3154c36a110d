"""`automation audience`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.store.runs import RunRow
    from automation.workspace.workspace import Workspace

_SHOWN = 50


def audience(
    context: typer.Context,
    run: Annotated[int, typer.Argument(help="a run's number")],
    outcome: Annotated[
        list[str] | None, typer.Option(help="only these, such as sent, holdout or suppressed; may be repeated")
    ] = None,
) -> None:
    """List the people of a run with what became of each.

    Shows the first 50; `--format csv` and `--format json` print all of them.

    Example: automation audience 12 --outcome suppressed --format csv
    """
    from automation.reporting.audience import audience as read_audience
    from automation.reporting.audience import audience_csv, audience_run

    invocation: Invocation = context.obj
    wanted = outcome or []
    with invocation.workspace() as workspace:
        found = audience_run(workspace, run, wanted)
        frames = read_audience(workspace, run, wanted)
        if invocation.output.as_csv:
            for text in audience_csv(frames):
                invocation.output.write(text)
        elif invocation.output.as_json:
            people = [person for frame in frames for person in frame.to_dicts()]
            invocation.output.document({"run": run, "campaign": found.campaign, "people": people})
        else:
            invocation.output.show_blocks(*_blocks(workspace, found, wanted))


def _blocks(workspace: Workspace, run: RunRow, wanted: Sequence[str]) -> list[Block]:
    from automation.reporting.audience import audience as read_audience

    people = (person for frame in read_audience(workspace, run.id, wanted) for person in frame.to_dicts())
    first = list(islice(people, _SHOWN + 1))
    names = ("customer_id", "outcome", "because", "detail", "variant", "offer", "address")
    heads = ("customer", "outcome", "reason", "detail", "variant", "offer", "address")
    shown: list[Block] = [Text(f"run {run.id} of {run.campaign}, {shop_format(workspace).due(run)}", "strong")]
    if not first:
        return [*shown, Text("nobody")]
    shown.append(Table(heads, [tuple(person[name] or "" for name in names) for person in first[:_SHOWN]]))
    if len(first) > _SHOWN:
        only = "".join(f" --outcome {one}" for one in wanted)
        shown.append(Text(f"the first {_SHOWN}; all of them: automation audience {run.id}{only} --format csv", "muted"))
    return shown
