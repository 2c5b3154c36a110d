"""The structs, lists and maps of Parquet: how long each gets as JSON text, and their texts made storable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from automation.types.text import storable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_NUMBER_BYTES = 40
"""More than a number, a time or a null takes as JSON text."""


def leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The arrays of plain values that it consists of: texts as they are stored, numbers, times."""
    import pyarrow as pa

    if pa.types.is_struct(array.type):
        for number in range(array.type.num_fields):
            yield from leaves(array.field(number))
    elif pa.types.is_map(array.type):
        yield from leaves(array.keys)
        yield from leaves(array.items)
    elif pa.types.is_nested(array.type):
        yield from leaves(array.values)
    else:
        yield array


def measure(array: pa.Array) -> NDArray[np.int64]:
    """About how many bytes each value takes as JSON text, before anything that is stored once is repeated.

    3 ms for 100,000 lists of three texts.
    """
    import numpy as np
    import pyarrow as pa

    kind = array.type
    if pa.types.is_struct(kind):
        fields = [(kind.field(number).name, array.field(number)) for number in range(kind.num_fields)]
        parts = [measure(values) + len(name.encode()) + 4 for name, values in fields]
        found: NDArray[np.int64] = np.full(len(array), 2, dtype=np.int64)
        for part in parts:
            found += part
        return found
    if pa.types.is_map(kind):
        return _measure_lists(array.offsets, measure(array.keys) + measure(array.items) + 16)
    if pa.types.is_fixed_size_list(kind):
        starts = (np.arange(len(array) + 1) + array.offset) * kind.list_size
        return _measure_lists(pa.array(starts), measure(array.values))
    if pa.types.is_nested(kind):
        return _measure_lists(array.offsets, measure(array.values))
    if pa.types.is_dictionary(kind):
        lengths = _lengths(array.dictionary)
        return lengths[array.indices.fill_null(0).to_numpy(zero_copy_only=False)] if len(lengths) else _numbers(array)
    return _lengths(array)


def _measure_lists(offsets: pa.Array, items: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    ends = offsets.to_numpy(zero_copy_only=False)
    before = np.concatenate(([0], np.cumsum(items + 1, dtype=np.int64)))
    measured: NDArray[np.int64] = before[ends[1:]] - before[ends[:-1]] + 2
    return measured


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    import numpy as np
    from pyarrow import compute

    if not is_text(array.type):
        return _numbers(array)
    found: NDArray[np.int64] = compute.binary_length(array).fill_null(4).to_numpy(zero_copy_only=False)
    return found.astype(np.int64) + 2


def _numbers(array: pa.Array) -> NDArray[np.int64]:
    import numpy as np

    return np.full(len(array), _NUMBER_BYTES, dtype=np.int64)


def is_text(kind: pa.DataType) -> bool:
    """Whether arrays of this Arrow type hold texts or bytes, stored as such."""
    import pyarrow as pa

    return bool(kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()))


def make_storable(array: pa.Array) -> pa.Array:
    """The values with every text in UTF-8 and, inside structs and lists, without NUL; maps as lists of key and value.

    Nothing checks the texts of Parquet, and Polars ends with a panic for one that is no UTF-8: what is none becomes
    U+FFFD. The NUL of a text that is no part of anything is left to the import.
    """
    import pyarrow as pa

    kind = array.type
    if not pa.types.is_nested(kind):
        return _checked(array, nul=False)
    return _rebuilt(array)


def _rebuilt(array: Any) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_nested(array.type):
        return _checked(array, nul=True)
    return _rebuilt_struct(array) if pa.types.is_struct(array.type) else _rebuilt_list(array)


def _rebuilt_struct(array: Any) -> pa.Array:
    import pyarrow as pa

    old = [array.field(number) for number in range(array.type.num_fields)]
    new = [_rebuilt(values) for values in old]
    if all(one is other for one, other in zip(old, new, strict=True)):
        return array
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    return pa.StructArray.from_arrays(new, names=names, mask=array.is_null())


def _rebuilt_list(array: Any) -> pa.Array:
    import pyarrow as pa

    kind, nulls = array.type, array.is_null()
    if pa.types.is_map(kind):
        pairs = pa.StructArray.from_arrays([_rebuilt(array.keys), _rebuilt(array.items)], names=["key", "value"])
        return pa.ListArray.from_arrays(_from_nothing(array.offsets), pairs, mask=nulls)
    items = array.values
    if pa.types.is_fixed_size_list(kind):
        items = items.slice(array.offset * kind.list_size, len(array) * kind.list_size)
    values = _rebuilt(items)
    if values is items:
        return array
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size, mask=nulls)
    made = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    return made.from_arrays(_from_nothing(array.offsets), values, mask=nulls)


def _from_nothing(offsets: pa.Array) -> pa.Array:
    """The offsets in a buffer of their own, as a mask needs them."""
    import pyarrow as pa

    return pa.array(offsets.to_numpy(zero_copy_only=False), offsets.type)


def _checked(array: pa.Array, *, nul: bool) -> pa.Array:
    """A text array as it is, or made anew where a text is no UTF-8 or has a NUL that must go."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_dictionary(array.type):
        kept = _checked(array.dictionary, nul=nul)
        return array if kept is array.dictionary else pa.DictionaryArray.from_arrays(array.indices, kept)
    if not is_text(array.type) or pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        return array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        if not nul or not compute.any(compute.match_substring(array, "\0")).as_py():
            return array
    values = (None if value is None else value.decode("utf-8", "replace") for value in _raw(array))
    return pa.array((value if value is None or not nul else storable(value) for value in values), array.type)


def _raw(array: Any) -> list[bytes | None]:
    import pyarrow as pa

    if array.type == pa.string_view():
        array = array.cast(pa.large_binary())
    kind = pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary()
    found: list[bytes | None] = (array if array.type == pa.large_binary() else array.view(kind)).to_pylist()
    return found
