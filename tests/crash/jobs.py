"""What the struck processes do: whole small stages, through the package's public doors."""

from __future__ import annotations

import hashlib
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_dirops.core import (
    Attempt,
    LogicalRun,
    Retention,
    Stage,
    cut,
    gather,
    open_snapshot,
    read_directory,
    upkeep,
    work_shard,
)
from airflow_dirops.core.errors import ArgumentRefused, AttemptSuperseded, DiropsError, PlanSuperseded, TooManyRemoved
from airflow_dirops.core.places.directory import control
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.testing.places.driving import Driven, attempt_of, terms

STAGE = "crash.stage"


def stage(
    *,
    source: str,
    target: str,
    run: str,
    mark: str,
    try_number: int = 1,
    first_try: int = 1,
    seconds_each: float = 0,
    lock_timeout: float = control.LOCK_TIMEOUT_SECONDS,
    stage: str = STAGE,
    **options: Any,
) -> dict[str, Any]:
    """Run a stage that writes a mark before each file's bytes, and says which inputs it computed.

    :param seconds_each: what the work on an input takes; with more than a group waits for, each is journaled by itself.
    :param lock_timeout: changed for this process only, which is the job's own.
    """
    control.LOCK_TIMEOUT_SECONDS = lock_timeout
    computed: list[str] = []

    def read(path: str) -> bytes | None:
        computed.append(os.path.relpath(path, source))
        time.sleep(seconds_each)
        if path.endswith(".txt"):
            return None
        with open(path, "rb") as file:
            return mark.encode() + file.read()

    outcome = read_directory(
        source=source,
        target=target,
        read=read,
        codec="bytes",
        stage=stage,
        version=mark,
        attempt=Attempt(
            run=LogicalRun(dag_id="crash", run_id=run, task_id="stage"),
            try_number=try_number,
            first_try_number=first_try,
        ),
        **options,
    )
    return outcome.to_dict() | {"computed": computed}


def contents(*, target: str, pinned: str = "", seconds_each: float = 0) -> Iterator[tuple[str, str]]:
    """What a reader gets: the digest of each value, by path.

    :param pinned: the id of a snapshot, to read that one.
    :param seconds_each: how long the reader takes after each value.
    """
    with open_snapshot({"target": target, "snapshot": pinned} if pinned else target) as snapshot:
        for record in snapshot:
            yield record.entry.path, hashlib.sha256(record.value).hexdigest()
            time.sleep(seconds_each)


def read(**arguments: Any) -> dict[str, Any]:
    return dict(contents(**arguments))


def rollback(*, target: str, snapshot: str, **_: Any) -> dict[str, Any]:
    """Roll back, and clean up what a try before may have left."""
    manifest = upkeep.rollback(target, snapshot)
    upkeep.clean(target)
    return {"snapshot": manifest.snapshot}


def hold(*, target: str, **arguments: Any) -> dict[str, Any]:
    """Make and hold a snapshot; whether a try before got through or not, one is held in the end, and it is whole."""
    made = stage(target=target, publish="hold", **arguments)
    upkeep.clean(target)
    # By its name: reading may be what is refused.
    held = [*Path(target).parent.glob(f".dirops/{Path(target).name}/attempts/*/hold.json")]
    if made["outcome"] != "held" or len(held) != 1:
        raise AssertionError(f"held are {held} after {made}")
    return made


def publish(*, target: str, snapshot: str, **_: Any) -> dict[str, Any]:
    """Publish, and clean up what a try before may have left."""
    manifest = upkeep.publish(target, snapshot, reason="it is right")
    upkeep.clean(target)
    return {"snapshot": manifest.snapshot}


def reject(*, target: str, snapshot: str, **_: Any) -> dict[str, Any]:
    rejection = upkeep.reject(target, snapshot, reason="it is wrong")
    upkeep.clean(target)
    if held := upkeep.list_held(target):
        raise AssertionError(f"still held: {held}")
    return {"snapshot": rejection.snapshot}


def clean(*, target: str, keep_snapshots: int = 1, keep_hours: float = 24.0, **_: Any) -> dict[str, Any]:
    return {"orphans": upkeep.clean(target, Retention(keep_snapshots, keep_hours)).orphans}


def repair(*, target: str, **_: Any) -> dict[str, Any]:
    """Repair, and clean up what a try before may have left."""
    repaired = upkeep.repair(target)
    upkeep.clean(target)
    return {"snapshot": repaired.snapshot, "restored": repaired.restored}


def accept_removal(*, target: str) -> dict[str, Any]:
    return {"snapshot": upkeep.accept_removal(target).snapshot}


def adopt(*, target: str) -> dict[str, Any]:
    """As a person does, who tries again where a try before got through."""
    with suppress(ArgumentRefused):
        upkeep.adopt(target, STAGE)
    return {}


def let_through(*, target: str, **arguments: Any) -> dict[str, Any]:
    """Run a stage; where it would remove too much, let that through once, and run it again."""
    try:
        return stage(target=target, **arguments)
    except TooManyRemoved:
        upkeep.accept_removal(target)
        return stage(target=target, **arguments)


