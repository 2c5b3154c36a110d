"""Each loop of references is found once, and only loops are."""

from __future__ import annotations

from automation.config.reference_loops import find_loops


def test_each_loop_is_found_once_from_its_first_name() -> None:
    references = {"start": ["b"], "a": ["b"], "b": ["a"], "c": ["c"], "d": ["unknown"]}

    assert list(find_loops(references)) == [("a", "b", "a"), ("c", "c")]


def test_two_ways_to_one_name_are_no_loop() -> None:
    assert list(find_loops({"top": ["left", "right"], "left": ["low"], "right": ["low"], "low": []})) == []


def test_many_ways_are_followed_once_each() -> None:
    """40 levels of two names, both of which refer to both names below: 2 to the power of 40 ways."""
    levels = {f"{side}{n}": [f"l{n + 1}", f"r{n + 1}"] for n in range(40) for side in "lr"}

    assert list(find_loops(levels)) == []


def test_a_long_chain_is_followed_to_its_end() -> None:
    chain = {f"s{n}": [f"s{n + 1}"] for n in range(5_000)}
    assert list(find_loops(chain)) == []
    (loop,) = find_loops({**chain, "s5000": ["s0"]})
    assert (loop[0], loop[-1], len(loop)) == ("s0", "s0", 5_002)
