"""A line of an attempt's journal: what became of one input, and what tells that its outputs are still there."""

from __future__ import annotations

import os
from typing import Literal

import msgspec

from airflow_dirops.core.format.entries import Input, mtime_ns_of
from airflow_dirops.core.format.members import Count, Digest, Number

State = Literal["made", "carried", "skipped", "quarantined"]


class Failure(msgspec.Struct, frozen=True):
    """Why an input failed; all its texts are printable and bounded.

    :param error: the name of the exception's class, which may be the user's own.
    :param place: where in the user's own code, if it was there.
    :param kind: of the error of ours that it came to; empty in what older versions wrote.
    """

    error: str
    message: str
    traceback: str
    tries: Count = 1
    place: str = ""
    kind: str = ""


class Output(msgspec.Struct, frozen=True):
    """A finished file, and what tells that it is still the one that was finished."""

    path: str
    size: Count
    digest: Digest
    inode: int
    mtime_ns: Number

    @classmethod
    def of(cls, path: str, status: os.stat_result, digest: str) -> Output:
        return cls(path, status.st_size, digest, status.st_ino, mtime_ns_of(status))

    def is_still(self, status: os.stat_result) -> bool:
        seen = (status.st_size, status.st_ino, mtime_ns_of(status))
        return seen == (self.size, self.inode, self.mtime_ns)


class JournalLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one input."""

    input: Input
    state: State = "made"
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
