"""What a walk has found, in order: files that share a key are neighbours, and change together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import msgspec

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.format.entries import Input, mtime_ns_of, path_at
from airflow_dirops.core.source.inputs import Inputs

DANGLING = -1
"""Stands for the size of what a link leads to that leads nowhere."""
LEFT_OUT = b""
"""Stands for a file that the pattern does not match; looked at only if one that it does match has its key."""
_MAX_TOGETHER = 32
"""More files that share a key are no sidecars of each other, but a series."""


class SortedInputs(Inputs):
    """What a walk has found, in order: files that share a key are neighbours, and change together."""

    def __init__(self, sorter: Sorter, prefix: str) -> None:
        self._sorter = sorter
        self._prefix = prefix
        self._decode = msgspec.msgpack.Decoder(tuple[int, int]).decode

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        together: list[tuple[bytes, bytes]] = []
        key, is_series = b"", False
        for order, line in self._sorter:
            if (this := order[: order.index(0)]) != key:
                if len(together) != 1:
                    yield from self._inputs(together)
                elif together[0][1]:
                    yield self._input(together[0])
                together, key, is_series = [], this, False
            together.append((order, line))
            if is_series or len(together) > _MAX_TOGETHER:
                yield from map(self._input, (one for one in together if one[1]))
                together, is_series = [], True
        yield from self._inputs(together)

    def _inputs(self, together: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Input]]:
        members = {one for one in together if not _is_numbered(one[0])}
        found = [one for one in together if one[1]]
        if len(members) <= 1 or members.isdisjoint(found):
            return map(self._input, found)
        digest = hashlib.sha256()
        for one in together:
            if one in members:
                digest.update(repr(self._state_of(one)).encode())
        beside = digest.hexdigest()
        return (self._beside(one, beside) if one in members else self._input(one) for one in found)

    def _beside(self, one: tuple[bytes, bytes], beside: str) -> tuple[bytes, Input]:
        order, item = self._input(one)
        return order, msgspec.structs.replace(item, beside=beside)

    def _input(self, one: tuple[bytes, bytes]) -> tuple[bytes, Input]:
        order, line = one
        size, mtime_ns = self._decode(line)
        if size == DANGLING:
            return order, Input(path_at(order), 0, mtime_ns, dangling=True)
        return order, Input(path_at(order), size, mtime_ns)

    def _state_of(self, one: tuple[bytes, bytes]) -> tuple[str, int, int] | None:
        order, line = one
        if line:
            return path_at(order), *self._decode(line)
        path = path_at(order)
        try:
            status = os.stat(self._prefix + path)
        except OSError:
            # Away, or a link that leads nowhere: not as it was when it was there.
            return None
        return path, status.st_size, mtime_ns_of(status)


def _is_numbered(order: bytes) -> bool:
    """Whether a file is one of a series, such as ``frame.0001``: a number is no kind of file."""
    return order.rpartition(b".")[2].isdigit()
