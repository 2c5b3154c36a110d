"""The same fact, reported by every source that can report it, has the same events, suppressions and consents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.returned_mail import bounce, complaint
from support.tokens import token_of
from support.web import Shop
from support.webhooks import Amazon, mailgun, postmark, sendgrid, ses_message, twilio_status

from automation.event_types import BY_NAME
from automation.inbound.mailbox import read_mailbox
from automation.inbound.provider_reports import record_receipts
from automation.types.message import AddressKind, Receipt, Verdict
from automation_email.reply import Reply


@dataclass(frozen=True)
class Doors:
    """Every way in which a report reaches us, about the first message of the shop."""

    shop: Shop
    amazon: Amazon

    def mail(self, text: str) -> None:
        folder = self.shop.workspace.project.root / "var" / "bounces"
        for name in ("new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        token = token_of(self.shop.workspace.store.secret, "unsubscribe", self.message_id)
        Path(folder / "new" / "1").write_text(text.replace("{token}", token))
        assert read_mailbox(self.shop.workspace).mails == 1

    def bounce(self, status: str, action: str = "failed") -> None:
        self.mail(bounce(self.shop.messages[0], status, action))

    def mailgun(self, event: str, **more: object) -> None:
        assert mailgun(self.shop, event, **more).status_code == 200

    def postmark(self, type_: str, **more: object) -> None:
        assert postmark(self.shop, type_, **more).status_code == 200

    def sendgrid(self, event: str, **more: object) -> None:
        assert sendgrid(self.shop, event, **more).status_code == 200

    def ses(self, name: str, part: Mapping[str, object]) -> None:
        message = ses_message(self.shop, eventType=name, **{name[:1].lower() + name[1:]: part})
        assert self.amazon.call("Notification", Message=message).status_code == 200

    def smtp(self, code: int, text: str) -> None:
        """The server's answer to RCPT, as the SMTP channel reads it."""
        self.receipt(Reply(code, text).refused(self.shop.messages[0], "RCPT"), "email")

    def answer(self, suppress: str, kind: AddressKind) -> None:
        """What a channel makes of a service's answer."""
        self.receipt(Receipt(self.message_id, 1, Verdict.FAILED, "refused", suppress=suppress), kind)

    def receipt(self, receipt: Receipt, kind: AddressKind) -> None:
        with self.shop.workspace.store.transaction() as connection:
            record_receipts(connection, [receipt], {"email": kind}, now=self.shop.workspace.clock.now())

    def twilio(self, status: str, code: str = "") -> None:
        assert twilio_status(self.shop, status, code).status_code == 200

    @property
    def message_id(self) -> str:
        return self.shop.messages[0].id


@pytest.fixture
def doors(shop: Shop, amazon: Amazon) -> Doors:
    return Doors(shop, amazon)


Report = Callable[[Doors], None]
PERMANENT = {"bounceType": "Permanent", "bounceSubType": "General"}


@dataclass(frozen=True)
class Fact:
    """What must follow: the event, suppressions (reason and topic, "" for all), and whether consent is withdrawn."""

    event: str
    kind: str | None
    reports: Mapping[str, Report]
    suppressed: tuple[tuple[str, str], ...] = ()
    withdrawn: bool = False


