"""What can go wrong, grouped by what the caller does next.

::

    DiropsError
    ├── InputError              fix the input, then run again
    │   ├── SourceMissing           the source is not there, or is not a directory
    │   ├── SourceEmpty             no file matched, and ``empty="fail"``
    │   ├── DanglingLink            a link in the source leads nowhere: what it stands for is away
    │   ├── RecordFailed            the user's function raised, or returned something that cannot be used
    │   ├── EncodeError             a codec cannot write this value
    │   ├── KeyRefused              a key cannot become a file name in the target
    │   │   └── KeyTaken                another record has it already
    │   ├── KeyMissing              a key is not in every source, and ``join="strict"``
    │   ├── TooManyFailures         more inputs failed than ``max_failures`` allows
    │   ├── TooManyRemoved          more results would go than ``max_removed`` allows
    │   ├── NothingMade             every input gave nothing, and ``empty="fail"``
    │   ├── CheckFailed             a check found something in the sealed snapshot
    │   ├── ManifestMissing         the directory carries no manifest
    │   ├── ManifestDamaged         the manifest cannot be read, or contradicts itself
    │   └── SnapshotDamaged         an entry is not what the manifest says
    ├── SetupError              fix the DAG or the machine; trying again alone does not help
    │   ├── ArgumentRefused         an argument, template, partition or codec that cannot be used
    │   ├── TargetRefused           writing there could harm something that is not ours
    │   ├── ManifestTooNew          written by a newer version of this package
    │   ├── PlanDamaged             the plan of a sharded stage cannot be read, or is of something else
    │   ├── PlanNotSeen             this machine does not see what another one wrote beside the target
    │   ├── ShardMissing            what a shard made is not there; it has to be made again
    │   ├── NotHeld                 there is no such held snapshot, or it is not published yet
    │   └── UntrustedPickle         decoding would run code, and nobody vouched for it
    ├── TransientError          try again
    │   ├── TargetBusy              another process holds the target's lock
    │   ├── SourceChanged           a file vanished or changed while it was read
    │   │   └── ListingChanged          or since the source was looked at, which pinned what to read
    │   ├── StagingChanged          somebody removed, altered or added files in the staging area
    │   ├── SnapshotExpired         a pinned snapshot is no longer kept
    │   ├── ResourcesExhausted      the machine has no memory, thread or process left
    │   ├── CommitUnknown           whether the new snapshot was published cannot be told; trying again tells
    │   └── StorageError            the file system refused: full, read-only, no permission, input/output error
    └── ConflictError           another attempt won; look at who, then decide
        ├── TargetConflict          another run committed since this attempt began
        └── AttemptSuperseded       a newer try of the same run has begun
            └── PlanSuperseded          and with it a newer plan; or the plan has been committed, or given up

    Stopped (BaseException)     the run was asked to stop; no ``except Exception`` may swallow it
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike, fsdecode, geteuid, strerror
from os.path import isabs
from types import TracebackType
from typing import ClassVar

from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import shown, text_of
from airflow_dirops.core.messages.tracebacks import described, make_presentable
from airflow_dirops.core.stops import Stopped as Stopped

_MAX_MESSAGE = 8_000
_MAX_FINDING = 2_000
_MAX_FINDINGS = 50
_MAX_CAUSES = 10

# What a mount says whose server or device is gone; sshfs, for one, ENOTCONN.
_UNREACHABLE = frozenset(
    {
        *(errno.ENOTCONN, errno.ESHUTDOWN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENODEV),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
_AWAY = _UNREACHABLE | {errno.EIO, errno.ESTALE}


class DiropsError(Exception):
    """Base of all errors of this package; its text can be written anywhere, whatever it quotes.

    :param message: what happened, where, and what to do about it.
    :param findings: the single findings, where several were collected before raising.
    """

    kind: ClassVar[str] = "dirops-error"
    """For alerts and scripts: it stays, whatever becomes of the name of a class."""

    def __init__(self, message: str, findings: Iterable[str] = ()) -> None:
        found = first_few(findings, _MAX_FINDINGS, lambda finding: shown(finding, _MAX_FINDING))
        self.findings = tuple(found.findings())
        super().__init__("\n  - ".join((shown(message, _MAX_MESSAGE), *self.findings)))


class InputError(DiropsError):
    """Fix the input, then run again."""

    kind = "input-error"


class SetupError(DiropsError):
    """Fix the DAG or the machine; trying again alone does not help."""

    kind = "setup-error"


class TransientError(DiropsError):
    """Try again."""

    kind = "transient-error"


class ConflictError(DiropsError):
    """Another attempt won; look at who, then decide."""

    kind = "conflict-error"


class SourceMissing(InputError):
    """The source is not there, or is not a directory."""

    kind = "source-missing"


class SourceEmpty(InputError):
    """No file matched, and ``empty="fail"``."""

    kind = "source-empty"


class DanglingLink(InputError):
    """A link in the source leads nowhere: what it stands for is away."""

    kind = "dangling-link"


class RecordFailed(InputError):
    """The user's function raised, or returned something that cannot be used."""

    kind = "record-failed"


