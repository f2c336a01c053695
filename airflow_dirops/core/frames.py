"""Bytes one after the other, each with its length in front: in a file, through a socket, in shared memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

LENGTH = struct.Struct("=I")
"""What is in front. Frames never leave the machine, so its own order of bytes will do."""


def frame(content: bytes) -> bytes:
    """The content with its length in front."""
    return LENGTH.pack(len(content)) + content


def read_frames(file: BinaryIO, most: int = -1) -> Iterator[bytes]:
    """What each frame holds, until there is no whole length any more; the last may have been cut off.

    :param most: how many bytes one may have, whatever its length says.
    """
    read, unpack, size = file.read, LENGTH.unpack, LENGTH.size
    while len(head := read(size)) == size:
        (length,) = unpack(head)
        yield read(length if most < 0 else min(length, most))


def take_frames(received: bytearray) -> Iterator[bytes]:
    """What each whole frame holds; it is taken from what was received, and a part of one stays for later."""
    unpack, size = LENGTH.unpack_from, LENGTH.size
    while len(received) >= size:
        end = size + unpack(received)[0]
        if len(received) < end:
            return
        content = bytes(received[size:end])
        del received[:end]
        yield content
