"""Fetches what a run decides with: eligibility, caps, models and the offer policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from automation.contracts import Snapshot
from automation.contracts.answers import check_plan
from automation.errors import ConfigurationError
from automation.pipeline.admission import AdmissionPolicy
from automation.pipeline.caps import CapRequest, cap_rules
from automation.pipeline.decide import RunContext
from automation.pipeline.eligibility import EligibilityPolicy
from automation.pipeline.objections import ObjectionPolicy
from automation.pipeline.offer import OfferContext, offers_frame
from automation.pipeline.permission import PermissionPolicy
from automation.pipeline.recommend import NamedRecommender, RecommendationContext, recommendation_context
from automation.pipeline.top import Reach
from automation.rules.reads import chooses_by_profiling, reads_decisions
from automation.store.runs import RunRow
from automation.types.campaign import Campaign
from automation.types.condition import Using
from automation.types.shown_values import NOTHING, ShownValues
from automation.types.step import Send
from automation.warehouse.embedded import Warehouse
from automation.workspace.channels import channel_kinds
from automation.workspace.launched import LaunchedCampaign
from automation.workspace.models_in_use import load_trained_model
from automation.workspace.snapshots import snapshot
from automation.workspace.suppressions import suppressions_of
from automation.workspace.workspace import Workspace

FIT_SEED = 1


def context_of_run(workspace: Workspace, warehouse: Warehouse, run: RunRow, launch: LaunchedCampaign) -> RunContext:
    """What the run decides with, as pinned when its audience was frozen."""
    versions: Mapping[str, Any] = run.versions
    local = datetime.fromisoformat(versions["local"]) if versions.get("local") else None
    assert run.as_of is not None
    pinned_models: Mapping[str, str] = versions["models"]
    data = snapshot(
        workspace,
        warehouse,
        run.as_of,
        with_decisions=reads_decisions(launch.campaign, workspace.project.registry),
        versions=pinned_models,
        today=local,
    )
    return build_context(
        workspace,
        launch.campaign,
        data,
        send=launch.campaign.first_send,
        versions=pinned_models,
        due_at=run.due_at,
        due_local=local,
        offer_plan=run.offer_plan,
        run_id=run.id,
        launched_at=launch.launch.launched_at,
        test=run.test,
        shown=launch.shown,
    )


def build_context(
    workspace: Workspace,
    campaign: Campaign,
    data: Snapshot,
    *,
    send: Send,
    versions: Mapping[str, str],
    due_at: datetime,
    due_local: datetime | None,
    offer_plan: Mapping[str, Any] | None = None,
    run_id: int = 0,
    launched_at: datetime | None = None,
    test: bool = False,
    shown: ShownValues = NOTHING,
) -> RunContext:
    """Everything that the campaign names, resolved, to decide about the step `send`.

    Raises `BadArtifact` and `ConfigurationError`.
    """
    settings = workspace.project.settings
    return RunContext(
        campaign=campaign,
        send=send,
        eligibility=eligibility_policy(workspace, campaign, send, run_id),
        data=data,
        recommendation=_recommendation_context(workspace, campaign, data, versions),
        offer=_offer_context(workspace, campaign, offer_plan or {}),
        offers=settings.offers,
        global_holdout=settings.global_holdout,
        shop_zone=settings.shop.timezone,
        shop_language=settings.shop.language,
        due_at=due_at,
        due_local=due_local,
        launched_at=launched_at,
        test=test,
        shown=shown,
    )


def eligibility_policy(workspace: Workspace, campaign: Campaign, send: Send, run_id: int) -> EligibilityPolicy:
    """What the members of a run must satisfy to get this step's message."""
    settings = workspace.project.settings
    marketing = settings.topics[campaign.topic] == "marketing"
    permission = PermissionPolicy(
        campaign=campaign.name,
        run_id=run_id,
        topic=campaign.topic,
        marketing=marketing,
        channels=channel_kinds(workspace, send.channels),
        cap_request=cap_request(workspace, campaign),
        suppressions=suppressions_of(workspace),
        objections=_objection_policy(workspace, campaign, marketing=marketing),
    )
    return EligibilityPolicy(permission, AdmissionPolicy(campaign.name, campaign.reentry))


