"""What a sensor asks of a target's manifest, and whether it is so yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from errno import ENOENT, ENOTDIR
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_dirops.triggers.finding import Finding

if TYPE_CHECKING:
    from airflow_dirops.core.format.manifest import Manifest

_COUNTED = 1000  # a look must stay cheap, also beside a million files


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What must hold of a target's snapshot.

    :param target: the directory.
    :param min_files: how many entries it has at least.
    :param newer_than: when it was committed at the earliest, as ISO text with an offset.
    :param max_quarantined: how many inputs may have failed; None for any number.
    :param stage: which stage committed it; None for any.
    :param root: what says which root relative paths are below, for the message.
    """

    target: str
    min_files: int = 0
    newer_than: str | None = None
    max_quarantined: int | None = None
    stage: str | None = None
    root: str | None = None

    @property
    def place(self) -> str:
        """The target."""
        return self.target

    def look(self, memory: dict[str, Any] | None = None) -> Finding:
        """Read the target's manifest, one small file, and compare.

        :param memory: not needed: a manifest says all.

        :raises ManifestDamaged: if it cannot be read.
        :raises ManifestTooNew: if a newer version of this package wrote it.
        :raises StorageError: if the file system refuses to look there.
        """
        from airflow_dirops.core import errors, read_manifest

        del memory
        try:
            manifest = read_manifest(self.target)
        except errors.ManifestMissing:
            return Finding(lacking=f"no snapshot has been committed there: {self._seen_instead()}{self._tried()}")
        if lacking := self._lacking(manifest):
            return Finding(lacking=lacking)
        return Finding(summary={"target": self.target, **manifest.summary()})

    def as_dict(self) -> dict[str, Any]:
        """The conditions as plain values, for a trigger."""
        return asdict(self)

    def _seen_instead(self) -> str:
        """What is in the snapshot's place, for whoever wonders whether the path is right."""
        from airflow_dirops.core.arrival.look import deepest_directory
        from airflow_dirops.core.errors import StorageError, storage_errors

        try:
            with storage_errors("looking at", self.target):
                files = list(islice(_files_below(self.target), _COUNTED + 1))
        except StorageError as error:
            if error.errno not in (ENOENT, ENOTDIR):
                raise
            root = f"; {self.root}" if self.root else ""
            above = deepest_directory(self.target)
            return f"there is no such directory. The last one above it that is there is {above!r}{root}"
        many = f"more than {_COUNTED}" if len(files) > _COUNTED else str(len(files))
        return (
            f"the directory is there and holds {many} files, but no stage has committed it. A sensor waits for what a "
            "stage writes; is this the target of one?"
        )

    def _tried(self) -> str:
        """Where to look if a stage is at work there, or has failed; one listing, however much it did."""
        from airflow_dirops.core.messages.commands import dirops_command
        from airflow_dirops.core.upkeep import is_tried

        if not is_tried(self.target):
            return ""
        failures = dirops_command("failures", self.target)
        return f". A try at it has begun, and committed nothing; what failed in it, if anything did: {failures}"

    def _lacking(self, manifest: Manifest) -> str | None:
        counts = manifest.counts
        if manifest.limit is not None:
            return f"its snapshot is of a trial run over the first {manifest.limit} inputs"
        if self.stage is not None and manifest.stage != self.stage:
            return f"its snapshot is of stage {manifest.stage!r}, not {self.stage!r}"
        if self.newer_than and _moment(manifest.created) <= _moment(self.newer_than):
            return f"its snapshot is of {manifest.created}, not newer than {self.newer_than}"
        if counts.entries < self.min_files:
            return f"its snapshot has {counts.entries} files, not {self.min_files}"
        if self.max_quarantined is not None and counts.quarantined > self.max_quarantined:
            return f"its snapshot has {counts.quarantined} quarantined inputs, over {self.max_quarantined}"
        return None


def _files_below(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                with suppress(OSError):  # it is only counted
                    yield from _files_below(entry.path)
            else:
                yield entry.path


_moment = datetime.fromisoformat
