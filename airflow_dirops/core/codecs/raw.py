"""``bytes``: the file is the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from airflow_dirops.core.codecs.refusal import cannot_write


@dataclass(frozen=True, slots=True)
class BytesCodec:
    """Bytes as they are; whatever bytes-like object was written, bytes come back."""

    name: ClassVar[str] = "bytes"
    suffix: ClassVar[str] = ".bin"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write bytes, a bytearray or a memoryview; not an array, whose shape and dtype would be lost."""
        if isinstance(value, memoryview):
            value = value.tobytes()
        if not isinstance(value, (bytes, bytearray)):
            raise cannot_write("bytes", value, "it takes bytes, bytearray and memoryview")
        file.write(value)

    def decode(self, file: BinaryIO) -> bytes:
        """Read all bytes."""
        return file.read()