def _objection_policy(workspace: Workspace, campaign: Campaign, *, marketing: bool) -> ObjectionPolicy | None:
    settings = workspace.project.settings
    topic = settings.consent.profiling
    if topic is None:
        return None
    profiles = marketing and chooses_by_profiling(campaign, settings.segments)
    return ObjectionPolicy(topic, channel_kinds(workspace), profiles)


def at_step(workspace: Workspace, found: RunContext, send: Send) -> RunContext:
    """The same context for another message of the campaign."""
    policy = eligibility_policy(workspace, found.campaign, send, found.eligibility.permission.run_id)
    return replace(found, send=send, eligibility=policy)


def reach_of(workspace: Workspace, campaign: Campaign, run_id: int, now: datetime) -> Reach:
    """By what `top` judges whether a customer can get the campaign's first message."""
    policy = eligibility_policy(workspace, campaign, campaign.first_send, run_id)
    return Reach(policy, workspace.store.reading, now)


def cap_request(workspace: Workspace, campaign: Campaign) -> CapRequest:
    """The campaign's request for cap slots, without its competitors."""
    settings = workspace.project.settings
    return CapRequest(
        campaign=campaign.name,
        topic=campaign.topic,
        priority=campaign.priority,
        rules=cap_rules(campaign, settings.caps, settings.topics),
        wait=campaign.limits.when_capped.wait,
    )


def _recommendation_context(
    workspace: Workspace, campaign: Campaign, data: Snapshot, versions: Mapping[str, str]
) -> RecommendationContext | None:
    wanted = campaign.recommend
    if wanted is None:
        return None
    fitted: Callable[[Using], NamedRecommender] = partial(_fitted_recommender, workspace, data, versions)
    return recommendation_context(
        data,
        fitted(wanted.using),
        fitted(wanted.otherwise) if wanted.otherwise else None,
        items=wanted.items,
        at_least=wanted.at_least,
        exclude=wanted.exclude,
    )


def _fitted_recommender(
    workspace: Workspace, data: Snapshot, versions: Mapping[str, str], using: Using
) -> NamedRecommender:
    """A trained model by its name in config.yaml; a component named directly is fitted for this run."""
    if using.name in workspace.project.settings.models:
        model: Any = load_trained_model(workspace, using.name, versions)
        return NamedRecommender(using.name, model)
    component = workspace.project.registry.find("recommenders", using.name)(using.options)
    component.fit(data, seed=FIT_SEED, parts={})
    return NamedRecommender(using.name, component)


def _offer_context(workspace: Workspace, campaign: Campaign, plan: Mapping[str, Any]) -> OfferContext | None:
    wanted = campaign.offer
    if wanted is None:
        return None
    registry, offers = workspace.project.registry, workspace.project.settings.offers
    if wanted.fixed is not None:
        cls = registry.find("offer_policies", "fixed")
        policy = cls(cls.Options(offer=wanted.fixed))
        return OfferContext("fixed", policy, offers_frame(offers, [wanted.fixed]), plan)
    if wanted.using is None:
        raise ConfigurationError(f"campaign {campaign.name!r}: offer needs `fixed` or `using`")
    policy = registry.find("offer_policies", wanted.using.name)(wanted.using.options)
    return OfferContext(wanted.using.name, policy, offers_frame(offers, wanted.choose), plan)


def plan_offers(context: RunContext, batches: Iterator[pl.DataFrame], budget: Decimal | None) -> Mapping[str, Any]:
    """The offer policy's plan for the whole run."""
    offer = context.offer
    if offer is None:
        return {}
    plan = offer.policy.plan(batches, offer.offers, budget=budget, seed=FIT_SEED)
    check_plan(plan, f"offer policy {offer.name}")
    return plan
