"""A new snapshot with the lists of an earlier one, and its files from wherever their bytes are kept."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from airflow_dirops.core.disk.held import HeldDirectory
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, Entry
from airflow_dirops.core.format.manifest import Action, Manifest, UpkeepRecord
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.place import Terms
from airflow_dirops.core.places.directory.claim import Claim, claim_target
from airflow_dirops.core.places.directory.commit import commit
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.overlay import check_not_in_lower_layer
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.staging.area import StagingArea
from airflow_dirops.core.staging.manifest_files import write_header


@contextmanager
def upkeep_claim(control: ControlDirectory, action: Action, stage: str) -> Iterator[Claim]:
    """Claim a target for a person; what dead attempts finished stays for the next run of the stage.

    :raises TargetRefused: if it comes from the lower layer of an overlay, and cannot be replaced.
    """
    run = LogicalRun(run_id=f"{action} {new_id()}", task_id=action)
    # A target whose own manifest is damaged is the first thing that one rolls back; it is moved aside.
    terms = Terms(stage=stage, replace_unmanaged=True, take_over_stage=True)
    with claim_target(control, Attempt(run=run), terms) as claim:
        check_not_in_lower_layer(claim.target, claim.control.path)
        yield claim


def restore(claim: Claim, action: Action, snapshot: Snapshot, holder_of: Callable[[Entry], Snapshot]) -> Manifest:
    """Commit a snapshot like an earlier one.

    :param snapshot: whose lists it gets.
    :param holder_of: tells which snapshot has an entry's bytes.
    """
    with StagingArea(claim.directory, claim.alive.touch, durability="full", target=claim.target) as staging:
        for entry in snapshot.iter_entries():
            holder = holder_of(entry)
            staging.carry(entry, holder.directory, is_durable=is_durable(holder))
        paths = (entry.path for entry in snapshot.iter_entries())
        staging.check_names(snapshot.manifest.counts.entries, paths, claim.spill)
        for name, record in snapshot.manifest.lists.items():
            listing = Entry(f"{MANIFEST_DIRECTORY}/{name}", record.bytes, record.digest)
            staging.carry(listing, snapshot.directory, is_durable=is_durable(snapshot))
        manifest = _header(claim, action, snapshot.manifest)
        with HeldDirectory.open(staging.path) as tree:
            write_header(tree, manifest)
        staging.sync_tree()
    commit(claim, manifest)
    return manifest


def is_durable(snapshot: Snapshot) -> bool:
    """Whether its files are known to survive a power loss."""
    return snapshot.manifest.durability == "full"


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
        upkeep=UpkeepRecord(action=action, user=_user(), host=socket.gethostname()),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid {os.getuid()}"
