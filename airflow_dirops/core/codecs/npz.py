"""``npz``: several named numpy arrays per file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from airflow_dirops.core.codecs.npy import Array, NpyCodec, as_array, write_array
from airflow_dirops.core.codecs.refusal import cannot_write
from airflow_dirops.core.errors import EncodeError

_MEMBER_SUFFIX = NpyCodec.suffix
_MAX_NAME_BYTES = 60_000
# What is compressed was not written here; more than this must be meant.
MAX_UNPACKED_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class NpzCodec:
    """A mapping of names to arrays, as ``numpy.load`` reads it; uncompressed, in the mapping's order.

    It comes back as a dict of arrays that are all in memory.
    """

    name: ClassVar[str] = "npz"
    suffix: ClassVar[str] = ".npz"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write a mapping of str to whatever codec ``npy`` takes."""
        arrays = _arrays(value)
        with ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                # A ZipInfo made from a name alone is dated 1980, so equal values give equal bytes.
                with archive.open(ZipInfo(name + _MEMBER_SUFFIX), "w", force_zip64=True) as member:
                    write_array(array, member)

    def decode(self, file: BinaryIO) -> dict[str, Array]:
        """Read all arrays."""
        with ZipFile(file) as archive:
            _check_compressed(archive)
            return {name.removesuffix(_MEMBER_SUFFIX): _read(archive, name) for name in archive.namelist()}


def _check_compressed(archive: ZipFile) -> None:
    unpacked = sum(member.file_size for member in archive.infolist() if member.compress_type != ZIP_STORED)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ValueError(
            f"its arrays are compressed and take {unpacked:,} bytes, and codec 'npz' unpacks no more than "
            f"{MAX_UNPACKED_BYTES:,}; numpy.load reads them one by one"
        )


def _arrays(value: Any) -> dict[str, Array]:
    if not isinstance(value, Mapping):
        raise cannot_write("npz", value, "it takes a mapping of names to numpy arrays")
    return {_checked_name(name, value): _array(name, item) for name, item in value.items()}


def _checked_name(name: Any, value: Any) -> str:
    if not isinstance(name, str) or not name or "\0" in name or not _is_short_unicode(name):
        instead = f"names that are str, not empty, without NUL or half surrogate pairs, below {_MAX_NAME_BYTES:,} bytes"
        raise cannot_write("npz", value, f"{name!r:.200} cannot name an array", instead=instead)
    return name


def _is_short_unicode(name: str) -> bool:
    try:
        return len(name.encode()) < _MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False


def _array(name: str, item: Any) -> Array:
    try:
        return as_array(item)
    except EncodeError as error:
        raise EncodeError(f"codec 'npz' cannot write the array {name!r}: {error}") from error


def _read(archive: ZipFile, name: str) -> Array:
    with archive.open(name) as member:
        return NpyCodec().decode(member)