class EncodeError(InputError):
    """A codec cannot write this value."""

    kind = "encode-error"


class KeyRefused(InputError):
    """A key cannot become a file name in the target."""

    kind = "key-refused"


class KeyTaken(KeyRefused):
    """Two records want the same file.

    :param path: the entry that is made already.
    """

    kind = "key-taken"

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class KeyMissing(InputError):
    """A key is not in every source, and ``join="strict"``."""

    kind = "key-missing"


class TooManyFailures(InputError):
    """More inputs failed than ``max_failures`` allows."""

    kind = "too-many-failures"


class TooManyRemoved(InputError):
    """More results would go than ``max_removed`` allows."""

    kind = "too-many-removed"


class NothingMade(InputError):
    """Every input gave nothing, and ``empty="fail"``."""

    kind = "nothing-made"


class CheckFailed(InputError):
    """A check found something in the sealed snapshot, and nothing was published."""

    kind = "check-failed"


class ManifestMissing(InputError):
    """The directory carries no manifest."""

    kind = "manifest-missing"


class ManifestDamaged(InputError):
    """The manifest cannot be read, or contradicts itself."""

    kind = "manifest-damaged"


class SnapshotDamaged(InputError):
    """An entry is not what the manifest says."""

    kind = "snapshot-damaged"


class ArgumentRefused(SetupError, ValueError):
    """An argument, template, partition or codec that cannot be used."""

    kind = "argument-refused"


class TargetRefused(SetupError):
    """Writing there could harm something that is not ours."""

    kind = "target-refused"


class ManifestTooNew(SetupError):
    """Written by a newer version of this package."""

    kind = "manifest-too-new"


class PlanDamaged(SetupError):
    """The plan of a sharded stage cannot be read, or is for something else than what is asked."""

    kind = "plan-damaged"


class PlanNotSeen(SetupError):
    """This machine does not see what another one wrote beside the target."""

    kind = "plan-not-seen"


class ShardMissing(SetupError):
    """What a shard made is not there, or is not what it sealed; it has to be made again."""

    kind = "shard-missing"


class NotHeld(SetupError):
    """There is no such snapshot to publish or reject, as it was decided or its time is over; or nobody has published
    what is to be read.
    """

    kind = "not-held"


class UntrustedPickle(SetupError):
    """Decoding would run code, and nobody vouched for it."""

    kind = "untrusted-pickle"


class TargetBusy(TransientError):
    """Another process holds the target's lock."""

    kind = "target-busy"


class SourceChanged(TransientError):
    """A file vanished or changed while it was read."""

    kind = "source-changed"


class ListingChanged(SourceChanged):
    """What a sensor saw, and pinned for a stage, is not there any more."""

    kind = "listing-changed"


class StagingChanged(TransientError):
    """Somebody changed what an attempt has written for itself, and nobody else has business with.

    :param path: of what was changed.
    :param what: what is wrong with it.
    """

    kind = "staging-changed"

    def __init__(self, path: str | PathLike[str], what: str) -> None:
        super().__init__(
            f"somebody changed the staging area while this attempt was at work: {fsdecode(path)!r}: {what}. "
            "Nothing was committed; find what cleans up or writes there, then try again"
        )


class SnapshotExpired(TransientError):
    """A pinned snapshot is no longer kept."""

    kind = "snapshot-expired"


class ResourcesExhausted(TransientError):
    """The machine has nothing left to go on with, which says nothing about any file.

    :param cause: what Python raised.
    """

    kind = "resources-exhausted"

    def __init__(self, cause: BaseException) -> None:
        is_memory = isinstance(cause, MemoryError) or getattr(cause, "errno", None) == errno.ENOMEM
        lacking = "memory" if is_memory else "threads or processes"
        super().__init__(
            f"this machine has no {lacking} left for the stage ({described(cause, 200)}). Nothing that was committed "
            "has changed, and finished files are kept; give the task more, or use fewer workers, then try again"
        )


class StorageError(TransientError, OSError):
    """The file system refused a call.

    :param doing: what was being done, as a phrase: "writing", "making the directory".
    :param path: the path it was done to.
    :param cause: the operating system's answer; its ``errno`` is kept.
    """

    kind = "storage-error"

    def __init__(self, doing: str, path: str | PathLike[str], cause: OSError) -> None:
        where = fsdecode(path)
        reason = cause.strerror or (strerror(cause.errno) if cause.errno else str(cause))
        super().__init__(f"{doing} {where!r} failed: {reason}; {_remedy(cause)}")
        self.errno, self.strerror, self.filename = cause.errno, reason, where

    def __str__(self) -> str:
        # OSError would otherwise print its own errno, strerror and filename form.
        return str(self.args[0])


class TargetConflict(ConflictError):
    """Another run committed since this attempt began."""

    kind = "target-conflict"


class AttemptSuperseded(ConflictError):
    """A newer try of the same run has begun, or another process of this one has committed."""

    kind = "attempt-superseded"


