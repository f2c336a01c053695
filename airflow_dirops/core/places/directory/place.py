"""A directory as the place of a target: the seam, over what the other files here do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from airflow_dirops.core.disk.removal import Concerns, concerns
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import CommitUnknown, ConflictError, DiropsError, StorageError, TransientError
from airflow_dirops.core.format.control import Adoption, Rejection
from airflow_dirops.core.format.manifest import ListRecord, Manifest
from airflow_dirops.core.format.runs import Attempt, shown_time
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Committed, Lost, Terms, Unknown, Won
from airflow_dirops.core.place.place import AttemptSeen, Cleaned, FailedTry
from airflow_dirops.core.places.directory.adopting import adopt, adoption_of
from airflow_dirops.core.places.directory.alive import LeftAlone
from airflow_dirops.core.places.directory.claim import ClaimedTarget, claim_target
from airflow_dirops.core.places.directory.commit import commit, hold_back, publish
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.dead import LeftArea
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.places.directory.holding import HeldSnapshot, hold, hold_current, hold_pinned
from airflow_dirops.core.places.directory.notes import open_note, path_of_note, write_note
from airflow_dirops.core.places.directory.on_hold import list_on_hold, reject
from airflow_dirops.core.places.directory.overlay import check_not_in_lower_layer
from airflow_dirops.core.places.directory.preflight import check_target, make_writable, read_base
from airflow_dirops.core.places.directory.recovery import describe_left, finish_swap, take_dead
from airflow_dirops.core.places.directory.remains import newest_failed_try, what_is_left
from airflow_dirops.core.places.directory.resuming import resume_claim
from airflow_dirops.core.places.directory.retention import drop_expired, list_foreign, list_retired, list_unmanaged
from airflow_dirops.core.places.directory.triage import (
    amend_triage,
    keep_replacement,
    open_replacement,
    read_triage,
)
from airflow_dirops.core.places.directory.watching import look_at_attempts
from airflow_dirops.core.stage.policies import Durability, OnConflict, Replaceable
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.staging.area import StagingArea

log = logger(__name__)


class DirectoryPlace:
    """A target that is a directory, and what belongs to it beside it.

    :param target: its path; a link stays one, and what it points to is replaced.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self._given = Path(target)
        self._control = ControlDirectory(Path(os.path.realpath(target)))

    @property
    def name(self) -> str:
        return str(self._control.target)

    def check(self, sources: Iterable[str]) -> None:
        check_target(self._given, map(Path, sources))

    def look(self, terms: Terms) -> HeldSnapshot | None:
        base = read_base(self._control.target, terms, self._control.read_adoption())
        return hold_pinned(self._control.target, base.snapshot) if base else None

    def claim(self, attempt: Attempt, terms: Terms) -> DirectoryClaim:
        make_writable(self._control.target)
        return DirectoryClaim(claim_target(self._control, attempt, terms))

    def resume(
        self, attempt: str, terms: Terms, *, shard: int | None = None, host: str | None = None
    ) -> DirectoryClaim:
        return DirectoryClaim(resume_claim(self._control, attempt, terms, shard=shard, host=host))

    def hold(self, snapshot: str | None = None) -> HeldSnapshot:
        return hold_current(self._given) if snapshot is None else hold_pinned(self._given, snapshot)

    def read_header(self) -> Manifest:
        return read_manifest(self._given)

    def permits_removal(self, snapshot: str) -> bool:
        return self._control.permits_removal(snapshot)

    def accept_removal(self, snapshot: str) -> None:
        self._control.create()
        self._control.accept_removal(snapshot)

    def adopt(self, stage: str | None) -> Adoption:
        self.check(())
        return adopt(self._control, stage)

    def adoption(self) -> Adoption | None:
        return adoption_of(self._control)

    def forget_accepted_removal(self) -> None:
        self._control.forget_accepted_removal()

    def remains(self) -> str:
        return what_is_left(os.path.abspath(self._given))

    def has_remains(self) -> bool:
        try:
            return self._control.path.is_dir() and not self._control.holds_nothing()
        except (DiropsError, OSError):
            return True  # somebody has to look

    def is_tried(self) -> bool:
        with suppress(OSError):
            return bool(os.listdir(self._control.attempts))
        return False

    def list_kept(self) -> list[KeptDirectory]:
        current = _look(self._control.target, is_current=True)
        retired = (_look(path, is_current=False) for path in list_retired(self._control))
        return [kept for kept in (current, *retired) if kept is not None]

    def list_held(self) -> list[OnHoldDirectory]:
        return [
            OnHoldDirectory(each.manifest, False, str(each.area / "tree"), each.hold.until, each.hold.may_replace)
            for each in list_on_hold(self._control)
        ]

    def reject(self, rejection: Rejection) -> None:
        reject(self._control, rejection)

    def rejections(self) -> list[Rejection]:
        return self._control.read_rejections()

    def finish_what_crashed(self, who: str) -> None:
        if not self._control.path.is_dir():
            return
        with self._control.locked(who):
            finish_swap(self._control)
            for attempt in take_dead(self._control, lambda *_: None):
                attempt.release()

    def newest_failed_try(self, newer_than: str = "") -> FailedTry | None:
        return newest_failed_try(self._control, newer_than)

    def triage(self) -> list[Decision]:
        return read_triage(self._control)

    def amend_triage(self, amend: Callable[[Sequence[Decision]], Iterable[Decision]]) -> list[Decision]:
        return amend_triage(self._control, amend)

    def keep_replacement(self, file: BinaryIO) -> str:
        return keep_replacement(self._control, file)

    def open_replacement(self, digest: str) -> BufferedReader:
        return open_replacement(self._control, digest)

    def list_attempts(self) -> list[AttemptSeen]:
        return look_at_attempts(self._control)

    def clean(self, retention: Retention) -> Cleaned:
        control = self._control
        if not control.path.is_dir():
            return Cleaned([], [], [])
        left: list[str] = []
        with concerns(log, left) as found:
            orphans = _discard_orphans(control, left, found)
            expired = drop_expired(control, retention, found)
        with suppress(DiropsError):  # what cannot be looked at was told of above
            left += _described_holds(control)
        return Cleaned(orphans, expired, list_unmanaged(control), list_foreign(control), left)


