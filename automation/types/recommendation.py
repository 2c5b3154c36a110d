"""The recommendations of a campaign's messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, InstanceOf

from automation.types.condition import Using
from automation.types.grammar import FileModel, Names


class Recommend(FileModel):
    """Which products a message shows: up to `items`, from a recommender or model."""

    using: Annotated[InstanceOf[Using], Names("recommenders")]
    items: Annotated[int, Field(ge=1, le=100)] = 6
    at_least: Annotated[int, Field(ge=0, le=100)] = 0
    exclude: tuple[Literal["purchased", "out_of_stock"], ...] = ()
    otherwise: Annotated[InstanceOf[Using], Names("recommenders")] | None = None
