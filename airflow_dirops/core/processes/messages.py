"""What the parent and a worker say to each other: chunks of items one way, replies the other."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import msgspec

_LENGTH = struct.Struct("=I")
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
    """A message as it is sent: its length, then the message."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_chunks(connection: socket.socket) -> Iterator[Chunk]:
    """A worker's orders, until the parent is gone."""
    decode = msgspec.msgpack.Decoder(Chunk).decode
    with connection.makefile("rb") as file:
        while len(header := file.read(_LENGTH.size)) == _LENGTH.size:
            yield decode(file.read(*_LENGTH.unpack(header)))


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
        yield from self._take_replies()

    def _take_replies(self) -> Iterator[Reply]:
        while len(self._incoming) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._incoming)
            end = _LENGTH.size + length
            if len(self._incoming) < end:
                return
            reply = self._decode(bytes(self._incoming[_LENGTH.size : end]))
            del self._incoming[:end]
            yield reply
