"""An attempt at any place, one step of the seam after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from airflow_dirops.core.codecs import Codec, resolve_codec
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input, key_of
from airflow_dirops.core.format.journal import Failure, JournalLine, Output
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import Manifest, SourceRecord
from airflow_dirops.core.format.runs import Attempt, LogicalRun
from airflow_dirops.core.place.claim import Claim, Committed, Terms, Won
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Sealing, Staging
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.policies import Durability, OnConflict
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.stage.stage import Stage

Files = Mapping[str, bytes]
"""What a snapshot holds, by path."""

BYTES = resolve_codec("bytes")
CODE = "0" * 64
KEEP_NONE = Retention(keep_snapshots=0, keep_hours=0.0)


def bytes_of(path: str) -> bytes:
    """Its name, as what a file holds."""
    return path.encode()


def terms(stage: str = "copy", fingerprint: str | None = CODE, **more: object) -> Terms:
    """What a stage of the suite asks of a target."""
    return Terms(stage=stage, fingerprint=fingerprint, **more)  # type: ignore[arg-type]


def attempt_of(run: str = "run", try_number: int = 1, **more: object) -> Attempt:
    """A try of a run; the later it is made, the newer it is."""
    return Attempt(run=LogicalRun("dag", run, "task"), try_number=try_number, **more)  # type: ignore[arg-type]


def line_of(path: str) -> JournalLine:
    """The journal line of an input that has given nothing yet."""
    return JournalLine(Input(path, 1, mtime_ns=1))


def failed(path: str) -> JournalLine:
    """The journal line of an input that failed."""
    return JournalLine(Input(path, 1, mtime_ns=1), "quarantined", (), Failure("ValueError", "no", "Traceback"))


def put(staging: Staging, files: Files, codec: Codec = BYTES) -> None:
    """Stage some files, each of an input of its own."""
    for path, content in files.items():
        staging.stage(line_of(path), iter([(key_of(path), content)]), codec)


@dataclass
class Driven:
    """A claim, and what is staged under it."""

    claim: Claim
    on: Terms
    durability: Durability = "full"
    staging: Staging = field(init=False)
    _is_staging: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self.staging = self.claim.stage(self.durability)

    @classmethod
    def begin(cls, place: Place, attempt: Attempt | None = None, on: Terms | None = None) -> Driven:
        on = on or terms()
        return cls(place.claim(attempt or attempt_of(), on), on)

    @classmethod
    def resume(cls, place: Place, other: Driven) -> Driven:
        """Go on with another process's claim."""
        return cls(place.resume(other.claim.attempt.id, other.on), other.on)

    def take_others(self, *areas: str) -> Driven:
        """Take all that other processes have finished in these staging areas."""
        for other in self.claim.others:
            if other.id in areas:
                for line in other.finished():
                    if not self.staging.reuse(line, other):
                        raise AssertionError(f"{line.input.path} of {other.id} is not as it was finished")
        return self

    def leave(self) -> None:
        """End, and leave the claim open for others."""
        self.staging.drain()
        self.close_staging()
        self.claim.leave_open()
        self.claim.__exit__(None, None, None)

    def put(self, files: Files) -> Driven:
        put(self.staging, files)
        return self

    def seal(self, planned: int | None = None) -> Manifest:
        """Seal what was staged.

        :param planned: how many inputs there are; by default those that are journaled.
        """
        self.staging.drain()
        if planned is None:
            planned = sum(1 for _ in self.staging.finished())
        stage = Stage(
            source="source",
            target="target",
            read=bytes_of,
            codec="bytes",
            stage=self.on.stage,
            limit=self.on.limit,
            dimensions=self.on.dimensions,
        )
        return self.staging.seal(
            Sealing(
                stage=stage,
                code=Code(self.on.fingerprint or ""),
                attempt=self.claim.attempt,
                base=self.claim.base,
                sources=(SourceRecord(location="source"),),
                ignored=0,
                began=time.monotonic(),
                planned=planned,
            )
        )

    def commit(self, on_conflict: OnConflict = "fail") -> Committed:
        sealed = self.seal()
        self.close_staging()
        return self.claim.commit(sealed, on_conflict)

    def finish(self, on_conflict: OnConflict = "fail") -> Manifest:
        """Commit and let go.

        :raises ConflictError: if it lost.
        :raises CommitUnknown: if nobody knows.
        """
        sealed = self.seal()
        self.close_staging()
        answer = self.claim.commit(sealed, on_conflict)
        if not isinstance(answer, Won):
            self.fail()
            raise answer.error
        self.claim.__exit__(None, None, None)
        return sealed

    def fail(self) -> None:
        """End as an attempt does that raises: what it finished stays."""
        error = RuntimeError("the stage failed")
        self.close_staging()
        self.claim.__exit__(RuntimeError, error, None)

    def close_staging(self) -> None:
        if self._is_staging:
            self._is_staging = False
            self.staging.__exit__(None, None, None)


def committed(place: Place, files: Files, attempt: Attempt | None = None, on: Terms | None = None) -> Manifest:
    """Commit a snapshot of these files."""
    return Driven.begin(place, attempt, on).put(files).finish()


def content_of(held: Held) -> dict[str, bytes]:
    """What a reader sees who follows the manifest, each file compared with its size and digest."""
    with closing(Snapshot(held, verify=True)) as snapshot:
        return {record.entry.path: record.value for record in snapshot}


def seen_in(place: Place) -> dict[str, bytes]:
    """What a reader sees there now."""
    return content_of(place.hold())


def lines_of(held: Held) -> Iterator[JournalLine]:
    """A journal line for each entry, as a run has it that keeps the entry."""
    for line in iter_list(held, FILES):
        output = Output(line.path, line.size, line.digest, 0, 0)
        yield JournalLine(line.inputs[0], "carried", (output,))
