"""`automation train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.learn.artifacts import Card


def train(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="models of config.yaml; all of them when none is named")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="train nothing; show every version kept")] = False,
) -> None:
    """Train the models named in config.yaml.

    A model that does not beat its baseline on later data is kept with its metrics but never used.

    Example: automation train churn_risk
    """
    from automation.clock import monotonic
    from automation.runner.training import in_order, train_models

    invocation: Invocation = context.obj
    if list_:
        _list(invocation)
        return
    started = monotonic()
    with invocation.workspace() as workspace, invocation.output.progress("models") as tick:
        wanted = in_order(workspace, names or ())
        done = iter(range(len(wanted)))
        tick("training", 0, len(wanted))
        cards = train_models(workspace, names or (), progress=lambda name: tick(name, next(done), len(wanted)))
    invocation.output.show({"models": [payload(card) for card in cards]}, *_blocks(cards, monotonic() - started))


def _list(invocation: Invocation) -> None:
    """Every version of the models that config.yaml names, the newest first."""
    from automation.workspace.models import trained_versions

    with invocation.workspace() as workspace:
        names = list(workspace.project.settings.models)
        found = [card for name in names for card in trained_versions(workspace, name)]
    untrained = [name for name in names if name not in {card.name for card in found}]
    rows = [(c.name, c.version, "yes" if c.admitted else "NO", c.because) for c in found]
    never = [Text(f"never trained: {', '.join(untrained)}; automation train", "odd")] if untrained else []
    shown = {"models": [payload(card) for card in found], "never_trained": untrained}
    invocation.output.show(shown, Table(("model", "version", "may be used", "because"), rows), *never)


def payload(card: Card) -> dict[str, object]:
    """A model's card as a program reads it."""
    names = ("name", "version", "using", "admitted", "because", "metrics", "trained_at", "data_version", "seed")
    return {name: getattr(card, name) for name in names}


def _blocks(cards: Sequence[Card], seconds: float) -> list[Table | Text]:
    rows = [(card.name, card.version, "yes" if card.admitted else "NO", card.because) for card in cards]
    found = f"{len(cards)} model{'' if len(cards) == 1 else 's'} in {seconds:.1f} s"
    return [Table(("model", "version", "used", "because"), rows), Text(found, "faint")]
