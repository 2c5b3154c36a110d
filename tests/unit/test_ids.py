"""The stable hash against a second, plain reading of the papers, and the ids and tokens built beside it."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.ids import (
    bounce_token,
    bounced_message,
    content_hash,
    link_id,
    message_id,
    message_ids,
    message_of_link,
    message_of_token,
    new_request_id,
    shares,
    sign,
    stable_hash,
    verify,
)

MASK = 2**64 - 1


def fnv_1a(data: bytes) -> int:
    """Fowler, Noll and Vo: exclusive-or with each byte, then times the prime."""
    state = 14695981039346656037
    for byte in data:
        state = (state ^ byte) * 1099511628211 & MASK
    return state


def finalised(state: int) -> int:
    """The 64-bit finaliser of MurmurHash3."""
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return state ^ state >> 33


def test_fnv_1a_has_its_published_values() -> None:
    """Published values of 64-bit FNV-1a."""
    assert fnv_1a(b"") == 0xCBF29CE484222325
    assert fnv_1a(b"a") == 0xAF63DC4C8601EC8C
    assert fnv_1a(b"foobar") == 0x85944171F73967E8


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=8), st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_the_hash_is_fnv_1a_of_salt_and_id(salt: str, ids: list[str]) -> None:
    expected = [finalised(fnv_1a(salt.encode() + b"\x00" + one.encode())) for one in ids]
    assert stable_hash(salt, pl.Series(ids, dtype=pl.String)).tolist() == expected


def test_the_hash_never_changes() -> None:
    """Holdouts and samples of a running shop hang on these very numbers."""
    values = stable_hash("winback", pl.Series(["c1", "c2", "", "Žofie"]))
    assert values.dtype == np.uint64
    assert values.tolist() == [7108982254244588148, 1247077447062198209, 2796877384231280001, 3442575070341151671]
    assert shares("winback", pl.Series(["c1"])).tolist() == [(7108982254244588148 >> 11) / 2**53]


def test_an_id_s_hash_does_not_depend_on_its_batch() -> None:
    ids = pl.Series([f"customer {n}" for n in range(300)])
    whole = stable_hash("salt", ids)
    assert stable_hash("salt", ids[100:200]).tolist() == whole[100:200].tolist()
    assert stable_hash("salt", ids.reverse()).tolist() == whole[::-1].tolist()
    chunked = pl.concat([ids[:7], ids[7:]], rechunk=False)
    assert stable_hash("salt", chunked).tolist() == whole.tolist()


def test_no_ids_have_no_hashes() -> None:
    assert stable_hash("salt", pl.Series([], dtype=pl.String)).tolist() == []


def test_a_missing_id_is_refused() -> None:
    with pytest.raises(ValueError, match="an id is missing: ids must not be null"):
        stable_hash("salt", pl.Series(["c1", None]))


def test_shares_are_uniform_and_independent_between_salts() -> None:
    """50,000 ids: each tenth holds its tenth within 4 standard errors, and two salts agree no more than chance."""
    ids = pl.Series([f"{n}" for n in range(50_000)])
    first, second = shares("first", ids), shares("second", ids)
    assert first.min() >= 0
    assert first.max() < 1
    counts = np.histogram(first, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 5_000).max() < 4 * np.sqrt(50_000 * 0.1 * 0.9)
    both = np.count_nonzero((first < 0.1) & (second < 0.1))
    assert abs(both - 500) < 4 * np.sqrt(50_000 * 0.01 * 0.99)


def test_a_content_hash_tells_the_parts_apart() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert content_hash("a") == content_hash(b"a")
    framed = (1).to_bytes(8, "big") + b"a"
    assert content_hash("a") == hashlib.sha256(framed).hexdigest()


def test_a_message_s_id_is_its_run_and_batch_and_a_keyed_hash_of_its_decision_and_channel() -> None:
    expected = "00000007" + "000003" + hmac.new(b"key", b"7:c1:order|email", hashlib.sha256).hexdigest()[:18]
    here = {"run_id": 7, "batch_no": 3}
    assert message_id(b"key", "7:c1:order", "email", **here) == expected
    assert message_ids(b"key", ["7:c1:order|email", "7:c2|email"], **here) == [
        expected,
        message_id(b"key", "7:c2", "email", **here),
    ]
    other = message_id(b"other", "7:c1:order", "email", **here)
    assert (other[:14], other != expected) == (expected[:14], True)


def test_message_ids_are_in_the_order_of_runs_and_batches_and_as_long_for_the_largest() -> None:
    places = [(1, 0), (1, 1), (1, 2**24 - 1), (2, 0), (2**31, 9), (2**32 - 1, 2**24 - 1)]
    ids = [message_id(b"key", "d", "email", run_id=run, batch_no=batch) for run, batch in places]
    assert ids == sorted(ids)
    longer = message_id(b"key", "d", "email", run_id=2**40, batch_no=2**30)
    assert {len(one) for one in (*ids, longer)} == {32}
    assert longer != message_id(b"key", "d", "email", run_id=2**40, batch_no=2**30 + 1)


def test_a_signed_value_comes_back_only_for_its_purpose_and_unchanged() -> None:
    token = sign(b"key", "unsubscribe", "c1.newsletter")
    assert verify(b"key", "unsubscribe", token) == "c1.newsletter"
    assert verify(b"key", "open", token) is None
    assert verify(b"other", "unsubscribe", token) is None
    for changed in ("", "c1", token[:-1], "c2" + token[2:], token + "0"):
        assert verify(b"key", "unsubscribe", changed) is None


def test_a_bounce_token_fits_into_a_local_part_and_survives_a_change_of_case() -> None:
    message = message_id(b"key", "7:c1", "email", run_id=7, batch_no=0)
    token = bounce_token(b"key", message)
    assert len(f"bounces+{token}") == 57
    assert bounced_message(b"key", token) == bounced_message(b"key", token.upper()) == message
    for changed in ("", message, token[:-1], "f" + token[1:], token + "0"):
        assert bounced_message(b"key", changed) is None
    assert bounced_message(b"other", token) is None


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=32))
def test_an_id_for_links_leads_back_to_its_message_and_shows_nothing_of_it(message: bytes, secret: bytes) -> None:
    link = link_id(secret, message.hex())
    assert len(link) == 32
    assert link != message.hex()
    assert message_of_link(secret, link) == message.hex()
    assert message_of_link(secret + b"x", link) != message.hex()
    assert message_of_token(secret, "open", sign(secret, "open", link)) == message.hex()
    assert message_of_token(secret, "click", sign(secret, "open", link)) is None


def test_ids_for_links_differ_from_each_other() -> None:
    """It is a permutation: no two messages share one."""
    assert len({link_id(b"key", f"{number:032x}") for number in range(2_000)}) == 2_000
    for wrong in ("", "0", "xy" * 16, "é" * 32):
        assert message_of_link(b"key", wrong) is None


def test_request_ids_differ() -> None:
    made = {new_request_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 16 for one in made)
