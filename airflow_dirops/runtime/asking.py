"""What functions of other tasks may ask: which partition this run is for, and what a stage committed for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from airflow_dirops.core import errors
from airflow_dirops.core.snapshot.opening import open_snapshot as open_target
from airflow_dirops.runtime.context import function_params, partition_of_run
from airflow_dirops.runtime.dimensions import filled, names_in, refuse_unanswered, settled
from airflow_dirops.runtime.jinja import is_for_jinja
from airflow_dirops.runtime.paths import absolute_path, path_text
from airflow_dirops.runtime.roots import root_of
from airflow_dirops.runtime.templates import mentions_partition

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dirops.core import Snapshot
    from airflow_dirops.core.codecs.base import Codec


def current_partition() -> str:
    """The partition of the run that this task belongs to, as stages and sensors of the DAG take it.

    :raises ArgumentRefused: if the run names none, or this is no task.
    """
    return partition_of_run(_context())


def open_snapshot(
    target: str | os.PathLike[str] | Mapping[str, Any],
    *,
    dimensions: Mapping[str, str] | None = None,
    root_conn_id: str | None = None,
    codec: str | Codec | None = None,
    verify: bool = False,
) -> Snapshot:
    """Open what a stage committed, within a task: ``open_snapshot("interim/{site}/{partition}", ...)``.

    As ``airflow_dirops.core.open_snapshot``, with a path as in the operators: below the root, names filled in.

    :param target: the target's path; or what a stage or a sensor returned, which pins that snapshot.
    :param dimensions: as of the operators; the run's params stand in for what is left out.
    :param root_conn_id: as of the operators: the connection that a relative path is below.
    :param codec: needed for pickles, which are decoded only on request, and for codecs that are not registered.
    :param verify: compare digests while reading.
    :raises ArgumentRefused: if the path cannot be filled in.
    :raises ManifestMissing: if no stage committed this directory.
    :raises SnapshotExpired: if the pinned snapshot is no longer kept.
    """
    if isinstance(target, Mapping):
        return open_target(target, codec=codec, verify=verify)
    if is_for_jinja(os.fsdecode(target)):
        raise errors.ArgumentRefused(
            f"target={os.fsdecode(target)!r} has Jinja in it, which nothing renders in a function; write {{partition}} "
            "for the partition, and fill in the rest as an f-string does"
        )
    path = path_text("target", target, target)
    values = settled(names_in(path), dimensions, (), function_params(_context()))
    refuse_unanswered("target", path, values)
    if mentions_partition(path):
        values["partition"] = current_partition()
    root = root_of(root_conn_id)
    with root.named_in_errors():
        return open_target(absolute_path("target", filled(path, values), root.path), codec=codec, verify=verify)


def _context() -> Context:
    try:
        return get_current_context()
    except RuntimeError as error:
        raise errors.ArgumentRefused(
            "which partition it is only a task of Airflow can tell, while it runs; in scripts give the path in full to "
            "airflow_dirops.core.open_snapshot"
        ) from error
