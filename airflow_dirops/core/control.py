"""The control directory: everything about a target that its readers need not see, beside it on the same file system.

::

    interim/to_numpy/2026-11-01/            the target
    interim/to_numpy/.dirops/2026-11-01/    its control directory
        lock  fence.json  intent.json  attempts/<attempt>/  retired/<snapshot>/  removing/<snapshot>/
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from airflow_dirops.core.beneath import look_anew
from airflow_dirops.core.durable import replace_file, sync_directory
from airflow_dirops.core.entries import CONTROL_DIRECTORY
from airflow_dirops.core.errors import ManifestDamaged, TargetBusy, storage_errors
from airflow_dirops.core.holder import let_go

LOCK_TIMEOUT_SECONDS = 60.0
T = TypeVar("T")
_LOCK_POLL_SECONDS = 0.02
# A run that has not been heard of for so many others has no try left that could still commit.
_MAX_FENCED_RUNS = 256


class FencedRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest claim of one logical run, and the snapshots that its tries committed.

    :param committed: the try of each, of the latest few.
    :param done: the latest of its tries whose snapshot was there until another one replaced it.
    :param began: the ``ti_id`` of its first claim; what is older was another run of the same name, deleted since.
    """

    try_number: int
    ti_id: str
    attempt: str
    committed: dict[str, int] = {}
    done: int = 0
    began: str = ""


class Intent(msgspec.Struct, frozen=True):
    """A two-rename swap under way: the attempt whose tree becomes the target, and where the old one goes."""

    attempt: str
    snapshot: str
    retired: str


class AcceptedRemoval(msgspec.Struct, frozen=True):
    """Somebody let the next run drop many results of this snapshot."""

    snapshot: str


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
        self._fence = self.path / "fence.json"
        self._intent = self.path / "intent.json"
        self._accepted_removal = self.path / "accepted-removal.json"

    def create(self) -> None:
        """Make it where it is missing, open to the same users as the target's parent."""
        with storage_errors("making the control directory", self.path):
            like = self.target.parent.stat()
            for path in (self.path.parent, self.path, self.attempts, self.retired, self.removing):
                _make_like(path, like)

    @contextmanager
    def locked(self, who: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the target's lock: for milliseconds, at claim and at commit.

        :param who: for the error that others get.
        :raises TargetBusy: if another process holds it for longer than the timeout.
        """
        with storage_errors("opening the lock", self._lock):
            # Writable, since locks over NFS are refused otherwise.
            process = os.getpid()
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._acquire(descriptor, LOCK_TIMEOUT_SECONDS if timeout is None else timeout)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{who}, process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            self.look_anew()
            yield
        finally:
            let_go(descriptor, process)

    def look_anew(self) -> None:
        """See what other machines have done to the target and to what belongs to it."""
        look_anew(self.target.parent, self.path, self.attempts, self.retired)

    def _acquire(self, descriptor: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            with storage_errors("locking", self._lock), suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() >= deadline:
                owner = os.pread(descriptor, 1024, 0).decode(errors="replace") or "an unknown process"
                raise TargetBusy(
                    f"the target {str(self.target)!r} has been locked for {timeout:.0f} s by {owner}; "
                    "a lock is held for milliseconds, so look at that process, then try again"
                )
            time.sleep(_LOCK_POLL_SECONDS)

    def read_fence(self) -> dict[str, FencedRun]:
        """Claims by logical run, oldest first."""
        return self._read(self._fence, dict[str, FencedRun]) or {}

    def write_fence(self, fence: Mapping[str, FencedRun], changed: Mapping[str, FencedRun]) -> None:
        """Replace the fence, durably.

        :param fence: as it was read under this very lock.
        :param changed: lines that are new or other; the last one is the newest claim.
        """
        *others, newest = changed
        rows = {**fence, **{run: changed[run] for run in others}}
        rows.pop(newest, None)
        kept = dict(list(rows.items())[1 - _MAX_FENCED_RUNS :]) | {newest: changed[newest]}
        replace_file(self._fence, msgspec.json.format(msgspec.json.encode(kept), indent=1))

    def read_intent(self) -> Intent | None:
        return self._read(self._intent, Intent)

    def write_intent(self, intent: Intent) -> None:
        replace_file(self._intent, msgspec.json.encode(intent))

    def remove_intent(self) -> None:
        with storage_errors("removing", self._intent):
            self._intent.unlink(missing_ok=True)
        sync_directory(self.path)

    def accept_removal(self, snapshot: str) -> None:
        """Let the run that replaces this snapshot drop as many of its results as it will."""
        replace_file(self._accepted_removal, msgspec.json.encode(AcceptedRemoval(snapshot)))

    def permits_removal(self, snapshot: str) -> bool:
        accepted = self._read(self._accepted_removal, AcceptedRemoval)
        return accepted is not None and accepted.snapshot == snapshot

    def forget_accepted_removal(self) -> None:
        """It was for once."""
        with storage_errors("removing", self._accepted_removal):
            self._accepted_removal.unlink(missing_ok=True)

    def tree_of(self, attempt: str) -> Path:
        return self.attempts / attempt / "tree"

    def trees(self) -> Iterator[Path]:
        """Where a snapshot of this target may lie besides the target: retired, or just swapped out."""
        for directory, inner in ((self.retired, ""), (self.attempts, "tree")):
            with suppress(FileNotFoundError):
                for name in sorted(os.listdir(directory)):
                    yield directory / name / inner

    @staticmethod
    def _read(path: Path, kind: type[T]) -> T | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            raise ManifestDamaged(
                f"{str(path)!r} cannot be read: {error}; if no run is at work on this target, remove the file"
            ) from error


def _make_like(path: Path, like: os.stat_result) -> None:
    try:
        path.mkdir()
    except FileExistsError:
        return
    with suppress(PermissionError):
        os.chown(path, -1, like.st_gid)
    path.chmod(like.st_mode & 0o7777)
    # What is kept below outlives the machine's power only if this name does.
    sync_directory(path.parent)