class DirectoryClaim:
    """A claim on a directory; see :class:`~airflow_dirops.core.place.claim.Claim`."""

    def __init__(self, claimed: ClaimedTarget) -> None:
        self._claimed = claimed
        self.attempt = claimed.attempt
        self.base = claimed.base
        self.full = claimed.full

    @property
    def dead(self) -> list[LeftArea]:
        return self._claimed.dead

    @property
    def others(self) -> list[LeftArea]:
        return self._claimed.others

    @property
    def area(self) -> str:
        return self._claimed.directory.name

    @property
    def committed_before(self) -> bool:
        return self._claimed.committed_before

    def __enter__(self) -> Self:
        self._claimed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._claimed.__exit__(kind, error, trace)

    def leave_open(self, *, while_at_work: bool = False) -> None:
        self._claimed.leave_open(while_at_work=while_at_work)

    def end(self) -> None:
        self._claimed.end()

    def write_note(self, name: str, lines: Iterable[bytes]) -> ListRecord:
        return write_note(self._claimed.directory, name, lines)

    def open_note(self, area: str, name: str, host: str | None = None) -> BufferedReader | None:
        return open_note(self._claimed.control, area, name, host)

    def name_of_note(self, area: str, name: str) -> str:
        return str(path_of_note(self._claimed.control, area, name))

    def left_by(self, area: str) -> LeftArea | None:
        return self._claimed.left_by(area)

    def hold_base(self) -> HeldSnapshot | None:
        return hold_pinned(self._claimed.target, self.base.snapshot) if self.base else None

    def sorter(self, name: str) -> Sorter:
        return Sorter(self._claimed.directory / "sort", name)

    def free_bytes(self) -> int | None:
        status = os.statvfs(self._claimed.control.path)
        # Some that come over a network or FUSE do not tell their size.
        return status.f_bavail * status.f_frsize if status.f_blocks else None

    def check_replaceable(self) -> None:
        check_not_in_lower_layer(self._claimed.target, self._claimed.control.path)

    def stage(self, durability: Durability) -> StagingArea:
        claimed = self._claimed
        return StagingArea(claimed.directory, claimed.alive.touch, durability=durability, target=claimed.target)

    def commit(self, sealed: Manifest, on_conflict: OnConflict = "fail") -> Committed:
        return self._ended_by(lambda: commit(self._claimed, sealed, on_conflict))

    def hold_sealed(self) -> HeldSnapshot:
        return hold(self._claimed.tree)

    def hold_back(self, sealed: Manifest, until: float, on_conflict: OnConflict = "fail") -> Committed:
        return self._ended_by(lambda: hold_back(self._claimed, sealed, until, on_conflict))

    def publish(self, held: Manifest) -> Committed:
        return self._ended_by(lambda: publish(self._claimed, held))

    def _ended_by(self, step: Callable[[], None]) -> Committed:
        try:
            step()
        except ConflictError as error:
            return Lost(error)
        except CommitUnknown as error:
            return Unknown(error)
        self._claimed.end()
        return Won()

    def retire(self, retention: Retention) -> None:
        drop_expired(self._claimed.control, retention)

    def where_replaced(self) -> str:
        return str(self._claimed.control.retired / self.base.snapshot) if self.base else ""


@dataclass(frozen=True)
class KeptDirectory:
    """A snapshot that can be read; see :class:`~airflow_dirops.core.place.held.Kept`."""

    manifest: Manifest
    is_current: bool
    name: str

    def hold(self) -> HeldSnapshot:
        return hold(Path(self.name))


@dataclass(frozen=True)
class OnHoldDirectory(KeptDirectory):
    """A snapshot that waits for a decision; see :class:`~airflow_dirops.core.place.held.OnHold`."""

    until: float
    may_replace: tuple[Replaceable, ...]


def _look(path: Path, *, is_current: bool) -> KeptDirectory | None:
    try:
        manifest = read_manifest(path)
    except TransientError as error:
        if not is_current and isinstance(error, StorageError) and error.errno in (errno.EACCES, errno.EPERM):
            return None  # the others may be looked at
        raise
    except DiropsError:
        return None
    # Somebody put it there, or changed its header: it is not what was retired under that name.
    is_own = is_current or path.name.startswith(manifest.snapshot)
    return KeptDirectory(manifest, is_current, str(path)) if is_own else None


def _described_holds(control: ControlDirectory) -> list[str]:
    return [
        f"snapshot {each.hold.snapshot} is held until {shown_time(each.hold.until)}, unless it is published or "
        "rejected before"
        for each in list_on_hold(control)
    ]


def _discard_orphans(control: ControlDirectory, left: list[str], found: Concerns) -> list[str]:
    def note(where: Path, why: LeftAlone) -> None:
        left.append(describe_left(where, why))

    orphans = []
    with control.locked("clean"):
        finish_swap(control)
        for attempt in take_dead(control, note, found):
            if attempt.discard(found):
                orphans.append(attempt.id)
            attempt.release()
    return orphans
