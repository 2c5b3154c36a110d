"""Recommendations by k nearest neighbours, trained by scikit-surprise."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Recommender
from automation.hookspecs import hookimpl


@hookimpl
def register_recommenders(register: Callable[[str, type[Recommender]], None]) -> None:
    from automation_surprise.recommender import SurpriseKnn

    register("surprise_knn", SurpriseKnn)
