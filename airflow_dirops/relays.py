"""A partition key for each folder that arrives: the asset to start DAGs with, and the relay that tells it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from airflow_dirops.calendar.checks import check_partition
from airflow_dirops.calendar.formats import DAILY
from airflow_dirops.calendar.schedules import check_cron
from airflow_dirops.core.arrival.rules import Rules, may_be_seconds
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.partitions import PLACEHOLDER
from airflow_dirops.operators.relay import NoteToldOperator, TellArrivalsOperator
from airflow_dirops.runtime.assets import TargetAsset, asset_of
from airflow_dirops.runtime.dimensions import names_in
from airflow_dirops.runtime.templates import has_jinja
from airflow_dirops.triggers.arrivals import ArrivalsTrigger
from airflow_dirops.triggers.watched import Watched

if TYPE_CHECKING:
    from os import PathLike


def arrivals(
    directory: str | PathLike[str],
    *,
    partition_format: str | None = DAILY,
    marker: str | None = None,
    expected: Sequence[str] = (),
    min_files: int | None = None,
    min_bytes: int | None = None,
    quiet_for: timedelta | float | None = None,
    pattern: str = "**/*",
    follow_symlinks: bool = False,
    since: str | None = None,
    poll_interval: float = 30,
    sweep: str | None = "@hourly",
    dag_id: str | None = None,
) -> TargetAsset:
    """The asset of raw folders that somebody else fills, told with a partition key for each that is ready.

    ::

        UPLOADS = arrivals("raw/uploads/{partition}", marker="_READY", partition_format="%Y-%m-%dT%H")

        with DAG("uploads", schedule=PartitionedAssetTimetable(assets=UPLOADS)):
            DirectoryReadOperator(task_id="read", source=UPLOADS, target="interim/uploads/{partition}", read=read_image)

    This line also makes a DAG, the relay: a watcher in the triggerer sees that folders are ready, and wakes it; it
    looks at the folders itself, and tells each once, however many come at once and whatever is restarted meanwhile. A
    folder is told again once its marker has been made anew; without a marker, once something in it was added or
    removed.

    :param directory: their path, with ``{partition}`` in it, below ``[dirops] root`` or absolute.
    :param partition_format: how they are named, as in ``strftime``; None takes any safe name. Others are passed over.
    :param marker: a file in each that its writer makes last, such as ``"_READY"``.
    :param expected: names of files that must be there, relative to the folder.
    :param min_files: how many files there must be; left out, at least one, unless ``marker`` or ``expected`` is given.
    :param min_bytes: how large they must be together.
    :param quiet_for: for how long none of them may have been touched; seconds or a timedelta.
    :param pattern: which files count: a glob relative to the folder. It may have ``{partition}`` in it, as ``marker``
        and ``expected`` may.
    :param follow_symlinks: descend into links to directories.
    :param since: the first partition that counts. Left out, all that are there when the relay is switched on are told.
    :param poll_interval: seconds between two rounds of the watcher.
    :param sweep: when the relay looks without being woken, as a cron expression; None for never.
    :param dag_id: the relay's; by default made from the path.
    :raises ArgumentRefused: if these folders could never be told.
    """
    seconds = quiet_for.total_seconds() if isinstance(quiet_for, timedelta) else quiet_for
    rules = {
        "marker": marker,
        "expected": list(expected) if not isinstance(expected, str) else expected,
        "min_files": min_files,
        "min_bytes": min_bytes,
        "quiet_for": seconds,
        "pattern": pattern,
        "follow_symlinks": follow_symlinks,
    }
    Rules(**rules)  # type: ignore[arg-type]
    for field, text in (("marker", marker), *(("expected", name) for name in expected), ("pattern", pattern)):
        _refuse_what_nobody_fills_in(field, text)
    told = asset_of("directory", "arrivals", directory, partition_format=partition_format)
    _relay(told, "folder", rules, since=since, poll_interval=poll_interval, sweep=sweep, dag_id=dag_id)
    return told


def commits(
    target: str | PathLike[str],
    *,
    partition_format: str | None = DAILY,
    min_files: int = 0,
    max_quarantined: int | None = None,
    stage: str | None = None,
    since: str | None = None,
    poll_interval: float = 30,
    sweep: str | None = "@hourly",
    dag_id: str | None = None,
) -> TargetAsset:
    """The asset of a target that something outside this Airflow commits: a script, or another Airflow.

    It is told with a partition key for each new snapshot, by a relay as :func:`arrivals` has it. A stage in this
    Airflow needs none: it tells ``target_asset(target)`` itself, the same asset.

    :param target: its path, with ``{partition}`` in it, below ``[dirops] root`` or absolute.
    :param partition_format: how partitions are named, as in ``strftime``; None takes any safe name.
    :param min_files: how many files the snapshot must have.
    :param max_quarantined: how many inputs may have failed; any number if left out.
    :param stage: which stage must have written it; any if left out.
    :param since: the first partition that counts. Left out, all that are there when the relay is switched on are told.
    :param poll_interval: seconds between two rounds of the watcher.
    :param sweep: when the relay looks without being woken, as a cron expression; None for never.
    :param dag_id: the relay's; by default made from the path.
    :raises ArgumentRefused: if these could never be told.
    """
    from airflow_dirops.sensors.manifest import ManifestSensor

    rules = {"min_files": min_files, "max_quarantined": max_quarantined, "stage": stage}
    if findings := list(ManifestSensor.unusable(rules)):
        raise ArgumentRefused("these conditions can never be fulfilled", findings)
    _refuse_what_nobody_fills_in("stage", stage)
    told = asset_of("target", "commits", target, partition_format=partition_format)
    _relay(told, "target", rules, since=since, poll_interval=poll_interval, sweep=sweep, dag_id=dag_id)
    return told


def _relay(
    told: TargetAsset,
    kind: Literal["folder", "target"],
    rules: Mapping[str, Any],
    *,
    since: str | None,
    poll_interval: float,
    sweep: str | None,
    dag_id: str | None,
) -> None:
    """Make the DAG that tells an asset."""
    watched = _watched(told, kind, rules, since, poll_interval)
    if sweep is not None:
        check_cron(sweep, "sweep")
    name = f"{told.name} seen"
    trigger = ArrivalsTrigger(watched=watched.as_dict(), asset=name, poll_interval=poll_interval)
    seen = Asset(name, f"x-dirops-seen:{told.uri}", watchers=[AssetWatcher(name=name, trigger=trigger)])
    woken: Any = [seen]
    if sweep is not None:
        woken = AssetOrTimeSchedule(timetable=CronTriggerTimetable(sweep, timezone="UTC"), assets=[seen])
    with DAG(
        dag_id or f"relay_{re.sub(r'[^A-Za-z0-9_.-]+', '_', told.name).strip('_')}",
        schedule=woken,
        catchup=False,
        max_active_runs=1,  # two at once would tell the same
        default_args={"retries": 3, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(hours=1)},
        tags=["dirops"],
        doc_md=f"Tells `{told.name}` of each partition that is ready, with its partition key.",
    ) as dag:
        tell = TellArrivalsOperator(task_id="tell", watched=watched.as_dict(), seen=seen, told=told)
        tell >> NoteToldOperator(task_id="note", seen=seen)
    dag.fileloc = _dag_file()


def _watched(
    told: TargetAsset,
    kind: Literal["folder", "target"],
    rules: Mapping[str, Any],
    since: str | None,
    poll_interval: Any,
) -> Watched:
    if PLACEHOLDER not in told.path:
        raise ArgumentRefused(
            f"{told.path!r} has no {PLACEHOLDER} in it, so that there is one folder and no key to tell; put it in, or "
            "wait for that folder with a sensor"
        )
    if not may_be_seconds(poll_interval):
        raise ArgumentRefused(f"poll_interval={poll_interval!r} is no time; give seconds above 0")
    if since is not None and told.partition_format is None:
        raise ArgumentRefused(f"since={since!r} needs a partition_format: names that are no dates have no order")
    if since is not None:
        check_partition(since, "since", told.partition_format)
    where = told.uri.removeprefix("file://")
    return Watched(directory=where, partition_format=told.partition_format, kind=kind, rules=dict(rules), since=since)


def _refuse_what_nobody_fills_in(field: str, text: str | None) -> None:
    """Refuse names and Jinja: a relay looks at folders of its own accord, and no run says what they stand for."""
    if text is None or not (names_in(text) or has_jinja(text)):
        return
    raise ArgumentRefused(
        f"{field}={text!r} has something in it that nothing fills in: a relay knows {PLACEHOLDER} and no more. Write "
        "it out; where it differs from site to site, make an asset for each in a loop of the DAG file"
    )


def _dag_file() -> str:
    """The file that called this module: a DAG is shown with, and read from, the file that it was made in."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename if frame is not None else __file__