FACTS: Mapping[str, Fact] = {
    "a dead address": Fact(
        "email_bounce",
        "dead_address",
        {
            "mailbox": lambda d: d.bounce("5.1.1"),
            "mailgun": lambda d: d.mailgun("failed", severity="permanent", reason="bounce"),
            "mailgun, known": lambda d: d.mailgun("failed", severity="permanent", reason="suppress-bounce"),
            "postmark": lambda d: d.postmark("Bounce", Type="HardBounce"),
            "sendgrid": lambda d: d.sendgrid("bounce", type="bounce", status="5.1.1"),
            "sendgrid, known": lambda d: d.sendgrid("dropped", reason="Bounced Address"),
            "ses": lambda d: d.ses("Bounce", PERMANENT),
            "smtp answer": lambda d: d.smtp(550, "5.1.1 no such user"),
        },
        suppressed=(("hard_bounce", ""),),
    ),
    "a refused message": Fact(
        "email_bounce",
        "refused",
        {
            "mailbox": lambda d: d.bounce("5.7.1"),
            "mailbox, full": lambda d: d.bounce("5.2.2"),
            "mailbox, no reason": lambda d: d.bounce("5.0.0"),
            "mailbox, expired": lambda d: d.bounce("4.4.7"),
            "mailgun": lambda d: d.mailgun("failed", severity="permanent", reason="generic"),
            "postmark": lambda d: d.postmark("Bounce", Type="Blocked"),
            "sendgrid": lambda d: d.sendgrid("bounce", type="blocked"),
            "sendgrid, dropped": lambda d: d.sendgrid("dropped", reason="Spam Content"),
            "ses": lambda d: d.ses("Bounce", {"bounceType": "Permanent", "bounceSubType": "ContentRejected"}),
            "ses, rejected": lambda d: d.ses("Reject", {"reason": "Bad content"}),
        },
    ),
    "a delay": Fact(
        "email_delayed",
        "delayed",
        {
            "mailbox": lambda d: d.bounce("4.4.1", "delayed"),
            "mailgun": lambda d: d.mailgun("failed", severity="temporary", reason="generic"),
            "postmark": lambda d: d.postmark("Bounce", Type="Transient"),
            "sendgrid": lambda d: d.sendgrid("deferred"),
            "ses": lambda d: d.ses("DeliveryDelay", {"delayType": "MailboxFull"}),
            "ses, soft": lambda d: d.ses("Bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull"}),
        },
    ),
    "a complaint": Fact(
        "email_complaint",
        "complaint",
        {
            "mailbox": lambda d: d.mail(complaint(d.shop.messages[0])),
            "mailgun": lambda d: d.mailgun("complained"),
            "mailgun, known": lambda d: d.mailgun("failed", severity="permanent", reason="suppress-complaint"),
            "postmark": lambda d: d.postmark("SpamComplaint"),
            "sendgrid": lambda d: d.sendgrid("spamreport"),
            "sendgrid, known": lambda d: d.sendgrid("dropped", reason="Spam Reporting Address"),
            "ses": lambda d: d.ses("Complaint", {"complaintFeedbackType": "abuse"}),
            "answer": lambda d: d.answer("complaint", "email"),
        },
        suppressed=(("complaint", ""),),
    ),
    "an unsubscribe": Fact(
        "unsubscribe",
        None,
        {
            "mailbox": lambda d: d.mail("Subject: unsubscribe {token}\n\n"),
            "mailgun": lambda d: d.mailgun("unsubscribed"),
            "mailgun, known": lambda d: d.mailgun("failed", severity="permanent", reason="suppress-unsubscribe"),
            "postmark": lambda d: d.postmark("SubscriptionChange", SuppressSending=True),
            "sendgrid": lambda d: d.sendgrid("unsubscribe"),
            "sendgrid, group": lambda d: d.sendgrid("group_unsubscribe"),
            "sendgrid, known": lambda d: d.sendgrid("dropped", reason="Unsubscribed Address"),
        },
        suppressed=(("unsubscribed", "promotions"),),
        withdrawn=True,
    ),
    "a delivery": Fact(
        "email_delivered",
        "delivered",
        {
            "mailgun": lambda d: d.mailgun("delivered"),
            "postmark": lambda d: d.postmark("Delivery"),
            "sendgrid": lambda d: d.sendgrid("delivered"),
            "ses": lambda d: d.ses("Delivery", {}),
        },
    ),
    "a dead number": Fact(
        "sms_failed",
        "dead_address",
        {
            "twilio": lambda d: d.twilio("undelivered", "30005"),
            "twilio, not mobile": lambda d: d.twilio("failed", "21614"),
            "answer": lambda d: d.answer("hard_bounce", "phone"),
        },
        suppressed=(("hard_bounce", ""),),
    ),
    "a refused SMS": Fact("sms_failed", "refused", {"twilio": lambda d: d.twilio("undelivered", "30003")}),
    "a number that replied STOP": Fact(
        "unsubscribe",
        None,
        {"twilio": lambda d: d.twilio("failed", "21610"), "answer": lambda d: d.answer("unsubscribed", "phone")},
        suppressed=(("unsubscribed", ""), ("unsubscribed", "promotions")),
        withdrawn=True,
    ),
    "an app that is gone": Fact(
        "push_failed",
        "dead_address",
        {"answer": lambda d: d.answer("dead_token", "push")},
        suppressed=(("dead_token", ""),),
    ),
}
CASES = [(name, door) for name, fact in FACTS.items() for door in fact.reports]


@pytest.mark.parametrize(("name", "door"), CASES)
def test_a_report_has_the_same_consequences_from_every_source(doors: Doors, name: str, door: str) -> None:
    fact, shop, message = FACTS[name], doors.shop, doors.shop.messages[0]
    for _ in range(2):  # the same report again changes nothing
        fact.reports[door](doors)
    (event,) = shop.events()
    assert (event["type"], event.get("kind")) == (fact.event, fact.kind)
    assert (event["customer_id"], event["message_id"], event["campaign"], event["channel"]) == (
        "c1", message.id, "toy", "email",
    )  # fmt: skip
    assert (event.get("topic") == "promotions") is fact.withdrawn
    rows = shop.rows("SELECT address, channel, reason, topic FROM suppression ORDER BY topic")
    assert rows == [(message.to, "email", *suppression) for suppression in fact.suppressed]
    assert shop.words() == {"email.promotions": int(not fact.withdrawn)}
    check_attributes(event)


def check_attributes(event: Mapping[str, object]) -> None:
    """They are those of the catalogue, with its types."""
    type_ = BY_NAME[str(event["type"])]
    own = {"event_id", "customer_id", "type", "occurred_at", *type_.columns}
    types: Mapping[str, Any] = {"text": str, "number": (int, float), "boolean": bool}
    for attribute in event.keys() - own:
        assert isinstance(event[attribute], types[type_.attributes[attribute].type]), attribute
