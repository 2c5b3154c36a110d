"""Every test of the store has a store of its own."""

from support.stores import store

__all__ = ["store"]
