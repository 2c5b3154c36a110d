"""The JSON form of a plan, its preflight and its samples, and of a launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from automation.reporting.json_output.problems import problem_json

if TYPE_CHECKING:
    from automation.runner.launch import LaunchResult
    from automation.runner.plan import Plan
    from automation.runner.preflight import Preflight


def plan_json(plan: Plan) -> dict[str, object]:
    return {
        "campaign": plan.campaign,
        "as_of": plan.as_of,
        "basis": None if plan.planned_for is None else plan.planned_for.basis,
        "audience": plan.audience,
        "top": None if plan.top is None else asdict(plan.top),
        "outcomes": counts_json(plan.outcomes, "outcome", "reason"),
        "variants": counts_json(plan.variants, "variant", "outcome"),
        "channels": [
            {
                "channel": channel,
                "customers": n,
                "passed_over": [
                    {"channel": earlier, "reason": reason, "customers": count}
                    for (its, earlier, reason), count in sorted(plan.passed_over.items())
                    if its == channel
                ],
            }
            for channel, n in sorted(plan.channels.items())
        ],
        "untracked": dict(plan.untracked),
        "offers": dict(plan.offers),
        "promised_cost": plan.promised_cost,
        "entering": plan.entering,
        "leaving": plan.leaving,
        "unrenderable": dict(plan.unrenderable),
        "displaced": dict(plan.displaced),
        "preflight": preflight_json(plan.preflight),
        "samples": [asdict(sample) for sample in plan.samples],
        "rules": [asdict(rule) for rule in plan.rules],
        "problems": [problem_json(problem) for problem in plan.problems],
        "warnings": list(plan.warnings),
        "seconds": plan.seconds,
    }


def preflight_json(preflight: Preflight) -> dict[str, object]:
    return {
        "extent": preflight.extent,
        "messages": preflight.messages,
        "rendered": preflight.rendered,
        "seconds": preflight.seconds,
        "errors": len(preflight.errors),
        "problems": [asdict(problem) for problem in preflight.problems],
    }


def launch_json(result: LaunchResult) -> dict[str, object]:
    return {
        "campaign": result.campaign,
        "launch": result.launch_id,
        "next_due": result.next_due,
        "plan": plan_json(result.plan),
    }


def counts_json(counts: Mapping[tuple[str, str], int], first: str, second: str) -> list[dict[str, object]]:
    """Numbers of customers by two names, such as outcome and reason, in alphabetical order."""
    return [{first: one, second: other, "customers": n} for (one, other), n in sorted(counts.items())]
