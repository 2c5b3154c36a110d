"""A secret shows itself only when asked by name."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from automation.contracts import Options
from automation.types.secret import VARIABLE, Secret


class _Mail(Options):
    password: Secret


def test_prints_stars_everywhere() -> None:
    options = _Mail(password=Secret("open sesame"))
    shown = f"{options} {options!r} {options.password} {options.model_dump()} {options.model_dump_json()}"
    assert "sesame" not in shown
    assert "****" in shown
    assert options.password.get_secret_value() == "open sesame"


def test_the_schema_wants_a_variable() -> None:
    schema: dict[str, Any] = TypeAdapter(Secret).json_schema()
    assert schema["pattern"].startswith("^") and "sesame" not in json.dumps(schema)  # noqa: PT018
    assert VARIABLE.fullmatch("${SMTP_PASSWORD}")
    assert not VARIABLE.fullmatch("prefix ${SMTP_PASSWORD}")
