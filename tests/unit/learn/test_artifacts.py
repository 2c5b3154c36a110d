from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automation.errors import BadArtifact, ContractError
from automation.ids import content_hash
from automation.learn import artifacts
from automation.learn.artifacts import Card

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "weights": np.arange(6, dtype=np.float64).reshape(2, 3),
    "names": np.frombuffer(b"abc", np.uint8),
}


def card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        "name": "churn_risk",
        "version": "",
        "using": "churn",
        "options": {"horizon": "60d", "labels": {"likely": 0.7}},
        "seed": 1,
        "trained_at": datetime(2026, 3, 30, 9, 0, 5, tzinfo=UTC),
        "data_version": "12",
        "as_of": datetime(2026, 3, 30, tzinfo=UTC),
        "code_version": "0123456789ab",
        "metrics": {"quality": 0.75, "baseline": 0.66},
        "admitted": True,
        "because": "admitted: AUC 0.75 beats recency alone, 0.66",
        "sha256": "",
    }
    return Card(**fields | changes)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    written = artifacts.write_artifact(tmp_path, card(), ARRAYS)
    return tmp_path / "churn_risk" / written.version


def refused(folder: Path) -> str:
    with pytest.raises(BadArtifact) as caught:
        artifacts.read_artifact(folder)
    return str(caught.value)


def reseal(folder: Path) -> None:
    """What somebody would do who changes the arrays and knows how the card is made."""
    path = folder / "card.json"
    content = json.loads(path.read_text())
    content["card"]["sha256"] = hashlib.sha256((folder / "arrays.npz").read_bytes()).hexdigest()
    content["sha256"] = content_hash(json.dumps(content["card"], sort_keys=True))
    path.write_text(json.dumps(content))


def test_reads_back_what_was_written(stored: Path) -> None:
    found, arrays = artifacts.read_artifact(stored)
    assert found == card(version=found.version, sha256=found.sha256)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_a_version_is_an_instant_and_a_short_hash(tmp_path: Path) -> None:
    first = artifacts.write_artifact(tmp_path, card(), ARRAYS)
    assert first.version.startswith("20260330T090005Z-")
    assert len(first.version) == len("20260330T090005Z-") + 8
    assert artifacts.write_artifact(tmp_path, card(), ARRAYS) == first
    assert artifacts.write_artifact(tmp_path, card(seed=2), ARRAYS).version != first.version
    assert len(list((tmp_path / "churn_risk").iterdir())) == 2


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        artifacts.write_artifact(tmp_path, card(), ARRAYS)
    assert list((tmp_path / "churn_risk").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "array", "told"),
    [
        ("w", np.array([{}], dtype=object), "churn_risk: save() returned 'w' as object; return numbers, text as uint8"),
        ("w", [1.0], "churn_risk: save() returned 'w' as list; return numbers, text as uint8"),
        ("w", np.array(["a"]), "churn_risk: save() returned 'w' as <U1; return numbers, text as uint8"),
        ("../w", np.zeros(1), "churn_risk: save() returned an array called '../w'; use letters, digits, _ - and ."),
        ("a/b", np.zeros(1), "churn_risk: save() returned an array called 'a/b'; use letters, digits, _ - and ."),
    ],
)
def test_refuses_arrays_that_need_unpickling(tmp_path: Path, name: str, array: Any, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        artifacts.write_artifact(tmp_path, card(), {name: array})
    assert str(caught.value) == told
    assert not (tmp_path / "churn_risk").exists()


def test_refuses_changed_arrays(stored: Path) -> None:
    path = stored / "arrays.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refused(stored) == (
        f"churn_risk/{stored.name}/arrays.npz can't be used: it was changed after training: the checksum "
        "differs; delete its folder and run `automation train churn_risk`"
    )


def test_refuses_a_changed_card(stored: Path) -> None:
    path = stored / "card.json"
    path.write_text(path.read_text().replace('"admitted": true', '"admitted": false'))
    assert "card.json can't be used: it was changed after training: the checksum differs" in refused(stored)


def test_refuses_a_version_under_another_name(stored: Path) -> None:
    moved = stored.rename(stored.with_name("20990101T000000Z-00000000"))
    assert f"it belongs to version {stored.name}" in refused(moved)


