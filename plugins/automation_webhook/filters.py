"""The template filter `json`."""

from __future__ import annotations

import json


def to_json(value: object) -> str:
    """The value as JSON: `{{ customer.first_name | json }}` gives `"Ana"` with the quotes. Works for any value."""
    return json.dumps(value, ensure_ascii=False, default=str)
