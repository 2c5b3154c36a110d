"""Fetches what a run decides with: the snapshot, the models that the campaign names, the offer policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from automation.contracts import Model, Snapshot, Suppression
from automation.errors import ConfigurationError
from automation.learn.training import load_model
from automation.pipeline.caps import Claims, cap_rules
from automation.pipeline.decide import Materials
from automation.pipeline.eligibility import Terms
from automation.pipeline.offer import Counter, offers_frame
from automation.pipeline.recommend import Shelf, Source, shelf
from automation.rules.segments import with_segments
from automation.runner.channels import channel_kinds
from automation.runner.workspace import Workspace
from automation.store import decisions, models
from automation.types.campaign import Campaign, Condition, Using, leaves, parse_when_capped
from automation.warehouse.connect import Warehouse

FIT_SEED = 1

_BLIND_TO_DECISIONS = frozenset({"trait", "profile", "did", "did_not", "condition"})


def snapshot(
    workspace: Workspace,
    warehouse: Warehouse,
    as_of: datetime,
    *,
    with_decisions: bool,
    versions: Mapping[str, str],
    today: datetime | None = None,
) -> Snapshot:
    """The warehouse as of an instant, with segments computed when first asked for.

    today: the due wall time of a run in `timezone: customer`, whose date is then everybody's own.
    """
    settings = workspace.project.settings
    mirrored = None
    if with_decisions:
        with workspace.store.reading() as connection:
            mirrored = decisions.mirror(connection)
    bare = replace(
        warehouse.snapshot(as_of, decisions=mirrored, timezone=settings.shop.timezone, lifecycle=settings.lifecycle),
        today=None if today is None else today.date(),
    )
    scored = {
        name: partial(_assign, workspace, name, versions)
        for name, model in settings.models.items()
        if model.kind == "segmenters"
    }
    return with_segments(bare, settings.segments, scored, workspace.project.registry)


def _assign(workspace: Workspace, name: str, versions: Mapping[str, str], data: Snapshot) -> Iterator[pl.DataFrame]:
    segmenter: Any = load(workspace, name, versions)
    found: Iterator[pl.DataFrame] = segmenter.assign(data)
    return found


def active_versions(workspace: Workspace) -> dict[str, str]:
    """The model versions that a run which starts now uses."""
    with workspace.store.reading() as connection:
        return models.active(connection)


def load(workspace: Workspace, name: str, versions: Mapping[str, str]) -> Model:
    """A fitted model of config.yaml, with its parts. Raises `BadArtifact`."""
    settings = workspace.project.settings.models[name]
    parts = {part: load(workspace, part, versions) for part in settings.parts}
    return load_model(settings, workspace.project.registry, workspace.models, version=versions.get(name), parts=parts)


def materials(
    workspace: Workspace,
    campaign: Campaign,
    data: Snapshot,
    *,
    versions: Mapping[str, str],
    due_at: datetime,
    due_local: datetime | None,
    offer_plan: Mapping[str, Any] | None = None,
    run_id: int = 0,
    test: bool = False,
) -> Materials:
    """Everything that the campaign names, resolved. Raises `BadArtifact` and `ConfigurationError`."""
    settings = workspace.project.settings
    return Materials(
        campaign=campaign,
        terms=terms(workspace, campaign, run_id),
        data=data,
        shelf=_shelf(workspace, campaign, data, versions),
        counter=_counter(workspace, campaign, offer_plan or {}),
        offers=settings.offers,
        global_holdout=settings.global_holdout,
        shop_zone=settings.shop.timezone,
        shop_language=settings.shop.language,
        due_at=due_at,
        due_local=due_local,
        test=test,
    )


def terms(workspace: Workspace, campaign: Campaign, run_id: int) -> Terms:
    settings = workspace.project.settings
    assert campaign.send is not None
    marketing = settings.topics[campaign.topic] == "marketing"
    return Terms(
        campaign=campaign.name,
        run_id=run_id,
        topic=campaign.topic,
        marketing=marketing,
        channels=channel_kinds(workspace, campaign.send.channels),
        reentry=campaign.reentry,
        claims=claims(workspace, campaign),
        suppressions=suppressions(workspace),
    )


def claims(workspace: Workspace, campaign: Campaign) -> Claims:
    """What the campaign may claim under the caps, its rivals left out."""
    settings = workspace.project.settings
    return Claims(
        campaign=campaign.name,
        topic=campaign.topic,
        priority=campaign.priority,
        rules=cap_rules(campaign, settings.caps, settings.topics),
        wait=parse_when_capped(campaign.limits.when_capped),
    )


def suppressions(workspace: Workspace) -> list[Suppression]:
    """The suppression plugins that config.yaml names, in their order."""
    found = workspace.project.settings.suppressions
    return [workspace.project.registry.find("suppressions", using.name)(using.options) for using in found]


def conditions(campaign: Campaign) -> list[Condition]:
    """The conditions in the offer policy's options, in their order."""
    using = campaign.offer.using if campaign.offer else None
    return [] if using is None or using.options is None else list(_conditions(using.options))


