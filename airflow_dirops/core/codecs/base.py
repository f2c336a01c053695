"""The contract between bytes and values.

"Codec" here is a file format with a suffix; it has nothing to do with Python's text encodings.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol, runtime_checkable


@runtime_checkable
class Codec(Protocol):
    """How one value becomes the bytes of one file, and back.

    A codec is used by several processes, so it keeps no state of its own.
    """

    @property
    def name(self) -> str:
        """The name that manifests carry, such as ``"npy"``."""

    @property
    def suffix(self) -> str:
        """What file names end with, such as ``".npy"``."""

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write a value.

        :param value: what the user's function returned.
        :param file: takes bytes through ``write``; buffered, and not seekable.
        :raises EncodeError: if this codec cannot write such a value; names the type and the codec to use.
        """

    def decode(self, file: BinaryIO) -> Any:
        """Read a value back.

        :param file: a real file, opened for reading in binary mode, seekable.
        :raises Exception: whatever the format's own reader raises for damaged bytes; the caller adds the path.
        """
