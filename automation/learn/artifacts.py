"""A trained model on disk: a folder with `arrays.npz` and `card.json`, which has the SHA-256 of both."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError

from automation.contracts.answers import check_arrays, is_array_name
from automation.errors import BadArtifact
from automation.ids import content_hash
from automation.syncing import sync_path

Arrays = Mapping[str, np.ndarray[Any, Any]]

ARRAYS, CARD = "arrays.npz", "card.json"
LARGEST_CARD = 1 << 20
LARGEST_ARRAYS = 4 << 30
_PART_OF_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True)
class Card:
    """What was trained, from which data, by which code, and how good it is. `sha256` is that of the arrays file."""

    name: str
    version: str
    using: str
    options: Mapping[str, JsonValue]
    seed: int
    trained_at: datetime
    data_version: str
    as_of: datetime
    code_version: str
    metrics: Mapping[str, float]
    admitted: bool
    because: str
    sha256: str


def version_folder(folder: Path, name: str, version: str) -> Path:
    """`folder/name/version`. Raises `BadArtifact` for a name or version that would leave the folder."""
    for part in (name, version):
        if not _PART_OF_PATH.fullmatch(part):
            raise BadArtifact(f"{part!r} can't be a model's name or version: use letters, digits, '_', '-' and '.'")
    return folder / name / version


def write_artifact(folder: Path, card: Card, arrays: Arrays) -> Card:
    """Store the model as `folder/<card.name>/<version>/`, atomically.

    Returns the card with its version (the instant of training and a short hash of the card) and its sha256.
    Raises `ContractError` for arrays that can't be read without unpickling.
    """
    check_arrays(arrays, card.name)
    parent = version_folder(folder, card.name, "x").parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
    try:
        sha256 = _write_arrays(temporary / ARRAYS, arrays)
        card = dataclasses.replace(card, version="", sha256=sha256)
        version = f"{card.trained_at:%Y%m%dT%H%M%SZ}-{_checksum(card)[:8]}"
        card = dataclasses.replace(card, version=version)
        _write_card(temporary / CARD, card)
        sync_path(temporary)
        _move(temporary, parent / version)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return card


def read_artifact(folder: Path, *, largest: int = LARGEST_ARRAYS) -> tuple[Card, dict[str, np.ndarray[Any, Any]]]:
    """The card and arrays of one version's folder, both verified. Raises `BadArtifact`."""
    card = read_card(folder)
    path = folder / ARRAYS
    try:
        with _open(path, largest) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != card.sha256:
                _refuse(path, "it was changed after training: the checksum differs")
            file.seek(0)
            return card, _read_arrays(path, file, largest)
    except BadArtifact:
        raise
    except Exception as error:  # numpy and zipfile raise a dozen kinds for a file that was cut or changed
        _refuse(path, _first_line(error))


def read_card(folder: Path) -> Card:
    """The card alone, verified by its checksum. Raises `BadArtifact`."""
    path = folder / CARD
    try:
        with _open(path, LARGEST_CARD) as file:
            stored = json.loads(file.read())
        if not isinstance(stored, dict) or set(stored) != {"card", "sha256"}:
            _refuse(path, "it is not a model's card")
        card = TypeAdapter(Card).validate_python(stored["card"])
        checksum = _checksum(card)
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        _refuse(path, _first_line(error))
    if stored["sha256"] != checksum:
        _refuse(path, "it was changed after training: the checksum differs")
    if card.version != folder.name:
        _refuse(path, f"it belongs to version {card.version}")
    return card


def _write_arrays(path: Path, arrays: Arrays) -> str:
    with path.open("xb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name in sorted(arrays):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, arrays[name], allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_card(path: Path, card: Card) -> None:
    text = json.dumps({"card": dump_card(card), "sha256": _checksum(card)}, indent=2, sort_keys=True, allow_nan=False)
    with path.open("x", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def dump_card(card: Card) -> dict[str, JsonValue]:
    """The card as JSON values."""
    values = TypeAdapter(Card).dump_python(card, mode="json")
    assert isinstance(values, dict)
    return values


def parse_card(text: str) -> Card:
    """The card from the JSON text of `dump_card`'s values."""
    return TypeAdapter(Card).validate_json(text)


def _checksum(card: Card) -> str:
    return content_hash(json.dumps(dump_card(card), sort_keys=True, allow_nan=False))


def _move(temporary: Path, target: Path) -> None:
    """Rename into place; an equal version that already exists stays."""
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    sync_path(target.parent)


def _open(path: Path, largest: int) -> BufferedReader:
    """Open a regular file of limited size; a link is refused, because it could lead anywhere."""
    if path.is_symlink() or path.parent.is_symlink():
        _refuse(path, "it is a link")
    if not path.is_file():
        _refuse(path, "the file is missing")
    size = path.stat().st_size
    if size > largest:
        _refuse(path, f"it has {size:,} bytes, more than the {largest:,} allowed")
    return path.open("rb")


def _read_arrays(path: Path, file: BufferedReader, largest: int) -> dict[str, np.ndarray[Any, Any]]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        if len(set(names)) != len(names) or not all(is_array_name(name) for name in names):
            _refuse(path, "its arrays have invalid names")
        if sum(entry.file_size for entry in entries) > largest:
            _refuse(path, f"its arrays need more than the {largest:,} bytes allowed")
        for entry in entries:
            _check_header(path, archive, entry)
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in names}


def _check_header(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Compare the size in the header with the entry's size, before numpy allocates it."""
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file)[0] == 1:
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        size = dtype.itemsize
        for length in shape:
            size *= length
        if dtype.hasobject or file.tell() + size != entry.file_size:
            _refuse(path, f"array {entry.filename!r} does not have the size in its header")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _refuse(path: Path, what: str) -> NoReturn:
    place, model = "/".join(path.parts[-3:]), path.parent.parent.name
    raise BadArtifact(f"{place} can't be used: {what}; delete its folder and run `automation train {model}`")
