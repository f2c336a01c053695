"""``npy``: one numpy array per file, never pickled objects."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader, BytesIO
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from airflow_dirops.core.codecs.refusal import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_dirops.core.errors import EncodeError

Array: TypeAlias = NDArray[Any]

BLOCK_BYTES = 4 * 1024**2
# numpy's own limit of 10,000 is for files of strangers; a table with some hundreds of named columns has more.
MAX_HEADER_BYTES = 1024**2
# What a header of version 1 holds, with room for the shape.
_MAX_VERSION_1 = 60_000
_PLAIN = "array.astype(...) with a plain dtype"
_VERSION_1 = npy_format.magic(1, 0)


@dataclass(frozen=True, slots=True)
class NpyCodec:
    """The default codec: the same bytes as ``numpy.save``, the same arrays as ``numpy.load``.

    Numbers are written as arrays without dimensions, and come back as such. Files of one directory have
    mostly the same header, so headers are made and read once per dtype and shape, not once per file.
    """

    name: ClassVar[str] = "npy"
    suffix: ClassVar[str] = ".npy"

    def encode(self, value: Any, file: IO[bytes]) -> None:
        """Write an array, a numpy scalar or a number."""
        write_array(as_array(value), file)

    def decode(self, file: IO[bytes]) -> Array:
        """Read an array into memory of its own."""
        start = file.read(len(_VERSION_1) + 2)
        if not start.startswith(_VERSION_1):
            file.seek(0)
            return _clean(npy_format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER_BYTES))
        size = start[len(_VERSION_1) :]
        shape, fortran, dtype = _read_header(size + file.read(int.from_bytes(size, "little")))
        array = np.empty(shape, dtype, order="F" if fortran else "C")
        _fill(array.T if fortran else array, file)
        return array


def as_array(value: Any) -> Array:
    """The array to write, uncopied.

    :raises EncodeError: if the value is no array, or would not come back as it was.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise cannot_write("npy", value, "its mask would be lost", instead="value.filled()")
    if not isinstance(value, (np.ndarray, np.generic, bool, int, float, complex)):
        raise cannot_write("npy", value, "it takes numpy arrays and numbers", instead=_instead(value))
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise _object_error(value, array)
    if not _survives(array.dtype):
        reason = f"dtype {array.dtype} would come back as another one"
        raise cannot_write("npy", value, reason, instead=_PLAIN)
    return array


def write_array(array: Array, file: IO[bytes]) -> None:
    """Write an array that :func:`as_array` has passed."""
    if array.dtype.names is not None:
        _write_structured(array, file)
        return
    fortran = array.flags.fnc
    file.write(_header(array.dtype, array.shape, fortran))
    for block in _blocks(array.T if fortran else array):
        file.write(_bytes_of(block))


def _write_structured(array: Array, file: IO[bytes]) -> None:
    """Write an array of records, with zeros between their fields: what lay there is no part of the values."""
    array = _clean(array)
    version, fortran = _version(array.dtype), array.flags.fnc
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nor is a dtype's metadata
        if version == (3, 0) or not (fortran or array.flags.c_contiguous):
            npy_format.write_array(file, array, version=version, allow_pickle=False)
            return
        fields = {"descr": npy_format.dtype_to_descr(array.dtype), "fortran_order": fortran, "shape": array.shape}
        (npy_format.write_array_header_1_0 if version == (1, 0) else npy_format.write_array_header_2_0)(file, fields)
    # Not by numpy, which copies such records into a buffer, and with them what is left in it.
    file.write(_bytes_of(array.T if fortran else array))


def _clean(array: Array) -> Array:
    """The array with zeros between the fields of its records, which numpy leaves undefined where it copies them."""
    if not _is_padded(array.dtype):
        return array
    # Not zeros_like, which only sets the fields to zero.
    clean = np.zeros(array.shape, array.dtype, order="F" if array.flags.fnc else "C")
    clean[...] = array
    return clean


@lru_cache(maxsize=256)
def _is_padded(dtype: np.dtype[Any]) -> bool:
    """Whether records of this dtype have bytes that are no field's."""
    if dtype.subdtype is not None:
        return _is_padded(dtype.subdtype[0])
    if dtype.fields is None:
        return False
    parts = [member[0] for member in dtype.fields.values()]
    return sum(part.itemsize for part in parts) != dtype.itemsize or any(map(_is_padded, parts))


def _instead(value: Any) -> str | None:
    return "numpy.array(...)" if isinstance(value, (list, tuple)) and _has_plain_parts(value) else None


def _has_plain_parts(value: Any) -> bool:
    try:
        return np.array(value).dtype.kind in "biufcSU"
    except (ValueError, TypeError, OverflowError, RecursionError):
        return False


def _object_error(value: Any, array: Array) -> EncodeError:
    if isinstance(value, int):
        return cannot_write("npy", value, "the number needs more than 64 bits")
    reason = f"dtype {array.dtype} holds Python objects, which npy could only pickle"
    return cannot_write("npy", value, reason, instead=_PLAIN if _has_plain_parts(array.tolist()) else None)


@lru_cache(maxsize=256)
def _survives(dtype: np.dtype[Any]) -> bool:
    """Whether a header with this dtype is read as the same one; tried, since only numpy knows what it reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            file = BytesIO()
            npy_format.write_array(file, np.empty(0, dtype), version=_version(dtype), allow_pickle=False)
            file.seek(0)
            again = npy_format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER_BYTES)
            return bool(again.dtype == dtype)
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return False


@lru_cache(maxsize=256)
def _version(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The oldest version of the format that holds this dtype, as numpy itself chooses it, but without a warning."""
    described = str(npy_format.dtype_to_descr(dtype))
    if not _is_latin_1(described):
        return 3, 0
    return (1, 0) if len(described) < _MAX_VERSION_1 else (2, 0)


def _is_latin_1(text: str) -> bool:
    try:
        text.encode("latin1")
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> bytes:
    header = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fields = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": fortran, "shape": shape}
    npy_format.write_array_header_1_0(header, fields)
    return header.getvalue()


@lru_cache(maxsize=256)
def _read_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    shape, fortran, dtype = npy_format.read_array_header_1_0(BytesIO(header), max_header_size=MAX_HEADER_BYTES)
    if dtype.hasobject:
        raise ValueError(f"the array of dtype {dtype} holds pickled objects, which codec 'npy' never reads")
    return shape, fortran, dtype


def _blocks(array: Array) -> Iterator[Array]:
    """The array in C order, in parts that are contiguous already or small enough to copy."""
    if array.flags.c_contiguous or array.nbytes <= BLOCK_BYTES:
        yield array
    elif len(array) == 1:
        yield from _blocks(array[0])
    else:
        half = len(array) // 2
        yield from _blocks(array[:half])
        yield from _blocks(array[half:])


def _bytes_of(array: Array) -> memoryview:
    # As bytes, since a memoryview knows nothing of dates and byte orders.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.nbytes else memoryview(b"")


def _fill(array: Array, file: IO[bytes]) -> None:
    reader, missing = cast("BufferedReader", file), _bytes_of(array)
    # Block by block: a compressed member of an npz would be unpacked as a whole beside the array.
    while missing and (count := reader.readinto(missing[:BLOCK_BYTES])):
        missing = missing[count:]
    if missing:
        raise ValueError(f"the file ends {len(missing):,} bytes before the array of shape {array.shape} does")
