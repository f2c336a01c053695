"""Encode a value straight into a file, and digest its bytes on the way."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO, cast

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.disk.durable import write_all
from airflow_dirops.core.errors import EncodeError, StorageError
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.processes.home import Home

_WRITE_BUFFER = 1 << 17


def encode_into(descriptor: int, value: Any, key: str, codec: Codec, where: str) -> str:
    """Write a value to an open file.

    :returns: the sha256 of the bytes, in hex.
    :raises EncodeError: if the codec cannot write it; names the key.
    :raises StorageError: if the file system refuses the bytes.
    """
    file = _DigestingFile(descriptor)
    try:
        Home().call(codec.encode, value, cast("BinaryIO", file))
        file.flush()
    except Exception as error:
        if file.failure is None:
            raise EncodeError(
                f"the value of key {shown(key, 500)!r} cannot be written: {_reason(error, codec)}"
            ) from error
    except BaseException:
        if file.failure is None:
            raise
    finally:
        # Whoever still holds it writes nothing more: the descriptor may soon be another file's.
        file.descriptor = -1
    if file.failure is not None:
        raise StorageError("writing", where, file.failure) from file.failure
    return file.digest.hexdigest()


def _reason(error: Exception, codec: Codec) -> str:
    if isinstance(error, EncodeError):
        return str(error)
    return f"codec {codec.name!r} raised {described(error, 2_000)}"


class _DigestingFile(io.BufferedIOBase):
    """Writes to a descriptor that somebody else closes, and digests on the way.

    An ``io.BufferedWriter`` over a raw file would cost more than digesting and writing a small file does.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._waiting = bytearray()
        self.digest = hashlib.sha256()
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        if self.closed:
            raise ValueError("write to closed file")
        view = content if isinstance(content, bytes) else _bytes_of(content)
        size = len(view)
        if len(self._waiting) + size <= _WRITE_BUFFER:
            self._waiting += view
        elif self.descriptor >= 0:
            self.flush()
            self._write_out(view)
        return size

    def flush(self) -> None:
        if self.descriptor < 0:  # what collects garbage closes files, and closing flushes
            return
        if self.closed:
            raise ValueError("flush of closed file")
        waiting, self._waiting = self._waiting, bytearray()
        self._write_out(waiting)

    def _write_out(self, content: Any) -> None:
        try:
            write_all(self.descriptor, content)
        except OSError as error:
            self.failure = error
            raise
        self.digest.update(content)


def _bytes_of(content: Any) -> memoryview:
    view = memoryview(content)
    if not view.c_contiguous:
        raise BufferError("what is written must be contiguous in memory")
    try:
        return view.cast("B")
    except TypeError:  # of no bytes, or of a format that casts do not know, such as that of a structured array
        return memoryview(view.tobytes())
