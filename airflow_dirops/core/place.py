"""The seam: the place where a target is kept, as everything above it sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.format.manifest import Manifest


class Held(Protocol):
    """A snapshot that nothing removes until it is closed."""

    directory: HeldDirectory
    manifest: Manifest

    @property
    def sealed_ns(self) -> int:
        """When its header was written, by the clock of the file system."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a stage asks of a target when it claims it.

    :param stage: its name; what another stage committed is not replaced.
    :param fingerprint: of the user's function; finished files are reused only under the same one. None where no
        function runs: then what dead attempts finished is left to the next run of the stage.
    :param limit: of a trial run, which must not replace a full snapshot.
    :param replace_unmanaged: a directory that no stage wrote may be moved aside.
    :param take_over_stage: another stage's snapshot may be replaced.
    :param full: everything is made anew.
    """

    stage: str
    fingerprint: str | None = None
    limit: int | None = None
    replace_unmanaged: bool = False
    take_over_stage: bool = False
    full: bool = False
