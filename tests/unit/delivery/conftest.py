"""Tests of delivery may have a store of its own."""

from support.stores import store

__all__ = ["store"]
