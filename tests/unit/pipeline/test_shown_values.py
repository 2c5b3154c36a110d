"""The profile and the last order of those who object to profiling."""

from __future__ import annotations

import polars as pl

from automation.pipeline.shown_values import as_unknown

VALUES = pl.DataFrame(
    {
        "customer_id": ["c1", "c2", "c2"],
        "profile.lifecycle": ["new", "lost", "lost"],
        "profile.outlier": [True, True, True],
        "profile.orders": [1, 2, 2],
        "line.product_id": ["p1", "p2", "p3"],
    }
)


def test_who_objects_to_profiling_reads_what_somebody_reads_who_never_bought() -> None:
    assert as_unknown(VALUES, ["c2"]).rows() == [
        ("c1", "new", True, 1, "p1"),
        ("c2", "never_bought", False, None, None),
        ("c2", "never_bought", False, None, None),
    ]
    assert as_unknown(VALUES, []).equals(VALUES)
