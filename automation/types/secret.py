"""A value that is never shown: a password, a token, a key."""

from __future__ import annotations

import re
from typing import Any

from pydantic import SecretStr
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""How a file refers to a secret: `${SMTP_PASSWORD}` as the whole value, read from the environment."""


class Secret(SecretStr):
    """Prints stars in `str`, `repr`, dumps and logs; `get_secret_value()` gives the text.

    A component's options declare a field of this type; the file then holds `${NAME}`, and the text itself there is
    refused.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{VARIABLE.pattern}$", "examples": ["${SMTP_PASSWORD}"]}
