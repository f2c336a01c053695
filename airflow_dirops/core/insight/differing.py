"""What differs between two snapshots, as a comparison tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Amount:
    """By how much two files differ.

    :param text: in words, and always there; also why they were not compared.
    :param shape_before: of an array or image, as are the following; None where it is none.
    :param differing: how many elements are not the same; None where the shapes differ.
    :param elements: how many there are.
    :param largest: the largest distance between two of them; None where they are no numbers.
    :param mean: the mean distance.
    """

    text: str
    shape_before: tuple[int, ...] | None = None
    shape_after: tuple[int, ...] | None = None
    dtype_before: str | None = None
    dtype_after: str | None = None
    differing: int | None = None
    elements: int | None = None
    largest: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class DiffedEntry:
    """A file that differs.

    :param path: relative to both targets; of a changed one as it is now.
    :param size_before: in bytes; None of an added one.
    :param size_after: None of a removed one.
    :param amount: by how much it has changed, where that was looked at.
    """

    path: str
    how: How
    size_before: int | None
    size_after: int | None
    digest_before: str | None
    digest_after: str | None
    amount: Amount | None = None


@dataclass(frozen=True)
class Side:
    """One of the two snapshots.

    :param target: the path by which it was named.
    """

    target: str
    snapshot: str
    stage: str
    partition: str | None
    created: str
    dag_id: str
    run_id: str
    inputs: int
    entries: int
    skipped: int
    quarantined: int
    bytes: int


@dataclass
class Diff:
    """What differs between two snapshots.

    :param same: how many files are the same, by their digests.
    :param code_changes: what of the code is another one, as far as manifests tell.
    :param entries: the first files that differ, by key.
    :param more: how many there are besides.
    """

    before: Side
    after: Side
    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    code_changes: tuple[str, ...] = ()
    entries: tuple[DiffedEntry, ...] = ()
    more: int = 0

    @property
    def is_same(self) -> bool:
        """Whether the same files are in both."""
        return not (self.added or self.removed or self.changed)
