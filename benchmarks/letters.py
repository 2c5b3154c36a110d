"""The message that the benchmarks of delivery send: a newsletter of twenty products, text and HTML, not ASCII alone."""

from __future__ import annotations

from datetime import UTC, datetime

from automation.types.message import Rendered

_TOKEN = f"{'0123456789abcdef' * 2}.{'fedcba9876543210' * 2}"


def letter(number: int = 1) -> Rendered:
    """2.9 KB of HTML and 1.5 KB of text."""
    link = "https://lindholm.example/p/{0}?utm_source=mail"
    rows = "".join(
        f'<tr><td style="padding: 8px"><a href="{link.format(n)}&amp;n={n}">Globe lamp no. {n} – für dich</a></td>'
        f"<td>{n * 3},50 €</td></tr>\n"
        for n in range(20)
    )
    text = "".join(f"Globe lamp no. {n} – für dich: {link.format(n)}&n={n}\n" for n in range(20))
    return Rendered(
        id=f"{number:032x}",
        attempt=1,
        channel="email",
        to=f"ana{number}@example.org",
        sent_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        text=text,
        html=f"<html><body><table>\n{rows}</table></body></html>\n",
        subject="Grüße: 10 % off everything 🎁",
        sender="Lindholm & Daughters <hello@lindholm.example>",
        reply_to="hello@lindholm.example",
        language="de",
        headers={
            "List-Unsubscribe": f"<https://lindholm.example/u/{_TOKEN}>, "
            f"<mailto:hello@lindholm.example?subject=unsubscribe%20{_TOKEN}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