def reads_decisions(campaign: Campaign) -> bool:
    """Whether any rule of the campaign may look at earlier messages: a segment's condition or a plugin's rule might."""
    every = [campaign.audience.condition, *conditions(campaign)]
    return any(leaf.key not in _BLIND_TO_DECISIONS for condition in every for leaf in leaves(condition))


def _conditions(value: Any) -> Iterator[Condition]:
    from pydantic import BaseModel

    from automation.types.campaign import Group, Leaf

    if isinstance(value, Leaf | Group):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _conditions(getattr(value, name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _conditions(part)


def _shelf(workspace: Workspace, campaign: Campaign, data: Snapshot, versions: Mapping[str, str]) -> Shelf | None:
    wanted = campaign.recommend
    if wanted is None:
        return None
    source: Callable[[Using], Source] = partial(_source, workspace, data, versions)
    return shelf(
        data,
        source(wanted.using),
        source(wanted.otherwise) if wanted.otherwise else None,
        items=wanted.items,
        at_least=wanted.at_least,
        exclude=wanted.exclude,
    )


def _source(workspace: Workspace, data: Snapshot, versions: Mapping[str, str], using: Using) -> Source:
    """A fitted model by its name in config.yaml; a component named directly is fitted for this run."""
    if using.name in workspace.project.settings.models:
        model: Any = load(workspace, using.name, versions)
        return Source(using.name, model)
    component = workspace.project.registry.find("recommenders", using.name)(using.options)
    component.fit(data, seed=FIT_SEED, parts={})
    return Source(using.name, component)


def _counter(workspace: Workspace, campaign: Campaign, plan: Mapping[str, Any]) -> Counter | None:
    wanted = campaign.offer
    if wanted is None:
        return None
    registry, offers = workspace.project.registry, workspace.project.settings.offers
    if wanted.fixed is not None:
        cls = registry.find("offer_policies", "fixed")
        policy = cls(cls.Options(offer=wanted.fixed))
        return Counter("fixed", policy, offers_frame(offers, [wanted.fixed]), plan)
    if wanted.using is None:
        raise ConfigurationError(f"campaign {campaign.name!r}: offer needs `fixed` or `using`")
    policy = registry.find("offer_policies", wanted.using.name)(wanted.using.options)
    return Counter(wanted.using.name, policy, offers_frame(offers, wanted.choose), plan)


def plan_offers(materials_: Materials, batches: Iterator[pl.DataFrame], budget: Decimal | None) -> Mapping[str, Any]:
    """The offer policy's plan for the whole run."""
    counter = materials_.counter
    return {} if counter is None else counter.policy.plan(batches, counter.offers, budget=budget, seed=FIT_SEED)
