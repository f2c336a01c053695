"""What names a source as it was: one snapshot of a target, or the files that one look at a directory saw.

What a stage and what a sensor returns are plain values, fit for an XCom, with a pin among them; here it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import Count, Digest, Number, is_id
from airflow_dirops.core.messages.shown import shown

_MAX_SHOWN = 200


class SnapshotPin(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot of one target.

    :param target: the target's path.
    :param snapshot: the id of the snapshot; None after a dry run over a target that is not there yet.
    :param partition: which of its stage's partitions it is.
    :param dimensions: which site, camera and so on.
    :param outcome: of the run that named it.
    """

    target: str
    snapshot: str | None
    partition: str | None = None
    dimensions: dict[str, str] = {}
    outcome: str | None = None

    def __post_init__(self) -> None:
        _check_path(self.target)
        if not (is_id(self.snapshot) or (self.snapshot is None and self.is_planned)):
            raise ValueError("its snapshot is no id of one")

    @property
    def path(self) -> str:
        """Of the directory."""
        return self.target

    @property
    def is_planned(self) -> bool:
        """Whether it is what a dry run found, and not what it would have made."""
        return self.outcome == "planned"

    @property
    def was_held(self) -> bool:
        """Whether the run that named it has held it, so that it may not be published yet."""
        return self.outcome == "held"

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read."""
        return self.snapshot is not None

    def at(self, path: str) -> SnapshotPin:
        """The same snapshot, by another name of its target."""
        return msgspec.structs.replace(self, target=path)

    def __str__(self) -> str:
        return f"{self.target} at snapshot {self.snapshot}" if self.is_there else self.target


class SeenListing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The files of a directory as one look saw them.

    :param pattern: which files were looked at.
    :param files: how many there were.
    :param bytes: how large they were together.
    :param digest: over their paths, sizes and times of modification.
    :param changed_ns: when the last of them was written, renamed or otherwise touched, in nanoseconds of the file
        system's clock; what has changed later was not seen.
    :param marker: a file that only says that the others are complete, and is none of them.
    :param follow_symlinks: whether links to directories were followed.
    """

    pattern: str
    files: Count
    bytes: Count
    digest: Digest
    changed_ns: Number
    marker: str | None = None
    follow_symlinks: bool = False


class ListingPin(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a directory that one look saw.

    :param directory: its path.
    :param partition: which one it is, for whoever reads it.
    :param dimensions: likewise.
    """

    directory: str
    listing: SeenListing
    partition: str | None = None
    dimensions: dict[str, str] = {}

    def __post_init__(self) -> None:
        _check_path(self.directory)

    @property
    def is_planned(self) -> bool:
        """Never: a look makes nothing."""
        return False

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read: it was."""
        return True

    @property
    def path(self) -> str:
        """Of the directory."""
        return self.directory

    def at(self, path: str) -> ListingPin:
        """The same files, by another name of their directory."""
        return msgspec.structs.replace(self, directory=path)

    def to_dict(self) -> dict[str, Any]:
        """It as plain values, which :func:`pin_of` reads; few for any number of files."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def __str__(self) -> str:
        return f"{self.directory} as it was with {self.listing.files} files"


Pin: TypeAlias = SnapshotPin | ListingPin


def pin_of(given: Any) -> Pin | None:
    """The pin that a value is; None if it is none, but a path.

    :param given: a pin; or a mapping, such as an outcome's ``to_dict()`` or what a sensor returned.
    :raises ArgumentRefused: if it is a mapping that names neither a snapshot nor a listing.
    """
    if isinstance(given, Pin):
        return given
    if not isinstance(given, Mapping):
        return None
    return _listing_pin(given) if "listing" in given else _snapshot_pin(given)


def _snapshot_pin(given: Mapping[str, Any]) -> SnapshotPin:
    try:
        return msgspec.convert(dict(given), SnapshotPin)
    except msgspec.ValidationError as error:
        named = {name: given.get(name) for name in ("target", "snapshot")}
        raise ArgumentRefused(
            f"a pinned source needs 'target' and 'snapshot', a path and the id of a snapshot, and not "
            f"{shown(named, _MAX_SHOWN)} ({error}); give what the stage returned, or its target's path alone"
        ) from error


def _listing_pin(given: Mapping[str, Any]) -> ListingPin:
    try:
        return msgspec.convert(dict(given), ListingPin)
    except msgspec.ValidationError as error:
        raise ArgumentRefused(
            f"a source that pins a listing needs what a DirectorySensor returned, unaltered: {error}; give that, or "
            "the directory's path alone"
        ) from error


def _check_path(path: str) -> None:
    if not path.strip() or "\0" in path:
        raise ValueError(f"it has no path: {path!r}")
