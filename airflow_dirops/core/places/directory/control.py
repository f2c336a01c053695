"""The control directory: everything about a target that its readers need not see, beside it on the same file system.

::

    interim/to_numpy/2026-11-01/            the target
    interim/to_numpy/.dirops/2026-11-01/    its control directory
        lock  fence.json  intent.json  attempts/<attempt>/  retired/<snapshot>/  removing/<snapshot>/
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.documents import put_aside, read_document, remove_leftovers, replace_document
from airflow_dirops.core.disk.durable import sync_directory
from airflow_dirops.core.disk.held import is_absence, look_anew
from airflow_dirops.core.disk.permissions import share
from airflow_dirops.core.errors import ManifestDamaged, StorageError, TargetRefused, storage_errors
from airflow_dirops.core.format.control import AcceptedRemoval, Adoption, FencedRun, Intent, Rejection
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.places.directory import lock

LOCK_TIMEOUT_SECONDS = 60.0
# A run that has not been heard of for so many others has no try left that could still commit.
_MAX_FENCED_RUNS = 256
_FENCE = "fence.json"
_INTENT = "intent.json"
_ACCEPTED_REMOVAL = "accepted-removal.json"
_ADOPTION = "adoption.json"
_REJECTIONS = "rejections.json"
TRIAGE = "triage.jsonl"
_DOCUMENTS = frozenset({_FENCE, _INTENT, _ACCEPTED_REMOVAL, _ADOPTION, _REJECTIONS, TRIAGE})

log = logger(__name__)


class ControlDirectory:
    """Paths and small files of one target's control directory.

    :param target: the target's real path.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.parent / CONTROL_DIRECTORY / target.name
        self.attempts = self.path / "attempts"
        self.retired = self.path / "retired"
        self.removing = self.path / "removing"
        self._lock = self.path / "lock"
        self._fence = self.path / _FENCE
        self._intent = self.path / _INTENT
        self._accepted_removal = self.path / _ACCEPTED_REMOVAL
        self._adoption = self.path / _ADOPTION
        self._rejections = self.path / _REJECTIONS
        self._rooms = (self.attempts, self.retired, self.removing)
        self._fence_is_lost = False

    def create(self) -> None:
        """Make it where it is missing, open to the same users as the target's parent."""
        self.check()
        with storage_errors("making the control directory", self.path):
            reference = self.target.parent.stat()
            for path in (self.path.parent, self.path, *self._rooms):
                _make_shared(path, reference)

    @contextmanager
    def locked(self, who: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the target's lock: for milliseconds, at claim and at commit.

        :param who: for the error that others get.
        :raises TargetBusy: if another process holds it for longer than the timeout.
        """
        self.check()
        seconds = LOCK_TIMEOUT_SECONDS if timeout is None else timeout
        with lock.locked(self._lock, self.target, who, seconds):
            remove_leftovers(self.path, _DOCUMENTS)
            self.look_anew()
            yield

    def look_anew(self) -> None:
        """See what other machines have done to the target and to what belongs to it."""
        look_anew(self.target.parent, self.path, self.attempts, self.retired)

    def check(self) -> None:
        """Refuse a control directory that leads elsewhere.

        :raises TargetRefused: if it, or a directory in it, is a link: what we move or remove would be somewhere else.
        """
        for path in (self.path.parent, self.path, *self._rooms):
            try:
                status = os.lstat(path)
            except OSError as error:
                if is_absence(error):
                    continue
                raise StorageError("looking at", path, error) from error
            if not stat.S_ISDIR(status.st_mode):
                raise TargetRefused(
                    f"{str(path)!r} is no directory but something else, such as a link, so nothing was changed; "
                    "see who made it, and remove it if no run is at work on this target"
                )

    def read_fence(self) -> dict[str, FencedRun]:
        """Claims by logical run, oldest first.

        A fence that cannot be read counts as none, so an attempt that has claimed before can no longer commit. The
        next claim puts it aside.
        """
        try:
            return read_document(self._fence, dict[str, FencedRun]) or {}
        except ManifestDamaged as error:
            self._fence_is_lost = True
            log.warning("%s; who has claimed this target before has to claim it again", error)
            return {}

    def write_fence(self, fence: Mapping[str, FencedRun], changed: Mapping[str, FencedRun]) -> None:
        """Replace the fence, durably.

        :param fence: as it was read under this very lock.
        :param changed: lines that are new or other; the last one is the newest claim.
        """
        *others, newest = changed
        rows = {**fence, **{run: changed[run] for run in others}}
        rows.pop(newest, None)
        kept = dict(list(rows.items())[1 - _MAX_FENCED_RUNS :]) | {newest: changed[newest]}
        if self._fence_is_lost:
            put_aside(self._fence)
            self._fence_is_lost = False
        replace_document(self._fence, msgspec.json.format(msgspec.json.encode(kept), indent=1))
        sync_directory(self.path)

    def read_intent(self) -> Intent | None:
        """The swap that is under way, if one is.

        :raises ManifestDamaged: if it cannot be read; what lies on the disk tells how far that swap came.
        """
        return read_document(self._intent, Intent)

    def write_intent(self, intent: Intent) -> None:
        replace_document(self._intent, msgspec.json.encode(intent))
        sync_directory(self.path)

    def put_intent_aside(self) -> None:
        put_aside(self._intent)
        sync_directory(self.path)

    def remove_intent(self) -> None:
        with storage_errors("removing", self._intent):
            self._intent.unlink(missing_ok=True)
        sync_directory(self.path)

    def accept_removal(self, snapshot: str) -> None:
        """Let the run that replaces this snapshot drop as many of its results as it will."""
        replace_document(self._accepted_removal, msgspec.json.encode(AcceptedRemoval(snapshot)))
        sync_directory(self.path)

    def permits_removal(self, snapshot: str) -> bool:
        return self._removal_accepted_for() == snapshot

    def _removal_accepted_for(self) -> str | None:
        with suppress(ManifestDamaged):
            if accepted := read_document(self._accepted_removal, AcceptedRemoval):
                return accepted.snapshot
        return None

    def forget_accepted_removal(self) -> None:
        """It was for once."""
        with storage_errors("removing", self._accepted_removal):
            self._accepted_removal.unlink(missing_ok=True)

    def forget_outlived_removal(self, current: str | None) -> None:
        """Remove a permission that a commit has outlived: it is for another snapshot than the current one."""
        if self._removal_accepted_for() not in (None, current):
            self.forget_accepted_removal()

    def write_adoption(self, adoption: Adoption) -> None:
        replace_document(self._adoption, msgspec.json.encode(adoption))
        sync_directory(self.path)

    def read_adoption(self) -> Adoption | None:
        """What a stage may replace; one that cannot be read allows nothing."""
        with suppress(ManifestDamaged):
            return read_document(self._adoption, Adoption)
        return None

    def forget_adoption(self) -> None:
        with storage_errors("removing", self._adoption):
            self._adoption.unlink(missing_ok=True)

    def write_rejections(self, rejections: list[Rejection]) -> None:
        replace_document(self._rejections, msgspec.json.encode(rejections))
        sync_directory(self.path)

    def read_rejections(self) -> list[Rejection]:
        """What was rejected; where that cannot be read, nothing that is known."""
        with suppress(ManifestDamaged):
            return read_document(self._rejections, list[Rejection]) or []
        return []

    def holds_nothing(self) -> bool:
        """Whether all that lies here are claims that came to nothing, as of a stage that was skipped.

        :raises ManifestDamaged: if the fence cannot be read.
        """
        with storage_errors("listing", self.path):
            if set(os.listdir(self.path)) - {self._lock.name, _FENCE, *(each.name for each in self._rooms)}:
                return False
        if any(_has_entries(room) for room in self._rooms):
            return False
        rows = read_document(self._fence, dict[str, FencedRun]) or {}
        return not any(row.committed or row.done or row.open for row in rows.values())

    def tree_of(self, area: str) -> Path:
        """The tree of a staging area, by its name."""
        return self.attempts / area / "tree"

    def trees(self) -> Iterator[Path]:
        """Where a snapshot of this target may lie besides the target: retired, or just swapped out."""
        for directory, inner in ((self.retired, ""), (self.attempts, "tree")):
            with storage_errors("listing", directory):
                names = _names_of_directories(directory)
            for name in names:
                yield directory / name / inner


def _has_entries(directory: Path) -> bool:
    try:
        with storage_errors("listing", directory), os.scandir(directory) as entries:
            return any(True for _ in entries)
    except StorageError as error:
        if error.errno == errno.ENOENT:
            return False
        raise


def _names_of_directories(directory: Path) -> list[str]:
    """What lies there and is no link, which might lead anywhere."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _make_shared(path: Path, reference: os.stat_result) -> None:
    try:
        path.mkdir()
    except FileExistsError:
        share(path, reference)
        return
    share(path, reference)
    # What is kept below outlives the machine's power only if this name does.
    sync_directory(path.parent)
