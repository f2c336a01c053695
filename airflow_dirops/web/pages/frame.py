"""What stands on every page about one target: its name, its state, and the ways to the others."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from airflow_dirops.core import Kept, Manifest, OnHold, PartitionStatus, Snapshot, list_held, list_snapshots
from airflow_dirops.core.errors import DiropsError, ManifestMissing
from airflow_dirops.core.format.runs import shown_time
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.web.access import Visitor
from airflow_dirops.web.asked import Asked
from airflow_dirops.web.opening import Location


class Tab(NamedTuple):
    """A way to another page about the same target.

    :param number: how much is there, where that is known.
    """

    page: str
    title: str
    number: int | None = None


class Waiting(NamedTuple):
    """A snapshot that is held.

    :param until: when its time is over, UTC.
    :param publish: the command that does it.
    :param reject: likewise.
    """

    manifest: Manifest
    until: str
    publish: str
    reject: str


def frame_of(location: Location, asked: Asked, snapshot: Snapshot, visitor: Visitor) -> dict[str, Any]:
    """The values that ``target.html`` needs.

    :param asked: what was asked for; its snapshot is kept in the links if one was named.
    """
    manifest = snapshot.manifest
    counts = manifest.counts
    return {
        "location": location,
        "manifest": manifest,
        "stage": manifest.stage,
        "partition": manifest.partition,
        "dag_id": manifest.attempt.dag_id,
        "state": None,
        "detail": "",
        "is_pinned": bool(asked.snapshot),
        "held": waiting_at(location, visitor),
        "here": location.fields._replace(snapshot=asked.snapshot),
        "may_trigger": visitor.may_trigger(manifest.attempt.dag_id),
        "task": task_address(manifest),
        "tabs": [
            Tab("snapshot", "Snapshot"),
            Tab("files", "Files", counts.entries),
            Tab("sheet", "Contact sheet"),
            Tab("failures", "Failures", counts.quarantined),
            Tab("diff", "Differences"),
            Tab("history", "History"),
            Tab("progress", "Progress"),
        ],
    }


def frame_without(
    location: Location, stage: str, partition: PartitionStatus | None, dag_id: str, visitor: Visitor
) -> dict[str, Any]:
    """The same for a target that no stage has committed.

    :param partition: what is known of it, beside the stage's other partitions.
    :param dag_id: whose the stage is, as far as that is known.
    """
    return {
        "location": location,
        "manifest": None,
        "stage": stage,
        "partition": partition.partition if partition else None,
        "dag_id": dag_id,
        "state": partition.state if partition else "absent",
        "detail": partition.detail if partition else "",
        "is_pinned": False,
        "held": waiting_at(location, visitor),
        "here": location.fields,
        "may_trigger": visitor.may_trigger(dag_id),
        "task": None,
        "tabs": [Tab("failures", "Failures"), Tab("progress", "Progress")],
    }


def waiting_at(location: Location, visitor: Visitor) -> list[Waiting]:
    """What is held of a target, as far as the visitor may read its DAG."""
    with suppress(DiropsError):
        held = list_held(location.path)
        return [_waiting(location, each) for each in held if visitor.may_read(each.manifest.attempt.dag_id)]
    return []


def _waiting(location: Location, held: OnHold) -> Waiting:
    which = f"--snapshot={held.manifest.snapshot}"
    return Waiting(
        held.manifest,
        shown_time(held.until),
        dirops_command("publish", location.path, options=(which,)),
        dirops_command("reject", location.path, options=(which, "--reason=...")),
    )


def kept_at(location: Location, visitor: Visitor) -> list[Kept]:
    """The snapshots of a target that are kept, likewise; none where nothing but held ones is there."""
    with suppress(ManifestMissing):
        return [each for each in list_snapshots(location.path) if visitor.may_read(each.manifest.attempt.dag_id)]
    return []


def task_address(manifest: Manifest) -> Markup | None:
    """Airflow's own page of the task that committed; None where that was no task."""
    attempt = manifest.attempt
    if not (attempt.dag_id and attempt.run_id and attempt.task_id):
        return None
    parts = ["dags", attempt.dag_id, "runs", attempt.run_id, "tasks", attempt.task_id]
    if attempt.map_index >= 0:
        parts += ["mapped", str(attempt.map_index)]
    return Markup(escape("../" + "/".join(quote(part, safe="") for part in parts)))  # noqa: S704 - escaped
