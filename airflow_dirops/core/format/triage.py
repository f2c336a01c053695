"""What a person has decided about inputs that failed, a line for each."""

from __future__ import annotations

from typing import Literal

import msgspec

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.members import Count, Digest, Id, InputDigest, Moment, Number, Text

Action = Literal["skip", "replace", "retry"]
_TOLD: dict[str, str] = {"skip": "accepted as skipped", "replace": "replaced by a file", "retry": "to be tried again"}


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an input gave nothing, or something that no function made: a person has said so."""

    reason: Text
    user: Text
    host: Text
    at: Moment


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to become of one input, as long as it is as it was when it failed.

    :param action: ``skip``: it counts as one that gave nothing; ``replace``: a file stands for what it would have
        given; ``retry``: of the failed inputs of a snapshot only those that are named so are tried again, once.
    :param replacement: the digest of that file.
    :param snapshot: for which snapshot a ``retry`` is meant.
    """

    path: str
    size: Count
    mtime_ns: Number | None = None
    digest: InputDigest | None = None
    beside: Digest | None = None
    action: Action
    note: Note
    replacement: Digest | None = None
    snapshot: Id | None = None

    def __str__(self) -> str:
        reason = f": {self.note.reason}" if self.note.reason else ""
        return f"{_TOLD[self.action]} by {self.note.user} on {self.note.host}{reason}"

    @property
    def input(self) -> Input:
        """The input, as it was when it failed."""
        return Input(self.path, self.size, self.mtime_ns, self.digest, beside=self.beside)

    def is_for(self, item: Input) -> bool:
        """Whether it is about this input, as it is now."""
        return self.input.is_same(item)
