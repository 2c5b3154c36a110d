"""One made-up customer's context, as the pipeline hands it to a template."""

from __future__ import annotations

from typing import Any


def shop_context(**changes: Any) -> dict[str, Any]:
    """Plain values only, as they come back from the store."""
    return {
        "customer": {"first_name": "Ana", "language": "en"},
        "items": [
            {
                "product_id": f"p{number}",
                "name": name,
                "price": price,
                "url": f"https://lindholm.example/p{number}?a=1&b=2",
                "image_url": image,
                "reason": "because you bought linen",
            }
            for number, (name, price, image) in enumerate(
                [
                    ("Globe lamp, brass & glass", 129.0, "https://lindholm.example/lamp.jpg"),
                    ("Stoneware mug", 24.5, None),
                    ("Smoked black tea", None, None),
                ],
                start=1,
            )
        ],
        "offer": {
            "name": "pct10",
            "label": "10 % off everything",
            "kind": "percent",
            "value": "0.1",
            "code": "WB-7K2M",
            "valid_until": "2026-12-24",
        },
        "shop": {
            "name": "Lindholm & Daughters",
            "url": "https://lindholm.example",
            "currency": "EUR",
            "address": "Speicherstrasse 4, 20457 Hamburg, Germany",
            "email": "hello@lindholm.example",
        },
        "campaign": {"name": "winback"},
        "links": {
            "unsubscribe": "https://news.lindholm.example/u/abc?x=1&y=2",
            "confirm": "https://news.lindholm.example/confirm/abc",
        },
        "today": "2026-11-03",
    } | changes
