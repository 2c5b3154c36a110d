"""Fitted models."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ModelVersion(SQLModel, table=True):
    """A fitted model's card. Runs use the `active` version."""

    __tablename__ = "model_version"

    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    fitted_at: int = Field(sa_type=BigInteger)
    admitted: bool
    active: bool
    card: str
