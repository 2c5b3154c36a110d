"""Arms and variants: stable, of the stated size, and independent of each other."""

from __future__ import annotations

import json
from decimal import Decimal

import polars as pl
import pytest

from automation.ids import shares, stable_hash
from automation.pipeline.assign import assign, distribution

PEOPLE = pl.DataFrame({"customer_id": [f"c{n}" for n in range(20_000)]})


def assigned(
    people: pl.DataFrame = PEOPLE,
    *,
    campaign: str = "winback",
    holdout: str | None = "0.1",
    global_holdout: str | None = None,
    **variants: str,
) -> pl.DataFrame:
    return assign(
        people,
        campaign=campaign,
        holdout=Decimal(holdout) if holdout else None,
        global_holdout=Decimal(global_holdout) if global_holdout else None,
        variants={name: Decimal(share) for name, share in variants.items()},
    )


def share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    return frame.filter(condition).height / frame.height


def test_the_hash_is_the_one_that_was_published() -> None:
    """FNV-1a of "salt", a zero byte and the id, finalised: worked out once by the scalar definition below."""

    def scalar(salt: str, text: str) -> int:
        state = 0xCBF29CE484222325
        for byte in salt.encode() + b"\0" + text.encode():
            state = ((state ^ byte) * 0x100000001B3) % 2**64
        for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            state = ((state ^ (state >> 33)) * multiplier) % 2**64
        return state ^ (state >> 33)

    ids = ["", "c1", "ünïcode", "a much longer customer id than the others", "c1"]
    found = stable_hash("salt", pl.Series(ids))
    assert found.tolist() == [scalar("salt", one) for one in ids]
    assert found[1] == found[4]
    assert stable_hash("salt", pl.Series(ids)[2:4]).tolist() == found[2:4].tolist()


def test_a_missing_id_is_refused() -> None:
    with pytest.raises(ValueError, match="an id is missing"):
        shares("salt", pl.Series(["c1", None]))


def test_a_customer_keeps_arm_and_variant_in_every_batch_and_run() -> None:
    whole = assigned(a="0.5", b="0.5")
    part = assigned(PEOPLE.sample(500, seed=1), a="0.5", b="0.5")
    joined = part.join(whole, on="customer_id", suffix="_then")
    assert (joined["arm"] == joined["arm_then"]).all()
    assert (joined["variant"] == joined["variant_then"]).all()


def test_shares_are_those_that_the_file_states() -> None:
    found = assigned(holdout="0.1", global_holdout="0.05", story="0.3", product="0.7")
    assert share(found, pl.col("arm") == "global_holdout") == pytest.approx(0.05, abs=0.006)
    assert share(found, pl.col("arm") == "holdout") == pytest.approx(0.095, abs=0.008)
    for arm in ("holdout", "contacted"):
        part = found.filter(pl.col("arm") == arm)
        assert share(part, pl.col("variant") == "story") == pytest.approx(0.3, abs=0.04)


def test_two_campaigns_hold_out_different_people() -> None:
    first = set(assigned(campaign="a").filter(pl.col("arm") == "holdout")["customer_id"])
    second = set(assigned(campaign="b").filter(pl.col("arm") == "holdout")["customer_id"])
    assert len(first & second) / len(first) == pytest.approx(0.1, abs=0.03)


def test_nobody_is_held_out_without_a_holdout() -> None:
    found = assigned(holdout=None)
    assert set(found["arm"]) == {"contacted"}
    assert found["variant"].is_null().all()


def test_the_whole_distribution_is_recorded() -> None:
    found = assigned(PEOPLE.head(1), holdout="0.1", story="0.5", product="0.5")
    assert json.loads(found["propensities"][0]) == {"holdout": 0.1, "story": 0.45, "product": 0.45}
    half, tenth = Decimal("0.5"), Decimal("0.1")
    assert distribution(tenth, tenth, {"a": half, "b": half}) == {
        "global_holdout": 0.1, "holdout": 0.09, "a": 0.405, "b": 0.405,
    }  # fmt: skip
    assert distribution(None, None, {}) == {"contacted": 1.0}
