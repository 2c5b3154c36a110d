"""What can go wrong in an SMTP conversation, and what must be said of each message then.

Ana's message goes before Bo's and Cy's after it, over one connection; the fault is Bo's, or the connection's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from automation.types.message import Verdict
from support.faulty_smtp import End, Fault

SENT, RETRY, RETURNED = Verdict.SENT, Verdict.RETRY, Verdict.RETURNED
FAILED, AMBIGUOUS = Verdict.FAILED, Verdict.AMBIGUOUS
SLOW = 0.2  # seconds a byte, of a timeout of two seconds
_ENDS: tuple[End, ...] = ("stall", "close", "reset")
BUSY, GONE, DOWN = b"451 4.3.0 busy\r\n", b"554 5.3.0 no\r\n", b"421 4.3.2 shutting down\r\n"
GARBAGE, HALF, ENDLESS = b"hello there\r\n", b"25", b"250-" + b"x" * 200_000


@dataclass(frozen=True)
class Case:
    """One fault and the verdicts that follow. whole: whether an ambiguous message did arrive."""

    name: str
    fault: Fault | None
    bo: Verdict
    ana: Verdict = SENT
    cy: Verdict = SENT
    cy_pipelined: Verdict | None = None
    whole: bool = True
    suppress: str = ""
    large: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("plain", "pipelined")


def cases() -> Iterator[Case]:
    """All of them; a name for each."""
    yield from _connecting()
    yield from _securing()
    yield from _logging_in()
    for verb in ("MAIL", "RCPT", "DATA"):
        yield from _before_the_message(verb)
    yield from _particular_refusals()
    yield from _within_the_message()
    yield from _after_the_dot()
    yield from _forgetting()
    yield from _leaving()


def _nobody(name: str, fault: Fault, **options: Any) -> Case:
    """A connection that comes to nothing says nothing about any message."""
    extensions = options.pop("extensions", ())
    return Case(name, fault, RETURNED, RETURNED, RETURNED, options=options, extensions=extensions, modes=("pipelined",))


def _silences(verb: str) -> Iterator[tuple[str, Fault]]:
    """The ways in which no complete answer comes."""
    yield "stall", Fault(verb, then="stall")
    yield "close", Fault(verb, then="close")
    yield "reset", Fault(verb, then="reset")
    yield "garbage", Fault(verb, GARBAGE)
    yield "half a line, then close", Fault(verb, HALF, "close")
    yield "half a line, then stall", Fault(verb, HALF, "stall")
    yield "a line to be continued, then stall", Fault(verb, b"250-wait\r\n", "stall")
    yield "slow drip", Fault(verb, b"250 2.0.0 " + b"slowly " * 20 + b"\r\n", drip=SLOW)
    yield "a reply without an end", Fault(verb, ENDLESS, "stall")


def _connecting() -> Iterator[Case]:
    for verb in ("CONNECT", "EHLO"):
        for name, fault in _silences(verb):
            extra = {"HELO": BUSY} if verb == "EHLO" else {}
            yield _nobody(f"{verb}: {name}", Fault(verb, fault.say, fault.then, fault.drip, extra=extra))
    for name, say in (
        ("4xx", b"450 4.7.0 not now\r\n"),
        ("5xx", GONE),
        ("421", DOWN),
        ("HTTP", b"HTTP/1.1 400 Bad\r\n"),
    ):
        yield _nobody(f"CONNECT: {name}", Fault("CONNECT", say, "close"))
    for name, say in (("4xx", BUSY), ("5xx", GONE), ("421", DOWN)):
        yield _nobody(f"EHLO: {name}, and HELO too", Fault("EHLO", say, extra={"HELO": say}))
    yield Case("EHLO: unknown, but HELO is", Fault("EHLO", b"502 5.5.1 what?\r\n"), SENT, modes=("plain",))


def _securing() -> Iterator[Case]:
    tls = {"tls": "starttls"}
    yield _nobody("STARTTLS: not offered", Fault("NEVER"), **tls)
    offered = {**tls, "extensions": ("STARTTLS",)}
    for name, say in (("4xx", b"454 4.7.0 no TLS now\r\n"), ("5xx", b"502 5.5.1 no\r\n"), ("421", DOWN)):
        yield _nobody(f"STARTTLS: {name}", Fault("STARTTLS", say), **offered)
    for then in _ENDS:
        yield _nobody(f"STARTTLS: {then}", Fault("STARTTLS", then=then), **offered)
        yield _nobody(f"TLS handshake: {then}", Fault("HANDSHAKE", then=then), **offered)
    yield _nobody("TLS handshake: garbage", Fault("HANDSHAKE", GARBAGE * 10, "close"), **offered)
    yield _nobody("TLS: a certificate of nobody", Fault("NEVER"), **offered, ca_file=None)


def _logging_in() -> Iterator[Case]:
    login = {"username": "shop"}
    yield _nobody("AUTH: not offered", Fault("NEVER"), **login)
    offered = {**login, "extensions": ("AUTH PLAIN",)}
    for name, say in (
        ("4xx", b"454 4.7.0 later\r\n"),
        ("5xx", b"535 5.7.8 wrong\r\n"),
        ("421", DOWN),
        ("garbage", GARBAGE),
    ):
        yield _nobody(f"AUTH: {name}", Fault("AUTH", say), **offered)
    for then in _ENDS:
        yield _nobody(f"AUTH: {then}", Fault("AUTH", then=then), **offered)
    yield Case("AUTH: well", Fault("NEVER"), SENT, options=login, extensions=("AUTH PLAIN",))


def _before_the_message(verb: str) -> Iterator[Case]:
    yield Case(f"{verb}: 4xx", Fault(verb, BUSY), RETRY)
    yield Case(f"{verb}: 5xx", Fault(verb, GONE), FAILED)
    yield Case(f"{verb}: 421", Fault(verb, DOWN), RETURNED)
    yield Case(f"{verb}: 503", Fault(verb, b"503 5.5.1 bad sequence of commands\r\n"), RETRY)
    yield Case(
        f"{verb}: slow, but in time", Fault(verb, b"354 ok\r\n" if verb == "DATA" else b"250 ok\r\n", drip=0.01), SENT
    )
    wrong = b"250 2.0.0 why not\r\n" if verb == "DATA" else b"354 out of turn\r\n"
    yield Case(f"{verb}: another verb's answer", Fault(verb, wrong, "stall"), RETRY)
    for name, fault in _silences(verb):
        yield Case(f"{verb}: {name}", fault, RETRY)


def _particular_refusals() -> Iterator[Case]:
    dead = "hard_bounce"
    for verb in ("RCPT", "DATA", "DOT"):
        yield Case(
            f"{verb}: no such user", Fault(verb, b"550 5.1.1 <bo@example.org> unknown\r\n"), FAILED, suppress=dead
        )
        yield Case(f"{verb}: policy", Fault(verb, b"550 5.7.1 looks like spam\r\n"), FAILED)
    for code in ("5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"):
        yield Case(f"RCPT: {code}", Fault("RCPT", f"550 {code} no\r\n".encode()), FAILED, suppress=dead)
    for code in ("5.1.0", "5.2.2", "5.4.1", "5.7.26"):
        yield Case(f"RCPT: {code}", Fault("RCPT", f"550 {code} no\r\n".encode()), FAILED)
    yield Case("RCPT: 5xx without more", Fault("RCPT", b"550 no such user here\r\n"), FAILED)
    yield Case("RCPT: greylisting", Fault("RCPT", b"450 4.2.0 greylisted\r\n"), RETRY)
    yield Case("RCPT: a dead user, for now", Fault("RCPT", b"450 4.1.1 unknown for now\r\n"), RETRY)
    yield Case("MAIL: our own address is unknown", Fault("MAIL", b"550 5.1.1 sender unknown\r\n"), FAILED)
    yield Case("MAIL: a login is needed", Fault("MAIL", b"530 5.7.0 authentication required\r\n"), RETURNED)
    yield Case("MAIL: full disk", Fault("MAIL", b"452 4.3.1 insufficient storage\r\n"), RETRY)


def _within_the_message() -> Iterator[Case]:
    for then in _ENDS:
        inside = Fault("BODY", then=then, after=100)
        yield Case(f"BODY: {then} in a small one", inside, AMBIGUOUS, whole=False)
        yield Case(f"BODY: {then} in a large one", inside, RETRY, large=True)
        yield Case(
            f"BODY: {then} in a large one, over TLS", inside, RETRY, large=True, options={"tls": "starttls"},
            extensions=("STARTTLS",),
        )  # fmt: skip
    for name, say, verdict in (
        ("4xx", b"452 4.3.1 full\r\n", RETRY), ("5xx", b"552 5.3.4 too big\r\n", FAILED), ("421", DOWN, RETURNED),
        ("an early 250", b"250 2.0.0 had enough\r\n", RETRY), ("garbage", GARBAGE, RETRY),
    ):  # fmt: skip
        yield Case(f"BODY: {name} in a large one", Fault("BODY", say, "stall", after=100), verdict, large=True)
    yield Case("DATA: 354 and an early 250", Fault("DATA", b"354 go\r\n250 ok\r\n", "stall"), RETRY)
    yield Case("DATA: 354 and an early 550", Fault("DATA", b"354 go\r\n550 no\r\n", "stall"), RETRY)
    yield Case("MAIL: every answer at once", Fault("MAIL", b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n", "stall"), RETRY)


def _after_the_dot() -> Iterator[Case]:
    yield Case("DOT: 4xx", Fault("DOT", BUSY), RETRY)
    yield Case("DOT: 5xx", Fault("DOT", GONE), FAILED)
    yield Case("DOT: 421", Fault("DOT", DOWN), RETRY, cy_pipelined=RETURNED)
    yield Case("DOT: 354", Fault("DOT", b"354 more\r\n", "stall"), AMBIGUOUS)
    yield Case("DOT: slow, but in time", Fault("DOT", b"250 2.0.0 ok\r\n", drip=0.01), SENT)
    yield Case("DOT: many lines, in time", Fault("DOT", b"250-a\r\n250-b\r\n250 c\r\n"), SENT)
    yield Case("DOT: a long answer", Fault("DOT", b"250 " + b"x" * 30_000 + b"\r\n"), SENT)
    yield Case("DOT: bare line ends", Fault("DOT", b"250-a\n250 b\n"), SENT)
    yield Case("DOT: bytes that are no text", Fault("DOT", b"250 \xff\xfe\x00\r\n"), SENT)
    yield Case("DOT: answered twice", Fault("DOT", b"250 ok\r\n250 ok\r\n"), SENT, cy=RETRY)
    yield Case("DOT: answered, then garbage", Fault("DOT", b"250 ok\r\n" + GARBAGE), SENT, cy=RETRY)
    yield Case("DOT: answered, then close", Fault("DOT", b"250 ok\r\n", "close"), SENT)
    yield Case("DOT: answered, then 421", Fault("DOT", b"250 ok\r\n" + DOWN, "close"), SENT, cy=RETURNED)
    for name, fault in _silences("DOT"):
        yield Case(f"DOT: {name}", fault, AMBIGUOUS)


def _forgetting() -> Iterator[Case]:
    """Bo is refused; forgetting him goes wrong, which is nobody else's fault."""
    refused = b"550 5.1.1 unknown\r\n"
    faults = {
        "4xx": BUSY, "5xx": GONE, "421": DOWN, "garbage": GARBAGE,
    }  # fmt: skip
    for name, say in faults.items():
        returned = RETURNED if name == "421" else None
        yield Case(
            f"RSET: {name}", Fault("RSET", say, extra={"RCPT": refused}), FAILED, cy_pipelined=returned,
            suppress="hard_bounce",
        )  # fmt: skip
    for then in _ENDS:
        fault = Fault("RSET", then=then, extra={"RCPT": refused})
        yield Case(f"RSET: {then}", fault, FAILED, suppress="hard_bounce")
    yield Case(
        "DATA: 503 after a refused recipient",
        Fault("DATA", b"503 5.5.1 no\r\n", extra={"RCPT": refused}),
        FAILED,
        suppress="hard_bounce",
    )
    lone = {"RCPT": refused, "DATA": b"354 go ahead\r\n"}
    for name, say in (("5xx", GONE), ("250", b"250 ok\r\n"), ("421", DOWN)):
        fault = Fault("LONE DOT", say, extra=lone)
        yield Case(f"LONE DOT: {name}", fault, FAILED, suppress="hard_bounce", modes=("pipelined",))
    for then in _ENDS:
        fault = Fault("LONE DOT", then=then, extra=lone)
        yield Case(f"LONE DOT: {then}", fault, FAILED, suppress="hard_bounce", modes=("pipelined",))


def _leaving() -> Iterator[Case]:
    for name, say in (("4xx", BUSY), ("5xx", GONE), ("421", DOWN), ("garbage", GARBAGE)):
        yield Case(f"QUIT: {name}", Fault("QUIT", say), SENT, modes=("pipelined",))
    for then in _ENDS:
        yield Case(f"QUIT: {then}", Fault("QUIT", then=then), SENT, modes=("pipelined",))
