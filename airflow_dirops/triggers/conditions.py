"""What a sensor asks of a target's manifest, and whether it is so yet."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dirops.core.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What must hold of a target's snapshot.

    :param target: the directory.
    :param min_files: how many entries it has at least.
    :param newer_than: when it was committed at the earliest, as ISO text with an offset.
    :param max_quarantined: how many inputs may have failed; None for any number.
    :param stage: which stage committed it; None for any.
    """

    target: str
    min_files: int = 0
    newer_than: str | None = None
    max_quarantined: int | None = None
    stage: str | None = None

    def look(self) -> Finding:
        """Read the target's manifest, one small file, and compare.

        :raises ManifestDamaged: if it cannot be read.
        :raises ManifestTooNew: if a newer version of this package wrote it.
        """
        from airflow_dirops.core import errors, read_manifest

        try:
            manifest = read_manifest(self.target)
        except errors.ManifestMissing:
            return Finding(lacking="no snapshot has been committed there")
        if lacking := self._lacking(manifest):
            return Finding(lacking=lacking)
        return Finding(summary={"target": self.target, **manifest.summary()})

    def as_dict(self) -> dict[str, Any]:
        """The conditions as plain values, for a trigger."""
        return asdict(self)

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


@dataclass(frozen=True)
class Finding:
    """What one look came to: what the manifest says, or what is lacking."""

    summary: dict[str, Any] | None = None
    lacking: str = ""


def deepest_directory(path: str) -> str:
    """The nearest directory above a path that exists: what another host has to see as well.

    :param path: an absolute path, which may not be there yet.
    """
    parent = os.path.dirname(path)
    return parent if os.path.isdir(parent) or parent == path else deepest_directory(parent)


_moment = datetime.fromisoformat
