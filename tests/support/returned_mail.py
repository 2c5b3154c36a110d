"""Mail that comes back for a message: bounces (RFC 3464) and complaints (RFC 5965), with only what is read of them."""

from __future__ import annotations

from automation.types.message import Rendered

_DSN = """To: bounces+{token}@toy.example
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}

--b
Content-Type: text/rfc822-headers

Message-ID: <{message}@toy.example>

--b--
"""
_ARF = """Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse

--b
Content-Type: message/rfc822

Message-ID: <{message}@toy.example>
{header}

Hello
--b--
"""


def bounce(
    message: Rendered,
    status: str = "5.1.1",
    action: str = "failed",
    *,
    token: str | None = None,
    recipient: str | None = None,
) -> str:
    """A delivery status notification about the message; 5.1.1: there is no such mailbox.

    token: of the return path, the message's own by default. recipient: whom it names, the message's own by default.
    """
    return _DSN.format(
        message=message.id, status=status, action=action,
        token=message.bounce_token if token is None else token, recipient=recipient or message.to,
    )  # fmt: skip


def complaint(message: Rendered, *, header: str | None = None) -> str:
    """A feedback report: the message's recipient called it spam. header: of the message, our signed one by default."""
    own = f"CFBL-Feedback-ID: {message.headers['CFBL-Feedback-ID']}"
    return _ARF.format(message=message.id, header=own if header is None else header)
