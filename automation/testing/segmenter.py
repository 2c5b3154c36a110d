"""What every segmenter must do."""

from __future__ import annotations

import importlib.util
import io
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from automation.contracts import Segmenter, Snapshot
from automation.errors import BadArtifact, NotEnoughData
from automation.testing.lapsing_shop import empty_shop, lapsing_shop

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST_FRAME = 50_000
COLUMNS = {"customer_id": pl.String(), "label": pl.String(), "score": pl.Float64(), "reasons": pl.List(pl.String())}
HEAVY = ("numpy", "polars", "ibis", "scipy", "sklearn", "pandas", "torch", "sqlalchemy")


def check_segmenter(
    segmenter: type[Segmenter], options: BaseModel | None = None, *, shop: Snapshot | None = None, seed: int = 1
) -> None:
    """Run every behaviour of the contract on `shop` (400 made-up customers unless given); one line in a plugin's tests.

    Checked: the answer's columns, dtypes, ids, scores in [0, 1] and reasons; that the same seed gives the same answer,
    in a new component, in a refitted one and in one that was saved and loaded; that foreign arrays are refused with
    `BadArtifact`; that a shop without a single event raises `NotEnoughData` or has no members; that importing the
    component loads nothing heavy. Raises AssertionError.
    """
    options = segmenter.Options() if options is None else options
    data = lapsing_shop() if shop is None else shop
    check_light_import(segmenter)
    first = segmenter(options)
    check_metrics(first, data, seed=seed)
    answer = check_answer(first, data)
    again = segmenter(options)
    again.fit(data, seed=seed, parts={})
    assert_frame_equal(check_answer(again, data), answer)
    again.fit(data, seed=seed, parts={})
    assert_frame_equal(check_answer(again, data), answer)
    assert_frame_equal(check_answer(check_kept(first, options), data), answer)
    check_foreign_arrays(segmenter(options))
    check_empty_shop(segmenter(options))


def check_answer(segmenter: Segmenter, data: Snapshot) -> pl.DataFrame:
    """All frames of `assign` as one, sorted by customer_id, after checking them. Raises AssertionError."""
    frames = list(segmenter.assign(data))
    assert frames, "assign gave no frame for a shop that it was fitted on"
    for frame in frames:
        assert dict(frame.schema) == COLUMNS, f"assign gave the columns {dict(frame.schema)}, not {COLUMNS}"
        assert len(frame) <= LARGEST_FRAME, f"a frame has {len(frame)} rows; {LARGEST_FRAME} are allowed"
    answer = pl.concat(frames).sort("customer_id")
    ids = answer["customer_id"]
    assert ids.null_count() == 0, "assign gave a customer without an id"
    assert ids.n_unique() == len(ids), "assign gave a customer twice"
    known = data.customers.select("customer_id").to_polars()["customer_id"]
    assert ids.is_in(known.implode()).all(), "assign gave an id that is no customer's"
    scores = answer["score"].drop_nulls()
    assert scores.is_between(0, 1).all(), "a score lies outside [0, 1] or is NaN"
    reasons = answer["reasons"]
    assert reasons.null_count() == 0, "reasons are null; give an empty list"
    assert reasons.list.len().max() in {0, 1, 2, 3}, "a customer has more than 3 reasons"
    assert reasons.explode(empty_as_null=False).null_count() == 0, "a reason is null"
    return answer


def check_metrics(segmenter: Segmenter, data: Snapshot, *, seed: int) -> None:
    """`fit` returns finite numbers. Raises AssertionError."""
    metrics = segmenter.fit(data, seed=seed, parts={})
    for name, value in metrics.items():
        assert math.isfinite(value), f"the metric {name!r} is {value}"


def check_kept(segmenter: Segmenter, options: BaseModel) -> Segmenter:
    """A new component that took back what `save` gave, through a file. Raises AssertionError."""
    arrays = segmenter.save()
    for name, array in arrays.items():
        assert array.dtype.kind in "biuf", f"the array {name!r} is {array.dtype}; give numbers, text as uint8"
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{f"array.{name}": array for name, array in arrays.items()})
    file.seek(0)
    loaded = type(segmenter)(options)
    with np.load(file, allow_pickle=False) as stored:
        loaded.load({name.removeprefix("array."): stored[name] for name in stored.files}, parts={})
    return loaded


def check_foreign_arrays(segmenter: Segmenter) -> None:
    """Arrays of another model raise `BadArtifact`. Raises AssertionError."""
    for foreign in ({}, {"something": np.zeros(3)}):
        try:
            segmenter.load(foreign, parts={})
        except BadArtifact:
            continue
        raise AssertionError(f"load took {sorted(foreign)}, which it never saved; raise BadArtifact")


def check_empty_shop(segmenter: Segmenter) -> None:
    """Without a single event there is nothing to learn, or nobody in it. Raises AssertionError."""
    try:
        segmenter.fit(empty_shop(), seed=1, parts={})
    except NotEnoughData as error:
        told = bool(error.needs and error.has)
    else:
        told = not any(len(frame) for frame in segmenter.assign(empty_shop()))
    assert told, "an empty shop must raise NotEnoughData(needs, has), or have no members"


def check_light_import(component: type) -> None:
    """Importing the component's package loads nothing heavy. Raises AssertionError.

    A project's own plugin, loaded by path, has no name to import by and is not checked.
    """
    package = component.__module__.partition(".")[0]
    if importlib.util.find_spec(package) is None or package.startswith("_"):
        return
    code = f"import sys, {package}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 -- our own interpreter, a module's name
    assert done.returncode == 0, f"import {package} failed: {done.stderr}"
    assert not done.stdout.strip(), f"import {package} loads {done.stdout.strip()}; import them inside functions"