def plan(*, source: str, target: str, mark: str, run: str, **_: Any) -> dict[str, Any]:
    """Claim, make one file of two, and leave the rest to whoever goes on with the claim."""
    driven = Driven.begin(DirectoryPlace(target), attempt_of(run), terms(STAGE))
    driven.put(dict(list(_values(source, mark).items())[::2])).leave()
    return {"attempt": driven.claim.attempt.id}


def go_on(*, source: str, target: str, mark: str, attempt: str, **_: Any) -> dict[str, Any]:
    """Go on with a claim that was left open, and commit; a try before may have come to any point of that."""
    place = DirectoryPlace(target)
    try:
        _finish(Driven(place.resume(attempt, terms(STAGE)), terms(STAGE)), _values(source, mark))
    except AttemptSuperseded:
        if place.read_header().attempt.id != attempt:
            raise
    upkeep.clean(target)
    return {"snapshot": place.read_header().snapshot}


def _sharded(source: str, target: str, mark: str, run: str = "", try_number: int = 1) -> Stage:
    return Stage(
        source=source,
        target=target,
        read=lambda path: None if path.endswith(".txt") else mark.encode() + Path(path).read_bytes(),
        codec="bytes",
        stage=STAGE,
        version=mark,
        attempt=Attempt(run=LogicalRun(dag_id="crash", run_id=run, task_id="stage"), try_number=try_number),
    )


def cut_shards(
    *,
    source: str,
    target: str,
    mark: str,
    run: str,
    try_number: int = 1,
    lock_timeout: float = control.LOCK_TIMEOUT_SECONDS,
    **_: Any,
) -> dict[str, Any]:
    """Plan, and leave the rest to whoever has the messages."""
    control.LOCK_TIMEOUT_SECONDS = lock_timeout
    planned = cut(_sharded(source, target, mark, run, try_number), 3)
    return {"cut": planned.to_dict(), "shards": [shard.to_dict() for shard in planned.shards]}


def work_shards(
    *,
    source: str,
    target: str,
    mark: str,
    cut: dict[str, Any],
    shards: list[dict[str, Any]],
    lock_timeout: float = control.LOCK_TIMEOUT_SECONDS,
    **_: Any,
) -> dict[str, Any]:
    """Work on all shards; a try before may have come to any point of that, or may have committed."""
    control.LOCK_TIMEOUT_SECONDS = lock_timeout
    stage = _sharded(source, target, mark)
    try:
        sealed = [work_shard(stage, shard) for shard in shards]
    except PlanSuperseded:
        if open_snapshot(target).manifest.attempt.id != cut["plan"]:
            raise
        sealed = [
            {"plan": cut["plan"], "shard": n, "area": cut["plan"], "digest": "0" * 64} for n in range(len(shards))
        ]
    return {"sealed": sealed, "cut": cut}


def gather_shards(
    *,
    source: str,
    target: str,
    mark: str,
    cut: dict[str, Any],
    sealed: list[dict[str, Any]],
    lock_timeout: float = control.LOCK_TIMEOUT_SECONDS,
    **_: Any,
) -> dict[str, Any]:
    """Commit, and clean up what a try before may have left."""
    control.LOCK_TIMEOUT_SECONDS = lock_timeout
    outcome = gather(_sharded(source, target, mark), cut, sealed)
    upkeep.clean(target)
    return outcome.to_dict()


def finish_shards(**arguments: Any) -> dict[str, Any]:
    return gather_shards(**arguments | work_shards(**arguments))


def run_shards(*, run: str, try_number: int = 1, **arguments: Any) -> dict[str, Any]:
    """All of it, for a run whose tries take over from each other."""
    return finish_shards(**arguments | cut_shards(run=run, try_number=try_number, **arguments))


def _finish(driven: Driven, values: dict[str, bytes]) -> None:
    made = set()
    for other in driven.claim.others:
        for line in other.finished():
            if line.input.path not in made and driven.staging.reuse(line, other):
                made.add(line.input.path)
    driven.put({path: value for path, value in values.items() if path not in made}).finish()


def _values(source: str, mark: str) -> dict[str, bytes]:
    paths = sorted(Path(source).rglob("*.raw"))
    return {str(path.relative_to(source).with_suffix(".bin")): mark.encode() + path.read_bytes() for path in paths}


JOBS = {
    "stage": stage,
    "read": read,
    "rollback": rollback,
    "clean": clean,
    "repair": repair,
    "accept_removal": accept_removal,
    "adopt": adopt,
    "let_through": let_through,
    "hold": hold,
    "publish": publish,
    "reject": reject,
    "plan": plan,
    "go_on": go_on,
    "cut_shards": cut_shards,
    "work_shards": work_shards,
    "gather_shards": gather_shards,
    "finish_shards": finish_shards,
    "run_shards": run_shards,
}


def run_job(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the job returned, or the error it ended with, both as plain values."""
    try:
        return {"result": JOBS[name](**arguments)}
    except DiropsError as error:
        families = [kind.__name__ for kind in type(error).__mro__]
        return {"error": type(error).__name__, "families": families, "message": str(error)}
    except Exception as error:
        return {"error": type(error).__name__, "families": [], "message": str(error), "trace": traceback.format_exc()}
