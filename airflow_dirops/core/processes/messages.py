"""What the parent and a worker say to each other: chunks of items one way, replies the other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from airflow_dirops.core.frames import frame, read_frames, take_frames

_BLOCK = 1 << 16

Chunk = list[bytes]


class Reply(msgspec.Struct, array_like=True):
    """The answers to the first items of a chunk; the others come back undone.

    :param failure: an error that ends the whole run, packed.
    """

    answers: list[bytes]
    seconds: float = 0.0
    failure: bytes | None = None


def encode(message: Chunk | Reply) -> bytes:
    """A message as it is sent."""
    return frame(msgspec.msgpack.encode(message))


def read_chunks(connection: socket.socket) -> Iterator[Chunk]:
    """A worker's orders, until the parent is gone."""
    decode = msgspec.msgpack.Decoder(Chunk).decode
    with connection.makefile("rb") as file:
        yield from map(decode, read_frames(file))


class Channel:
    """The parent's end of a worker's socket. Never waits, so the two cannot wait for each other."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._decode = msgspec.msgpack.Decoder(Reply).decode
        self.is_closed_there = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @property
    def has_unsent(self) -> bool:
        return bool(self._outgoing)

    def send(self, chunk: Chunk) -> None:
        self._outgoing += encode(chunk)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes now."""
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except ConnectionError:
            # The worker is dead; the fork server says how it died.
            self._outgoing.clear()

    def receive(self) -> Iterator[Reply]:
        """The replies that are here now."""
        with suppress(BlockingIOError, ConnectionError):
            while block := self._socket.recv(_BLOCK):
                self._incoming += block
                if len(block) < _BLOCK:
                    break
            else:
                self.is_closed_there = True
        yield from map(self._decode, take_frames(self._incoming))
