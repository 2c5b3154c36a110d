"""The store's tables. Instants are integers: milliseconds since 1970 in UTC. Structured values are JSON text.

`automation/store/migrations` creates them; a test compares the two.
"""

from automation.store.tables.delivery import RateLane, Worker
from automation.store.tables.entries import Entry
from automation.store.tables.facts import Fact
from automation.store.tables.imports import Import
from automation.store.tables.inbox import Flush, Inbox, ShopReport, WebhookCall
from automation.store.tables.launches import Content, Launch
from automation.store.tables.ledger import CapEntry, Coupon, Decision, Message, MessageStatus, Seed
from automation.store.tables.model_versions import ModelVersion
from automation.store.tables.pauses import Pause
from automation.store.tables.people import Consent, ConsentRecord, ConsentRequest, Migration, Suppression
from automation.store.tables.runs import Batch, Run

__all__ = [
    "Batch",
    "CapEntry",
    "Consent",
    "ConsentRecord",
    "ConsentRequest",
    "Content",
    "Coupon",
    "Decision",
    "Entry",
    "Fact",
    "Flush",
    "Import",
    "Inbox",
    "Launch",
    "Message",
    "MessageStatus",
    "Migration",
    "ModelVersion",
    "Pause",
    "RateLane",
    "Run",
    "Seed",
    "ShopReport",
    "Suppression",
    "WebhookCall",
    "Worker",
]
