"""Everything that led to a decision, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from automation.reporting.audience_place import Place
from automation.reporting.journey_path import JourneyPath
from automation.reporting.rule_values import RuleValue
from automation.store.ledger.decisions import DecisionRow
from automation.store.runs import RunRow


@dataclass(frozen=True)
class Explanation:
    """Everything that led to a decision. run, decision: None where no run has decided; the rules are as of now then.

    rules_known: False where the run's values are gone, or the campaign can't be read. refusal: who refused the
    message when and how, where somebody did. member: None where a sample decides. place, standing: the place in the
    order of `top`, and sentences about it, about the sample and about the last run. products: names by id. tracking:
    whether opens and clicks are counted, where that needs a consent.
    """

    campaign: str
    customer_id: str
    as_of: datetime
    member: bool | None
    rules: Sequence[RuleValue]
    offer_rules: Sequence[RuleValue]
    run: RunRow | None
    decision: DecisionRow | None
    reason: str
    versions: Mapping[str, Any]
    refusal: Sequence[str] = ()
    place: Place | None = None
    standing: Sequence[str] = ()
    rules_known: bool = True
    products: Mapping[str, str] = field(default_factory=dict)
    tracking: str = ""
    journey: Sequence[JourneyPath] = ()
    """The customer's ways through the campaign, the newest first."""

    def to_json(self) -> dict[str, object]:
        return {
            "campaign": self.campaign,
            "customer": self.customer_id,
            "as_of": self.as_of,
            "member": self.member,
            "reason": self.reason,
            "refusal": list(self.refusal),
            "place": asdict(self.place) if self.place else None,
            "standing": list(self.standing),
            "rules": [asdict(rule) for rule in self.rules],
            "offer_rules": [asdict(rule) for rule in self.offer_rules],
            "run": self.run.id if self.run else None,
            "decision": asdict(self.decision) if self.decision else None,
            "products": dict(self.products),
            "tracking": self.tracking,
            "journey": [path.to_json() for path in self.journey],
            "versions": dict(self.versions),
        }
