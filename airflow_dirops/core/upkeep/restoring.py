"""A new snapshot with the lists of an earlier one, and its files from wherever their bytes are kept."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import get_args

import msgspec

from airflow_dirops.core.format.entries import Entry
from airflow_dirops.core.format.manifest import Action, Manifest, UpkeepRecord
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.place.claim import Claim, Lost, Terms, Unknown
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.policies import Replaceable


@contextmanager
def upkeep_claim(place: Place, action: Action, stage: str) -> Iterator[Claim]:
    """Claim a target for a person; what dead attempts finished stays for the next run of the stage.

    :raises TargetRefused: if it cannot be replaced.
    """
    run = LogicalRun(run_id=f"{action} {new_id()}", task_id=action)
    # A target whose own manifest is damaged is the first thing that one rolls back; it is moved aside.
    terms = Terms(stage=stage, may_replace=get_args(Replaceable))
    with place.claim(Attempt(run=run), terms) as claim:
        claim.check_replaceable()
        yield claim


def restore(claim: Claim, action: Action, snapshot: Snapshot, holder_of: Callable[[Entry], Snapshot]) -> Manifest:
    """Commit a snapshot like an earlier one.

    :param snapshot: whose lists it gets.
    :param holder_of: tells which snapshot has an entry's bytes.
    """

    def entries() -> Iterator[tuple[Entry, Held]]:
        return ((entry, holder_of(entry).held) for entry in snapshot.iter_entries())

    manifest = _header(claim, action, snapshot.manifest)
    with claim.stage("full") as staging:
        staging.restore(snapshot.held, entries, manifest)
    match claim.commit(manifest):
        case Lost(error) | Unknown(error):
            raise error
    return manifest


def _header(claim: Claim, action: Action, before: Manifest) -> Manifest:
    attempt = msgspec.structs.replace(claim.attempt.record(), order=before.attempt.order)
    return msgspec.structs.replace(
        before,
        snapshot=new_id(),
        base=claim.base.snapshot if claim.base else None,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        attempt=attempt,
        durability="full",
        # Of a snapshot that was itself brought back: the first one, which a run made.
        restored=before.restored or before.snapshot,
        upkeep=UpkeepRecord(action=action, user=user_name(), host=socket.gethostname()),
    )


def user_name() -> str:
    """Who does something to a target."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid {os.getuid()}"
