"""`automation train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.types.plural import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.learn.artifacts import Card


def train(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="names of models in config.yaml; by default all of them")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="train nothing; list every version kept")] = False,
) -> None:
    """Train the models named in config.yaml.

    A model that does not beat its baseline on later data is kept with its metrics but never used.

    Example: automation train churn_risk
    """
    from automation.clock import monotonic
    from automation.reporting.trained_models import card_json
    from automation.runner.training import order_models, train_models

    invocation: Invocation = context.obj
    if list_:
        _list(invocation)
        return
    started = monotonic()
    with invocation.workspace() as workspace, invocation.output.progress("models") as tick:
        wanted = order_models(workspace, names or ())
        done = iter(range(len(wanted)))
        tick("training", 0, len(wanted))
        cards = train_models(workspace, names or (), progress=lambda name: tick(name, next(done), len(wanted)))
    seconds = monotonic() - started
    summary = Text(f"trained {format_count(len(cards), 'model')} in {seconds:.1f} s", "muted")
    invocation.output.show({"models": [card_json(card) for card in cards]}, _table(cards), summary)


def _list(invocation: Invocation) -> None:
    from automation.reporting.trained_models import trained_models

    with invocation.workspace() as workspace:
        found = trained_models(workspace)
    shown: list[Block] = [_table(found.cards)]
    if found.never_trained:
        shown.append(Text(f"never trained: {', '.join(found.never_trained)}; to train: automation train", "warning"))
    invocation.output.show(found.to_json(), *shown)


def _table(cards: Sequence[Card]) -> Table:
    rows = [(card.name, card.version, "yes" if card.admitted else "NO", card.because) for card in cards]
    return Table(("model", "version", "usable", "because"), rows)