class PlanSuperseded(AttemptSuperseded):
    """The plan of a sharded stage is over: there is a newer one, or it has been committed, or given up."""

    kind = "plan-superseded"


class CommitUnknown(TransientError):
    """Whether the new snapshot is the target cannot be told; nothing was removed.

    :param target: for people.
    :param cause: what kept it from being seen.
    """

    kind = "commit-unknown"

    def __init__(self, target: str, cause: Exception) -> None:
        super().__init__(
            f"the new snapshot of {target!r} was put in place, and whether it is there for good cannot be told: "
            f"{cause}. Nothing was removed; run the task again: it looks at what is there, and goes on from that"
        )


class storage_errors:  # noqa: N801 - a block, as in contextlib
    """Turn an ``OSError`` of the block into a :class:`StorageError` that names what was done, and to what."""

    # Not a generator, which costs five times as much: there are several such blocks for every file.
    __slots__ = ("_doing", "_path")

    def __init__(self, doing: str, path: str | PathLike[str]) -> None:
        self._doing = doing
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, OSError) and not isinstance(error, StorageError):
            raise StorageError(self._doing, self._path, error) from error


@contextmanager
def remaining_storage_errors(target: str | PathLike[str]) -> Iterator[None]:
    """At a door: whatever the system refused and nobody had a better word for is an error of ours too.

    What leaves has causes that a log can hold.

    :param target: named where the call itself does not say which path it was about.
    """
    try:
        with _named(target):
            yield
    except BaseException as error:
        with suppress(Exception):
            make_presentable(error)
        raise


@contextmanager
def _named(target: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except DiropsError:
        raise
    except OSError as error:
        path = error.filename if isinstance(error.filename, str) and isabs(error.filename) else target
        raise StorageError("working on", path, error) from error
    except (MemoryError, RuntimeError) as error:
        if not is_exhaustion(error):
            raise
        raise ResourcesExhausted(error) from error


def error_of_kind(kind: str) -> type[DiropsError]:
    """The class that a :attr:`DiropsError.kind` stands for."""
    return next(each for each in _with_subclasses(DiropsError) if each.kind == kind)


def _with_subclasses(parent: type[DiropsError]) -> Iterator[type[DiropsError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _with_subclasses(child)


def is_exhaustion(error: BaseException) -> bool:
    """Whether the machine had no memory, or no thread, to give."""
    return isinstance(error, MemoryError) or _is_for_want_of_a_thread(error)


def _is_for_want_of_a_thread(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and text_of(error) == "can't start new thread"


def environment_error(error: BaseException, path: str | PathLike[str]) -> TransientError | None:
    """What an error out of the user's function is, where every other file would have met it as well.

    Memory is not among it: a file may be too large by itself.

    :param path: of the file that the function was on.
    """
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return StorageError("working on", path, cause)
        if _is_for_want_of_a_thread(cause):
            return ResourcesExhausted(cause)
    return None


def storage_failure(error: BaseException, path: str | PathLike[str]) -> StorageError | None:
    """What an error out of the user's function is, where a device or a share did not give what lies on it.

    It may be one bad sector, or all of a share that went away: the function is not to blame for either.

    :param path: of the file that the function was on.
    """
    for cause in _causes(error):
        # A socket has no file's name.
        if isinstance(cause, OSError) and cause.errno in (_AWAY if cause.filename else (errno.EIO, errno.ESTALE)):
            return StorageError("reading", cause.filename if isinstance(cause.filename, str) else path, cause)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def _remedy(cause: OSError) -> str:
    remedies = {
        errno.ENOSPC: "free space or inodes on that file system, then try again; finished files are kept",
        errno.EDQUOT: "free space within the quota, then try again; finished files are kept",
        errno.EACCES: f"give user {geteuid()} permission for it, or do this as a user that has it",
        errno.EPERM: f"give user {geteuid()} permission for it, or do this as a user that has it",
        errno.EROFS: "the file system is mounted read-only; remount it or choose another target",
        errno.EXDEV: "it cannot be renamed, as what is only in the lower layer of an overlay; choose another target",
        errno.EMFILE: "close what the function opens, or let the process open more files (ulimit -n), then try again",
        errno.ENFILE: "this machine has too many files open; look which program holds them, then try again",
        errno.EBADF: "a function, or a library that it uses, closes files that it did not open; mend that",
        errno.EAGAIN: "this machine has no process or thread left for it; use fewer workers, then try again",
        errno.ENOMEM: "give the machine or the task more memory, then try again",
        errno.EIO: "the device or the share reported an error; look at the disk, the mount and the kernel log before "
        "trying again",
        errno.ESTALE: "another machine removed it while it was in use, or the share went away; try again, and mount "
        "the share anew if that fails too",
        errno.ENOENT: "something removed it while it was in use; try again",
    }
    if cause.errno in _UNREACHABLE:
        return "what was mounted there does not answer; look at its server or device, mount it anew, then try again"
    return remedies.get(cause.errno or 0, "nothing that was committed has changed")
