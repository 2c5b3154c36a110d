"""A value as JSON, in a template."""

from __future__ import annotations

import json


def as_json(value: object) -> str:
    """`{{ customer.first_name | json }}` gives `"Ana"`, quotes and all; lists and mappings too."""
    return json.dumps(value, ensure_ascii=False, default=str)
