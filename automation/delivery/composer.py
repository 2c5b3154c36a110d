"""Grants made ready for their channels, from what a delivering process was handed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.config.project import Project
from automation.delivery.executor import LaunchedText
from automation.errors import AutomationError, ConfigurationError
from automation.messages.batch_content import BatchContent, read_content
from automation.messages.compose import MessageDefaults
from automation.messages.redirect import WaitsForRedirect, compose_for_recipient
from automation.messages.render import Renderer
from automation.types.campaign import Campaign
from automation.types.grant import Grant
from automation.types.message import Rendered
from automation.workspace.campaigns import parse_launched, renderer_of


class UnfitLaunch(AutomationError):
    """A launch that no longer fits config.yaml or the plugins: nothing of it can be sent until it does."""


@dataclass
class Composer:
    """Renders grants of the launches and batches that it was shown."""

    head: MessageDefaults
    launches: dict[int, tuple[Campaign, Renderer] | UnfitLaunch] = field(default_factory=dict)
    batches: dict[tuple[int, int], BatchContent] = field(default_factory=dict)

    def show_launch(self, project: Project, launch_id: int, pinned: LaunchedText) -> None:
        """Take what was launched. If it no longer fits the project, its messages fail with that reason."""
        try:
            campaign = parse_launched(project, pinned.campaign, pinned.text)
        except ConfigurationError as error:
            self.launches[launch_id] = UnfitLaunch(str(error))
        else:
            self.launches[launch_id] = (campaign, renderer_of(project, pinned.files))

    def show_batch(
        self, run_id: int, batch_no: int, launch_id: int, stored: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Take what the batch's messages show, in the store's form."""
        launch = self.launches[launch_id]
        self.batches[run_id, batch_no] = (
            BatchContent() if isinstance(launch, UnfitLaunch) else read_content(stored, launch[0], launch[1].reasons)
        )

    def forget_batch(self, run_id: int, batch_no: int) -> None:
        self.batches.pop((run_id, batch_no), None)

    def compose(self, grant: Grant) -> Rendered:
        """Raises `TemplateError`, and `UnfitLaunch`."""
        launch = self.launches[grant.launch_id]
        if isinstance(launch, UnfitLaunch):
            raise launch
        campaign, renderer = launch
        try:
            return compose_for_recipient(
                grant, campaign, renderer, self.head, self.batches[grant.run_id, grant.batch_no]
            )
        except WaitsForRedirect as wait:
            raise UnfitLaunch(str(wait)) from wait
