"""Encode a value straight into a file, and digest its bytes on the way."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO, cast

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.durable import write_all
from airflow_dirops.core.errors import EncodeError, StorageError
from airflow_dirops.core.home import Home
from airflow_dirops.core.shown import shown
from airflow_dirops.core.tracebacks import described

_WRITE_BUFFER = 1 << 17


def encode_into(descriptor: int, value: Any, key: str, codec: Codec, where: str) -> str:
    """Write a value to an open file.

    :returns: the sha256 of the bytes, in hex.
    :raises EncodeError: if the codec cannot write it; names the key.
    :raises StorageError: if the file system refuses the bytes.
    """
    raw = _DigestingWriter(descriptor)
    file = io.BufferedWriter(raw, _WRITE_BUFFER)
    try:
        Home().call(codec.encode, value, cast("BinaryIO", file))
        file.flush()
    except Exception as error:
        if raw.failure is None:
            raise EncodeError(
                f"the value of key {shown(key, 500)!r} cannot be written: {_reason(error, codec)}"
            ) from error
    except BaseException:
        if raw.failure is None:
            raise
    finally:
        raw.descriptor = -1
    if raw.failure is not None:
        raise StorageError("writing", where, raw.failure) from raw.failure
    return raw.digest.hexdigest()


def _reason(error: Exception, codec: Codec) -> str:
    if isinstance(error, EncodeError):
        return str(error)
    return f"codec {codec.name!r} raised {described(error, 2_000)}"


class _DigestingWriter(io.RawIOBase):
    """Writes to a descriptor that somebody else closes, and digests on the way."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.digest = hashlib.sha256()
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        if self.descriptor < 0:
            return len(memoryview(content).cast("B"))
        view = memoryview(content).cast("B")
        try:
            write_all(self.descriptor, view)
        except OSError as error:
            self.failure = error
            raise
        self.digest.update(view)
        return len(view)