@pytest.mark.parametrize("name", ["card.json", "arrays.npz"])
def test_refuses_missing_and_linked_files(stored: Path, name: str) -> None:
    path = stored / name
    path.rename(stored.parent / name)
    assert f"{name} can't be used: the file is missing" in refused(stored)
    path.symlink_to(stored.parent / name)
    assert f"{name} can't be used: it is a link" in refused(stored)


def test_refuses_a_linked_folder(stored: Path) -> None:
    linked = stored.with_name("linked")
    linked.symlink_to(stored)
    assert "it is a link" in refused(linked)


def test_refuses_more_than_it_may_read(stored: Path) -> None:
    with pytest.raises(BadArtifact, match="more than the 100 allowed"):
        artifacts.read_artifact(stored, largest=100)
    (stored / "card.json").write_text(" " * (artifacts.LARGEST_CARD + 1))
    assert "it has 1,048,577 bytes, more than the 1,048,576 allowed" in refused(stored)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"card": {}, "sha256": ""}', "[" * 100_000, "\x00"])
def test_refuses_what_is_no_card(stored: Path, content: str) -> None:
    (stored / "card.json").write_text(content)
    assert "card.json can't be used: " in refused(stored)


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def saved(array: Any, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def boastful(shape: str) -> bytes:
    """An array's header that promises far more than follows it."""
    content = saved(np.zeros(3))
    return content.replace(b"'shape': (3,)", f"'shape': {shape}".encode())[: len(content)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not a zip", "File is not a zip file"),
        (zipped([("../../evil.npy", saved(np.zeros(1)))]), "its arrays have invalid names"),
        (zipped([("w.npy", b"garbage and more")]), "magic string is not correct"),
        (zipped([("w.npy", saved(np.array([{}], object), allow_pickle=True))]), "does not have the size in its header"),
        (zipped([("w.npy", boastful("(99999999999,)"))]), "does not have the size in its header"),
        (zipped([("w.npy", saved(np.zeros(3))[:-1])]), "does not have the size in its header"),
    ],
)
def test_refuses_hostile_arrays_even_under_a_right_checksum(stored: Path, content: bytes, told: str) -> None:
    (stored / "arrays.npz").write_bytes(content)
    reseal(stored)
    assert told in refused(stored)


def test_refuses_a_zip_that_unpacks_to_too_much(stored: Path) -> None:
    (stored / "arrays.npz").write_bytes(zipped([("w.npy", saved(np.zeros(200_000)))]))
    reseal(stored)
    with pytest.raises(BadArtifact, match="its arrays need more than the 100,000 bytes allowed"):
        artifacts.read_artifact(stored, largest=100_000)


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a\x00b"])
def test_refuses_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadArtifact, match="can't be a model's name or version: use letters"):
        artifacts.version_folder(tmp_path, name, "v1")
    with pytest.raises(BadArtifact):
        artifacts.version_folder(tmp_path, "churn_risk", name)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["metrics", "options"])
def test_refuses_a_card_whose_numbers_are_none(stored: Path, place: str, number: str) -> None:
    path = stored / "card.json"
    content = json.loads(path.read_text())
    content["card"][place]["x"] = "NUMBER"
    path.write_text(json.dumps(content).replace('"NUMBER"', number))
    assert "card.json can't be used: " in refused(stored)


def test_refuses_every_beginning_of_an_array_file(stored: Path) -> None:
    """Under a right checksum, so that each cut is really read: of the archive, and of an array inside it."""
    whole, array = (stored / "arrays.npz").read_bytes(), saved(np.zeros(3))
    cuts = [whole[:length] for length in range(0, len(whole), 7)]
    for content in cuts + [zipped([("w.npy", array[:length])]) for length in range(len(array))]:
        (stored / "arrays.npz").write_bytes(content)
        reseal(stored)
        assert "arrays.npz can't be used: " in refused(stored)


@pytest.mark.parametrize(
    "header", ["", "{", "(" * 200, "{'descr': 1}", "1L", "'\\x", "{'descr':'<f8','fortran_order':0L,"]
)
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_refuses_an_array_with_a_broken_header(stored: Path, header: str, version: int) -> None:
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    content = b"\x93NUMPY" + bytes([version, 0]) + size + header.encode()
    (stored / "arrays.npz").write_bytes(zipped([("w.npy", content)]))
    reseal(stored)
    assert "arrays.npz can't be used: " in refused(stored)
