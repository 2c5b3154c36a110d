"""Converts a trained model to arrays and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from automation.errors import BadArtifact
from automation_surprise.training import TrainedModel

if TYPE_CHECKING:
    from automation_surprise.options import SurpriseKnnOptions

    Arrays = Mapping[str, np.ndarray[Any, Any]]

FORMAT = 1
_DTYPES = {
    "head": np.uint8, "products": np.uint8, "customers": np.uint8, "x_levels": np.float64, "y_levels": np.float64,
    "neighbours_data": np.float64, "neighbours_indices": np.int32, "neighbours_indptr": np.int64,
    "ratings_data": np.float64, "ratings_indices": np.int32, "ratings_indptr": np.int64,
}  # fmt: skip


def to_arrays(model: TrainedModel, options: SurpriseKnnOptions) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a model. Ids and the head are JSON in UTF-8 bytes; a matrix is stored as its three CSR arrays."""
    head = {"format": FORMAT, "as_of": model.as_of.isoformat(), "similarity": model.similarity}
    head |= {"effective_rank_by": model.rank_by, "mean": model.mean, **_training_options(options)}
    arrays = {
        "head": _encode_json(head), "products": _encode_json(model.products.to_list()),
        "customers": _encode_json(model.customers.to_list()), "x_levels": model.x_levels, "y_levels": model.y_levels,
        **_csr_arrays("neighbours", model.neighbours), **_csr_arrays("ratings", model.ratings),
    }  # fmt: skip
    return {name: np.ascontiguousarray(array, _DTYPES[name]) for name, array in arrays.items()}


def from_arrays(arrays: Arrays, options: SurpriseKnnOptions) -> TrainedModel:
    """Restore a model. Raises `BadArtifact` for a missing array, a wrong dtype or shape, or other training options."""
    for name, dtype in _DTYPES.items():
        if name not in arrays:
            raise BadArtifact(f"surprise_knn: the array {name!r} is missing; train it again")
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            found = f"{arrays[name].dtype} with {arrays[name].ndim} dimensions"
            raise BadArtifact(f"surprise_knn: {name!r} must be {np.dtype(dtype)} with 1 dimension, is {found}")
    head = _decode_json(arrays, "head", dict)
    for name, value in {"format": FORMAT, **_training_options(options)}.items():
        if head.get(name) != value:
            raise BadArtifact(
                f"surprise_knn: trained with {name} {head.get(name)!r}, but the option is {value!r}; train it again"
            )
    products, customers = (
        pl.Series(_decode_json(arrays, name, list), dtype=pl.String) for name in ("products", "customers")
    )
    size, others = len(products), 0
    if options.based_on == "users":
        size, others = len(customers), len(products)
    _check_length(arrays, "x_levels", size)
    _check_length(arrays, "y_levels", others)
    try:
        as_of, mean = datetime.fromisoformat(head["as_of"]), float(head["mean"])
        similarity, rank_by = str(head["similarity"]), str(head["effective_rank_by"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadArtifact(f"surprise_knn: the head of the model can't be read: {error}") from error
    return TrainedModel(
        as_of, similarity, rank_by, products, customers, _read_matrix(arrays, "neighbours", (size, size)), mean,
        arrays["x_levels"], arrays["y_levels"], _read_matrix(arrays, "ratings", (len(customers), len(products))),
    )  # fmt: skip


def _training_options(options: SurpriseKnnOptions) -> dict[str, str]:
    return {"algorithm": options.algorithm, "based_on": options.based_on, "rank_by": options.rank_by}


def _encode_json(value: object) -> np.ndarray[Any, Any]:
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), np.uint8)


def _decode_json(arrays: Arrays, name: str, kind: type) -> Any:
    try:
        value = json.loads(arrays[name].tobytes())
    except ValueError as error:
        raise BadArtifact(f"surprise_knn: {name!r} can't be read: {error}") from error
    if not isinstance(value, kind):
        raise BadArtifact(f"surprise_knn: {name!r} must be a {kind.__name__}")
    return value


def _check_length(arrays: Arrays, name: str, length: int) -> None:
    if len(arrays[name]) != length:
        raise BadArtifact(f"surprise_knn: {name!r} must have {length} values, has {len(arrays[name])}")


def _csr_arrays(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray[Any, Any]]:
    return {f"{name}_data": matrix.data, f"{name}_indices": matrix.indices, f"{name}_indptr": matrix.indptr}


def _read_matrix(arrays: Arrays, name: str, shape: tuple[int, int]) -> sp.csr_array:
    data, indices, indptr = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    try:
        matrix = sp.csr_array((data, indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise BadArtifact(f"surprise_knn: {name} is not a matrix of {shape[0]} × {shape[1]}: {error}") from error
    return matrix
