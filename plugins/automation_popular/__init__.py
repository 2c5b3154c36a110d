"""What most customers buy now: the recommendation for those of whom nothing is known."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Recommender
from automation.hookspecs import hookimpl


@hookimpl
def register_recommenders(register: Callable[[str, type[Recommender]], None]) -> None:
    from automation_popular.recommender import Popular

    register("popular", Popular)
