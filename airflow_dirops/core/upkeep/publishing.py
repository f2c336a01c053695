"""Decide about a snapshot that a stage has sealed and held: publish it, or reject it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from airflow_dirops.core.errors import ArgumentRefused, SnapshotDamaged
from airflow_dirops.core.format.control import Rejection
from airflow_dirops.core.format.manifest import Manifest, UpkeepRecord
from airflow_dirops.core.format.members import text_problem
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.place.claim import Lost, Terms, Unknown
from airflow_dirops.core.place.held import OnHold
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.rules.publishing import chosen, waiting
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, door, door_to_change
from airflow_dirops.core.upkeep.history import current_of
from airflow_dirops.core.upkeep.restoring import user_name
from airflow_dirops.core.upkeep.verify import told, verify_snapshot

log = logger(__name__)

_MAX_FINDINGS = 20


@door
def list_held(target: Target) -> Sequence[OnHold]:
    """The sealed snapshots of a target that wait for somebody to publish or reject them, the latest first."""
    return waiting(place_of(target).list_held(), time.time())


@door
def list_rejections(target: Target) -> Sequence[Rejection]:
    """What was rejected of late, in the order in which it was decided."""
    return place_of(target).rejections()


@door_to_change
def publish(
    target: Target,
    snapshot: str | None = None,
    *,
    reason: str = "",
    user: str | None = None,
    attempt: Attempt | None = None,
) -> Manifest:
    """Make a held snapshot the target's, in one commit.

    :param snapshot: its id; by default the only one that is held. Nothing happens if it is there already, as by a call
        that died before it could say so.
    :param reason: for whoever asks later.
    :param user: who has decided; by default whoever this process belongs to.
    :param attempt: of a scheduler's task.
    :returns: the header of the snapshot that is there now.
    :raises NotHeld: if there is none of that id, or several and none is named; if it was rejected, or its time is over.
    :raises TargetConflict: if another snapshot was committed since it was made.
    :raises SnapshotDamaged: if files of it are missing, or of another size.
    """
    _check_texts(reason=reason, user=user)
    place = place_of(target)
    place.finish_what_crashed("publish")
    current = current_of(place.list_kept())
    if current and snapshot is not None and snapshot in (current.manifest.snapshot, current.manifest.restored):
        log.info("%s is at snapshot %s already; nothing is done", place.name, snapshot)
        return current.manifest
    held = chosen(place.name, place.list_held(), place.rejections(), snapshot, time.time())
    _check_whole(place, held)
    made = held.manifest
    terms = Terms(stage=made.stage, limit=made.limit, may_replace=held.may_replace, dimensions=made.dimensions)
    who = attempt or Attempt(run=LogicalRun(run_id=f"publish {new_id()}", task_id="publish"))
    with place.claim(who, terms) as claim:
        claim.check_replaceable()
        header = msgspec.structs.replace(
            made,
            created=_now(),
            upkeep=UpkeepRecord(
                action="publish",
                user=user or user_name(),
                host=socket.gethostname(),
                reason=reason,
                run=_run_of(attempt),
            ),
        )
        match claim.publish(header):
            case Lost(error) | Unknown(error):
                raise error
    return header


@door_to_change
def reject(
    target: Target,
    snapshot: str | None = None,
    *,
    reason: str,
    user: str | None = None,
    attempt: Attempt | None = None,
) -> Rejection:
    """Do not publish a held snapshot. Its finished files are taken over by the next run of its stage, where they fit.

    :param snapshot: its id; by default the only one that is held. Nothing happens if it was rejected already.
    :param reason: for whoever asks later.
    :param user: who has decided; by default whoever this process belongs to.
    :param attempt: of a scheduler's task.
    :raises NotHeld: as :func:`publish`.
    """
    _check_texts(reason=reason, user=user)
    if not reason.strip():
        raise ArgumentRefused("a snapshot is rejected for a reason, which whoever looks later will read; give it")
    place = place_of(target)
    held, before = place.list_held(), place.rejections()
    is_held = any(each.manifest.snapshot == snapshot for each in held)
    if not is_held and (known := next((each for each in before if each.snapshot == snapshot), None)):
        log.info("snapshot %s of %s was rejected already; nothing is done", snapshot, place.name)
        return known
    made = chosen(place.name, held, before, snapshot, time.time()).manifest
    rejection = Rejection(
        snapshot=made.snapshot,
        stage=made.stage,
        created=made.created,
        rejected=_now(),
        user=user or user_name(),
        host=socket.gethostname(),
        reason=reason,
        dag_id=made.attempt.dag_id,
        run=_run_of(attempt),
    )
    place.reject(rejection)
    return rejection


def _check_whole(place: Place, held: OnHold) -> None:
    """Refuse what somebody has taken files from since it was sealed."""
    with closing(Snapshot(held.hold())) as snapshot:
        findings = verify_snapshot(snapshot, deep=False).findings
    if findings:
        name = held.manifest.snapshot
        again = dirops_command("reject", place.name, options=(f"--snapshot={name}", "--reason=damaged"))
        raise SnapshotDamaged(
            f"the held snapshot {held.name!r} is not what its manifest says, so it is not published; reject it, and "
            f"run its stage again: {again}",
            first_few(findings, _MAX_FINDINGS, told).findings(),
        )


def _check_texts(**given: str | None) -> None:
    for name, text in given.items():
        if text and (problem := text_problem(text)):
            raise ArgumentRefused(f"{name}= cannot be written down: {problem}")


def _run_of(attempt: Attempt | None) -> str:
    return str(attempt.run)[:1000] if attempt else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
