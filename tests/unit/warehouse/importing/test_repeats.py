"""Ids that come again, beside Python's own set and counter."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.warehouse.importing import repeats
from automation.warehouse.importing.repeats import Ids, Repeats

frames = st.lists(st.lists(st.integers(0, 40).map(str), max_size=30), max_size=6)


@given(frames)
def test_an_id_came_before_or_did_not(given_ids: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_SLOT_BITS", 3)  # eight places for 41 ids: nearly everything may have come before
        ids, seen = Ids(), set[str]()
        for frame in given_ids:
            expected = []
            for one in frame:
                expected.append(one in seen)
                seen.add(one)
            assert ids.add(pl.Series(frame, dtype=pl.String)).to_list() == expected


@given(frames)
def test_repeated_rows_are_numbered_through_all_frames(given_ids: list[list[str]]) -> None:
    numbered, times = Repeats(), Counter[str]()
    for frame in given_ids:
        expected = []
        for one in frame:
            times[one] += 1
            expected.append(one if times[one] == 1 else f"{one}-{times[one]}")
        rows = pl.DataFrame({"event_id": frame, "n": range(len(frame))}, schema={"event_id": pl.String, "n": pl.Int64})
        found = numbered.number(rows)
        assert found["event_id"].to_list() == expected
        assert found["n"].to_list() == list(range(len(frame)))
        assert found.schema == rows.schema


def test_ids_that_share_one_hash_are_told_apart_by_the_other() -> None:
    """Of 64 bits two among 20 million share all once in 100,000 imports; both hashes have to agree."""

    class Known(Ids):
        def hashes(self, ids: pl.Series) -> tuple[repeats.Hashes, repeats.Hashes]:
            first, second = super().hashes(ids)
            return first * 0, second

    known = Known()
    assert known.add(pl.Series(["a"])).to_list() == [False]
    assert known.add(pl.Series(["b", "a"])).to_list() == [False, True]
