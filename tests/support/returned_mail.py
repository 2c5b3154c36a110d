"""Mail that comes back for a message: bounces (RFC 3464) and complaints (RFC 5965), with only what is read of them."""

from __future__ import annotations

_DSN = """To: bounces@toy.example
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

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

Hello
--b--
"""


def bounce(message: str, status: str = "5.1.1", action: str = "failed") -> str:
    """A delivery status notification about the message with this id; 5.1.1: there is no such mailbox."""
    return _DSN.format(message=message, status=status, action=action)


def complaint(message: str) -> str:
    """A feedback report: the recipient of the message with this id called it spam."""
    return _ARF.format(message=message)
