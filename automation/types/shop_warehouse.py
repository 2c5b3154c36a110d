"""`warehouse:` in config.yaml: the shop's own tables in its own database, which are only read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from automation.types.schema import TABLES, TableName
from automation.types.secret import Secret


def _engine(url: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://\S+|spark://\S+|spark:local(\[(\d+|\*)\])?", url):
        raise ValueError(
            f"{url!r} is no engine; write postgresql://reader@host/shop, spark://host:7077 or spark:local[2]"
        )
    if re.match(r"\w+://[^/@\s]*:[^/@\s]+@", url):
        raise ValueError("the address contains a password; write it as password: ${WAREHOUSE_PASSWORD}")
    return url


def _table(name: str) -> str:
    if not re.fullmatch(r"[^.\s\"`;]+(\.[^.\s\"`;]+){0,2}", name):
        raise ValueError(f"{name!r} is not a table's name; write people, or crm.people")
    return name


class TablePlace(BaseModel):
    """The shop's table, and its column names: ours → theirs. Other columns keep their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Annotated[str, AfterValidator(_table)]
    columns: Mapping[str, str] = Field(default_factory=dict)


class ShopWarehouse(BaseModel):
    """Tables that are not listed are kept in the project's own warehouse, where `automation import` writes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_engine)]
    password: Secret | None = None
    tables: Mapping[str, TablePlace] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_tables(self) -> ShopWarehouse:
        for name in self.tables:
            if name not in TABLES:
                raise ValueError(f"there is no table {name!r}; there are {', '.join(TABLES)}")
        return self

    @property
    def places(self) -> Mapping[TableName, TablePlace]:
        """The shop's tables, in the order of `TABLES`."""
        return {name: self.tables[name] for name in TABLES if name in self.tables}
