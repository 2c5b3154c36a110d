"""What every segmenter must do, as one call: `check_segmenter(MySegmenter)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from automation.contracts import Segmenter, Snapshot
from automation.contracts.answers import check_arrays, check_members, check_metrics
from automation.errors import NotEnoughData
from automation.testing.lapsing_shop import empty_shop, lapsing_shop
from automation.testing.promises import (
    check_light_import,
    check_options,
    check_refused,
    keep,
    require,
    through_file,
)

if TYPE_CHECKING:
    from pydantic import BaseModel


def check_segmenter(
    segmenter: type[Segmenter], options: BaseModel | None = None, *, shop: Snapshot | None = None, seed: int = 1
) -> None:
    """Assert the contract of `automation.contracts.Segmenter`, on `shop` (400 made-up customers if None).

    Checked: options are frozen and strict; the module imports nothing heavy; metrics are finite; the columns, dtypes,
    ids, scores and reasons of the answer; that the same seed gives the same answer, in a new component, in a refitted
    one and in one that was saved and loaded; that foreign arrays raise `BadArtifact`; that a shop without a single
    event raises `NotEnoughData` or has no members. Raises AssertionError, saying which of these is broken.
    """
    check_options(segmenter)
    check_light_import(segmenter)
    options = segmenter.Options() if options is None else options
    data = lapsing_shop() if shop is None else shop
    first = segmenter(options)
    keep(check_metrics, first.fit(data, seed=seed, parts={}), segmenter.__name__)
    members = check_answer(first, data)
    again = segmenter(options)
    for _ in range(2):
        again.fit(data, seed=seed, parts={})
        assert_frame_equal(check_answer(again, data), members)
    loaded = segmenter(options)
    keep(check_arrays, first.save(), segmenter.__name__)
    loaded.load(through_file(first.save()), parts={})
    assert_frame_equal(check_answer(loaded, data), members)
    for foreign in ({}, {"something": np.zeros(3)}):
        check_refused(segmenter(options), foreign, f"of {sorted(foreign)}, which it never saved,")
    _check_empty_shop(segmenter(options))


def check_answer(segmenter: Segmenter, data: Snapshot) -> pl.DataFrame:
    """All frames of `assign` as one, sorted by customer_id, after checking them. Raises AssertionError."""
    frames = list(segmenter.assign(data))
    require(frames, "assign returned no frame for a shop that it was fitted on")
    for frame in frames:
        keep(check_members, frame, f"segmenter {type(segmenter).__name__}")
    members = pl.concat(frames).sort("customer_id")
    ids = members["customer_id"]
    require(ids.n_unique() == len(ids), "assign returned a customer twice")
    known = data.customers.select("customer_id").to_polars()["customer_id"]
    require(ids.is_in(known.implode()).all(), "assign returned an id that no customer has")
    return members


def _check_empty_shop(segmenter: Segmenter) -> None:
    """Without a single event there is nothing to learn, or the segment is empty."""
    try:
        segmenter.fit(empty_shop(), seed=1, parts={})
    except NotEnoughData as error:
        fine = bool(error.needs and error.has)
    else:
        fine = not any(len(frame) for frame in segmenter.assign(empty_shop()))
    require(fine, "an empty shop must raise NotEnoughData(needs, has), or have no members")
