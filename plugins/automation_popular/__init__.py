"""`popular`: recommends the products that most customers buy now, also to customers without any history."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Recommender
from automation.hookspecs import hookimpl


@hookimpl
def register_recommenders(register: Callable[[str, type[Recommender]], None]) -> None:
    from automation_popular.recommender import Popular

    register("popular", Popular)
