"""Anything that a campaign or config.yaml names, and its options."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """The base class of every component's options: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@runtime_checkable
class Component(Protocol):
    """Anything that a campaign or config.yaml names. The constructor does no I/O and loads nothing heavy.

    Options: the model of its settings, frozen and with extra="forbid".
    """

    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...
