"""Takes the entries that are due a step further: admits them, walks them, decides about their messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from automation.clock import in_millis, to_millis
from automation.pipeline.walk import BRANCH, SEND, heard_since, pass_on, path_with, walk
from automation.runner.entering import admit
from automation.runner.live_journeys import LiveJourney
from automation.runner.step_messages import StepMessages
from automation.runner.travellers import Travellers
from automation.store import entries
from automation.store.ledger import entry_messages
from automation.types.entry import GATHERING
from automation.types.journey import Node
from automation.types.message import MessageState
from automation.workspace.workspace import Workspace

AT_ONCE = 1_000
LOOK_AGAIN = timedelta(seconds=2)
"""How soon an entry whose message is on its way is looked at again."""
_UNSETTLED = (MessageState.QUEUED.value, MessageState.SENDING.value)
_LEFT = (MessageState.SENT.value, MessageState.AMBIGUOUS.value)


@dataclass(frozen=True)
class Stepper:
    """Steps of one journey at one instant."""

    workspace: Workspace
    journey: LiveJourney
    travellers: Travellers
    now: datetime

    def step(self) -> int:
        """Take up to a thousand due entries further, each person's first; returns how many there were."""
        with self.workspace.store.reading() as connection:
            due = entries.read_due(connection, self.journey.run.id, now=self._at, limit=AT_ONCE)
        if due.is_empty():
            return 0
        due = due.drop(entries.CAMPAIGN).unique("customer_id", keep="first", maintain_order=True)
        gathering = pl.col("step") == GATHERING
        begun, refused = admit(self.workspace, self.journey, self.travellers, due.filter(gathering), now=self.now)
        settled, waiting = self._settle(due.filter(~gathering))
        walked = self._walk(pl.concat([begun, settled]))
        over = pl.col("ended").is_not_null()
        moved = pl.concat([walked.filter(~over), waiting], how="diagonal")
        ended = pl.concat([walked.filter(over), refused], how="diagonal")
        with self.workspace.store.transaction() as connection:
            entries.move(connection, moved)
            entries.end(connection, ended)
        asking = walked.filter(~over & (pl.col("asks") == SEND))
        for (name,), rows in asking.partition_by("step", as_dict=True, maintain_order=True).items():
            node = self.journey.listener.program.nodes[str(name)]
            StepMessages(self.workspace, self.journey, self.travellers, node, self.now).plan(rows)
        return due.height

    @property
    def _at(self) -> int:
        return to_millis(self.now)

    def _settle(self, standing: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Those whose last message is settled, or who have none, and those who wait for it."""
        unsettled = pl.col("since").is_null()
        asking = standing.filter(unsettled)
        with self.workspace.store.reading() as connection:
            states = entry_messages.read_states(connection, asking["message_id"].drop_nulls().to_list())
        known = asking.join(
            states.rename({"due_at": "message_due"}), on="message_id", how="left", maintain_order="left"
        )
        on_its_way = pl.col("state").is_in(_UNSETTLED)
        again = pl.max_horizontal("message_due", pl.lit(self._at + in_millis(LOOK_AGAIN)))
        waiting = known.filter(on_its_way).with_columns(again.alias("due_at")).select(standing.columns)
        left = pl.col("state").is_in(_LEFT)
        base = pl.when(left).then("granted_at").otherwise("settled_at")
        settled = known.filter(on_its_way.not_().fill_null(value=True)).with_columns(
            pl.coalesce(base, pl.lit(self._at)).alias("since"),
            pl.lit(None, dtype=pl.Int64).alias("due_at"),
            pl.lit(None, dtype=pl.String).alias("message_id"),
            pl.when(left).then(heard_since(self.journey.listener.program, base)).otherwise("heard").alias("heard"),
        )
        return pl.concat([settled.select(standing.columns), standing.filter(~unsettled)]), waiting

    def _walk(self, moving: pl.DataFrame) -> pl.DataFrame:
        """As far as they come by now, branches decided."""
        program = self.journey.listener.program
        moving = self.travellers.with_clocks(moving, program).with_columns(pl.lit(self._at).alias("until"))
        zone = self.workspace.project.settings.shop.timezone
        walked = walk(moving, program, shop_zone=zone)
        while (asking := walked.filter(pl.col("asks") == BRANCH)).height:
            rest = walked.filter((pl.col("asks") == BRANCH).not_().fill_null(value=True))
            taken = [
                self._branch(program.nodes[str(name)], rows)
                for (name,), rows in asking.partition_by("step", as_dict=True).items()
            ]
            again = pl.concat(taken).drop("asks", "ended", "ended_at")
            walked = pl.concat([rest, walk(again, program, shop_zone=zone)])
        return walked

    def _branch(self, node: Node, rows: pl.DataFrame) -> pl.DataFrame:
        """Everybody into the first arm whose condition holds, else behind the branch."""
        people = rows["customer_id"].to_list()
        arms: dict[str, tuple[str, str]] = {}
        for number, (branch, arm) in enumerate(zip(node.step.branch or (), node.arms, strict=True), 1):
            left = [one for one in people if one not in arms]
            holds = left if branch.condition is None else self.travellers.holding(branch.condition, left)
            arms |= dict.fromkeys(holds, (arm, str(number)))
        person = pl.col("customer_id")
        to = person.replace_strict(
            {one: arm for one, (arm, _) in arms.items()}, default=node.after, return_dtype=pl.String
        )
        code = person.replace_strict({one: no for one, (_, no) in arms.items()}, default="none", return_dtype=pl.String)
        at = rows.with_columns(pl.col("due_at").alias("at"))
        noted = at.with_columns(path_with(pl.lit(node.name), code).alias("path"))
        return pass_on(noted, to=to, at=pl.col("at")).drop("at")
