"""Double opt-in: asks people to confirm a consent, once each, by messages of the ledger like any other.

The people with a pending request become a run of a campaign of its own, `confirm-TOPIC-CHANNEL`. One transaction makes
the run and marks the requests: whatever fails, nobody is asked twice or forgotten.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

import polars as pl
from sqlalchemy.engine import Connection

from automation.config.campaigns import parse_campaign
from automation.errors import ConfigurationError
from automation.ids import content_hash, decision_key, message_id
from automation.inbound.migration.gate import require_migration
from automation.runner.people_run import freeze_people, written_people
from automation.schedule.due_times import Due
from automation.store import launches, pauses
from automation.store.launches import DOUBLE_OPT_IN
from automation.store.ledger.ledger import entry_of
from automation.store.people import double_opt_in
from automation.store.people.double_opt_in import ConsentRequestRow
from automation.store.runs import RunRow
from automation.types.address import ADDRESS_COLUMN
from automation.types.campaign import Campaign
from automation.types.consent import DoubleOptIn
from automation.types.run import RunKind
from automation.types.step import Send
from automation.workspace.campaigns import template_files
from automation.workspace.channels import channel_kinds
from automation.workspace.workspace import Workspace

AT_ONCE = 1_000
_CAMPAIGN = """\
name: {name}
description: asks whether consent to {topic} was meant; made by config.yaml's consent.double_opt_in
topic: {service}
priority: 100
schedule: {{at: "2000-01-01 00:00"}}
send: {{channels: [{channel}], template: {template}}}
"""


def request_confirmations(workspace: Workspace) -> list[RunRow]:
    """Create a run for the pending requests, at most 1,000 of a topic and channel at once; they are planned like any
    other. Returns the new runs. Raises `ConfigurationError` and `AutomationError`."""
    made = []
    settings = workspace.project.settings.consent
    for topic, how in settings.double_opt_in.items():
        with workspace.store.transaction() as connection:
            now = workspace.clock.now()
            double_opt_in.refuse_unsent(connection, now=now)
            valid = settings.confirm_within
            waiting = double_opt_in.waiting_requests(connection, topic, now=now, limit=AT_ONCE, valid=valid)
            waiting = double_opt_in.refuse_suppressed(connection, waiting, now=now)
        by_channel: dict[str, list[ConsentRequestRow]] = defaultdict(list)
        for request in waiting:
            by_channel[request.channel].append(request)
        for channel, requests in by_channel.items():
            run = _request(workspace, topic, how, channel, requests)
            made += [] if run is None else [run]
    return made


def confirmation_campaign(workspace: Workspace, topic: str, how: DoubleOptIn, channel: str) -> tuple[Campaign, str]:
    """The campaign that asks, with its text. Raises `ConfigurationError` with its problems."""
    name = f"{double_opt_in.CAMPAIGNS}{topic}-{channel}"
    text = _CAMPAIGN.format(name=name, topic=topic, service=how.topic, channel=channel, template=how.template)
    where = f"consent.double_opt_in.{topic}"
    if channel not in workspace.project.settings.channels:
        raise ConfigurationError(f"config.yaml: {where}: there is a request for {channel!r}, which is not a channel")
    if name in workspace.project.campaigns:
        raise ConfigurationError(f"config.yaml: {where}: the campaign name {name!r} is reserved; rename the campaign")
    parsed = parse_campaign(text, f"config.yaml: {where}", workspace.project.settings, workspace.project.registry)
    if parsed.campaign is None:
        raise ConfigurationError("\n".join(f"config.yaml: {where}: {problem.what}" for problem in parsed.problems))
    return parsed.campaign, text


def _request(
    workspace: Workspace, topic: str, how: DoubleOptIn, channel: str, requests: Sequence[ConsentRequestRow]
) -> RunRow | None:
    """The run that asks for exactly these confirmations; None if the campaign is paused or another process asks."""
    campaign, text = confirmation_campaign(workspace, topic, how, channel)
    require_migration(workspace, [channel])
    templates = template_files(workspace.project, campaign)
    asked = _one_each(requests)
    people = _people(workspace, channel, [request for request, _ in asked])
    ids = [request.id for request in requests]
    key = f"requests {content_hash(json.dumps(ids))[:16]}"
    due = Due(RunKind.EVENT, key, workspace.clock.now())
    with written_people(workspace, people, salt=key) as written, workspace.store.transaction() as connection:
        paused = pauses.paused_scopes(connection)
        if paused.everything or campaign.name in paused.scopes:
            return None
        if len(double_opt_in.still_waiting(connection, ids)) != len(ids):
            return None
        launch_id = _launch(workspace, connection, campaign.name, text, templates)
        run = freeze_people(workspace, connection, written, campaign=campaign.name, launch_id=launch_id, due=due)
        if run is not None:
            named = _messages(workspace, run, campaign.first_send, channel, asked, written.batches)
            double_opt_in.mark_asked(connection, named, now=workspace.clock.now())
        return run


def _messages(
    workspace: Workspace,
    run: RunRow,
    send: Send,
    channel: str,
    asked: Sequence[_Asked],
    batches: Sequence[Sequence[str]],
) -> dict[int, str]:
    """By request, the id of the message that will ask for its confirmation."""
    batch_of = {customer: no for no, batch in enumerate(batches) for customer in batch}
    found: dict[int, str] = {}
    for recipient, same in asked:
        key = decision_key(entry_of(run.id, recipient.customer_id), send.name)
        place = batch_of[recipient.customer_id]
        message = message_id(workspace.store.id_secret, key, channel, run_id=run.id, batch_no=place)
        found |= {request.id: message for request in same}
    return found


_Asked = tuple[ConsentRequestRow, list[ConsentRequestRow]]


def _one_each(requests: Sequence[ConsentRequestRow]) -> list[_Asked]:
    """One message for each address: who is asked, and all requests that the answer settles."""
    by_address: dict[str, list[ConsentRequestRow]] = defaultdict(list)
    for request in requests:
        by_address[request.recipient].append(request)
    return [(same[0], same) for same in by_address.values()]


def _people(workspace: Workspace, channel: str, requests: Sequence[ConsentRequestRow]) -> pl.DataFrame:
    """The run's audience: the customers' traits, with the address and language of their requests."""
    ids = [request.customer_id for request in requests]
    warehouse = workspace.warehouse()
    try:
        table = warehouse.table("customers")
        known = table.filter(table.customer_id.isin(ids)).to_polars()
    finally:
        warehouse.close()
    column = ADDRESS_COLUMN[channel_kinds(workspace)[channel]]
    given = pl.DataFrame(
        {
            "customer_id": ids,
            "given_address": [request.address for request in requests],
            "given_language": [request.language or None for request in requests],
        },
        schema={"customer_id": pl.String, "given_address": pl.String, "given_language": pl.String},
    )
    whole = given.join(known, on="customer_id", how="left", maintain_order="left")
    language = pl.col("language") if "language" in whole.columns else pl.lit(None, dtype=pl.String)
    return whole.with_columns(
        pl.col("given_address").alias(column),
        pl.coalesce("given_language", language).alias("language"),
    ).drop("given_address", "given_language")


def _launch(workspace: Workspace, connection: Connection, name: str, text: str, templates: Mapping[str, bytes]) -> int:
    """The launch with exactly this text and these templates: the current one, or a new one."""
    current = launches.current_launches(connection).get(name)
    manifest = {path: content_hash(body) for path, body in templates.items()}
    if current is not None and (current.campaign_sha256, dict(current.templates)) == (content_hash(text), manifest):
        return current.id
    return launches.launch(
        connection, campaign=name, text=text, templates=templates, plugins=workspace.project.registry.versions(),
        by=DOUBLE_OPT_IN, approved_by=None, audience=None, now=workspace.clock.now(),
    )  # fmt: skip
