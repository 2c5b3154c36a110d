"""A message from its template: our renderer against Jinja2's own sandbox, with the same output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from jinja2.sandbox import SandboxedEnvironment
from measure import Measure, arguments, median_seconds, report, say

from automation.messages.render import Body, Renderer
from automation.messages.template.files import Templates

SUBJECT = "{{ customer.first_name }}, {{ offer.label }} until {{ offer.valid_until }}"
HTML = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{{ shop.name }}</title></head>
<body style="margin: 0; padding: 0; background: #f4f1ec; font-family: Helvetica, Arial, sans-serif; color: #222222">
<div style="display: none; max-height: 0; overflow: hidden">{{ offer.label }} for you at {{ shop.name }}</div>
<table role="presentation" width="100%" cellspacing="0" cellpadding="0"><tbody><tr><td align="center">
<table role="presentation" width="600" cellspacing="0" cellpadding="0" style="background: #ffffff"><tbody>
<tr><td style="padding: 32px 40px 8px"><a href="{{ shop.url }}">{{ shop.name }}</a></td></tr>
<tr><td style="padding: 8px 40px"><h1 style="font-size: 24px; margin: 0">Hello {{ customer.first_name }}</h1>
<p style="font-size: 16px; line-height: 24px; margin: 12px 0">It has been a while. The evenings are long again, and we
have been busy: here is what goes well with what you have in {{ customer.city }} already, picked for you.</p></td></tr>
{% for item in items %}<tr><td style="padding: 12px 40px; border-top: 1px solid #e5e0d8">
{% if item.image_url %}<img src="{{ item.image_url }}" alt="{{ item.name }}" width="120" height="120">
{% endif %}<p><a href="{{ item.url }}">{{ item.name }}</a><br>
{{ item.price }} {{ shop.currency }}</p>
<p style="color: #777777; font-size: 13px">{{ loop.index }}. {{ item.reason }}</p></td></tr>
{% endfor %}{% if offer %}<tr><td style="padding: 16px 40px; background: #efe9df; text-align: center">
<p style="font-size: 20px; margin: 0"><strong>{{ offer.label }}</strong></p>
<p>Your code <strong>{{ offer.code }}</strong> is good until {{ offer.valid_until }}.</p></td></tr>
{% endif %}<tr><td style="padding: 24px 40px">
<p style="font-size: 16px; line-height: 24px">Everything is in stock today, and leaves our house within a day. Should
it not fit, send it back within a month: we pay for the way there and for the way back. A lamp bought from us is
repaired by us, whatever its age; bring it along, or write to us and we send a box for it. Our shops in Hamburg and in
Malmö are open on weekdays from ten to six; in December on Saturdays too, with tea and cake.</p>
<p>See you soon,<br>{{ shop.name }}</p></td></tr>
<tr><td style="padding: 16px 40px; font-size: 12px; color: #777777">
<p>{{ shop.name }}, {{ shop.address }}<br>You get this because you said yes to {{ campaign.name }}.
Write to {{ shop.email }}, <a href="{{ links.preferences }}">choose what you get</a> or
<a href="{{ links.unsubscribe }}">unsubscribe</a>.</p></td></tr>
</tbody></table></td></tr></tbody></table>

</body></html>"""
TEXT = """Hello {{ customer.first_name }},
{% for item in items %}
{{ loop.index }}. {{ item.name }}, {{ item.price }} {{ shop.currency }}, {{ item.reason }}
{{ item.url }}
{% endfor %}
{% if offer %}{{ offer.label }} with {{ offer.code }} until {{ offer.valid_until }}.{% endif %}
{{ shop.name }}, {{ shop.address }}
{{ links.unsubscribe }}"""


def context(number: int) -> dict[str, Any]:
    """One customer's, as the pipeline hands it over."""
    return {
        "customer": {"first_name": f"Ana & {number}", "city": "Lisboa", "country": "PT", "loyalty_tier": "gold"},
        "items": [
            {
                "product_id": f"p{n}",
                "name": f"Globe lamp no. {number + n}, brass & glass",
                "price": 129.5 + n,
                "url": f"https://lindholm.example/p/{number + n}?utm_source=mail&utm_campaign=winback",
                "image_url": f"https://lindholm.example/i/{n}.jpg",
                "reason": "because you bought linen",
            }
            for n in range(4)
        ],
        "offer": {"name": "pct10", "label": "10 % off", "code": f"WB-{number}", "valid_until": "24 May"},
        "shop": {
            "name": "Lindholm & Daughters", "url": "https://lindholm.example", "currency": "EUR",
            "address": "Speicherstrasse 4, Hamburg", "email": "hello@lindholm.example",
        },
        "campaign": {"name": "winback"},
        "links": {"unsubscribe": f"https://lindholm.example/u/{number}?a=1&b=2", "preferences": "https://lindholm.example/p"},
        "today": "2026-05-10",
    }  # fmt: skip


def ours() -> Callable[[dict[str, Any]], tuple[str, str, str]]:
    files = {"t/email.html": HTML, "t/email.txt": TEXT, "t/en.yaml": f'subject: "{SUBJECT}"\n'}
    renderer = Renderer(Templates.from_content(files))

    def render(values: dict[str, Any]) -> tuple[str, str, str]:
        body: Body = renderer.render("t", "email", values, language="en")
        return body.subject, body.text, body.html

    return render


def stock() -> Callable[[dict[str, Any]], tuple[str, str, str]]:
    """Compiled once too; the subject and the text are not escaped, as ours aren't."""
    markup, plain = (SandboxedEnvironment(autoescape=escape, trim_blocks=True) for escape in (True, False))
    subject, text, html = plain.from_string(SUBJECT), plain.from_string(TEXT), markup.from_string(HTML)
    return lambda values: (subject.render(values), text.render(values), html.render(values))


def main() -> int:
    chosen = arguments(__doc__ or "")
    count, rounds = (300, 7) if chosen.quick else (1_000, 15)
    contexts = [context(number) for number in range(count)]
    mine, theirs = ours(), stock()
    assert [mine(one) for one in contexts[:50]] == [theirs(one) for one in contexts[:50]]
    size = len(HTML.encode()) + len(TEXT.encode())
    say(f"{size:,} bytes of template, {count:,} messages, {rounds} rounds in turn, medians")
    taken = median_seconds(
        {
            "ours": lambda: [mine(one) for one in contexts],
            "stock": lambda: [theirs(one) for one in contexts],
        },
        rounds,
    )
    us, them = (taken[name] / count * 1e6 for name in ("ours", "stock"))
    return report(
        [Measure("render, against Jinja2's sandbox", us, "us a message", them, them / us, "ratio >= 1.6")],
        chosen.format,
    )


if __name__ == "__main__":
    sys.exit(main())
