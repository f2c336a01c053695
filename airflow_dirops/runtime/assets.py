"""A target as an asset: written once, and taken as a path, as an outlet and as a schedule."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Asset, PartitionedAssetTimetable

from airflow_dirops.calendar.checks import FROM_SCHEDULE, check_own_format
from airflow_dirops.calendar.formats import DAILY
from airflow_dirops.calendar.windows import PartitionWindow
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.partitions import PLACEHOLDER
from airflow_dirops.runtime.dimensions import names_in
from airflow_dirops.runtime.paths import absolute_path
from airflow_dirops.runtime.settings import root


class TargetAsset(Asset):
    """A target's asset, which is also the path of the target, as the DAG file has it.

    ``partition_format`` says how its partitions are named, to stages that its commits start.
    """

    partition_format: str | None
    path: str

    def __fspath__(self) -> str:
        return self.path


def target_asset(target: str | os.PathLike[str], *, partition_format: str | None = DAILY, **asset: Any) -> TargetAsset:
    """The asset of a target: ``CSV = target_asset("interim/csv/{partition}")``.

    Operators and sensors take it where they take a path; a stage with ``target=CSV`` has it as its outlet, too. DAGs on
    ``PartitionedAssetTimetable(assets=CSV)`` run for each partition that was committed. It is the same asset wherever
    it is written with the same path.

    :param target: the path, below ``[dirops] root`` or absolute. It may have ``{partition}`` in it, and no Jinja.
    :param partition_format: how partitions are named, as in ``strftime``; None for any names.
    :param asset: what else an ``Asset`` takes: ``group``, ``extra``, ``watchers``. Its name is the path as written
        here, and its URI the absolute one.
    :raises ArgumentRefused: if it is no path of a target.
    """
    return asset_of("target", "target_asset", target, partition_format=partition_format, **asset)


def asset_of(
    argument: str, maker: str, target: str | os.PathLike[str], *, partition_format: str | None, **asset: Any
) -> TargetAsset:
    """What :func:`target_asset` makes, for whatever makes such assets.

    :param argument: what the path is called there, for messages.
    :param maker: the function that was called, likewise.
    """
    given: Any = target
    if not isinstance(given, str | os.PathLike) or not (path := os.fsdecode(given)).strip():
        raise ArgumentRefused(f"{argument}={target!r} names nothing; give the path of the target that is the asset")
    if "{{" in path or "{%" in path:
        raise ArgumentRefused(
            f"{argument}={path!r} cannot be an asset: an asset has one name for all runs; write {PLACEHOLDER} where "
            "runs differ, and no Jinja"
        )
    for name in sorted(names_in(path)):
        each = path.replace(PLACEHOLDER, f"{{{PLACEHOLDER}}}")
        raise ArgumentRefused(
            f"{argument}={path!r} has {{{name}}} in it, and an asset is of one {name}: make one for each, as in "
            f"[{maker}(f{each!r}) for {name} in ('berlin', 'hamburg')]"
        )
    check_own_format(partition_format)
    where = absolute_path(argument, path, root(), kept=PLACEHOLDER)
    made = TargetAsset(path.rstrip("/"), f"file://{where}", **asset)
    made.path, made.partition_format = path, partition_format
    return made


def plain_path(given: Any, root_conn_id: Any = None) -> Any:
    """A field's value, with the path of an asset in place of the asset.

    :param given: what the DAG file has there.
    :param root_conn_id: the connection that relative paths are below.
    :raises ArgumentRefused: if the asset is of another directory than the path would mean there.
    """
    if isinstance(given, list):
        return [plain_path(each, root_conn_id) for each in given]
    asset = given.given if isinstance(given, PartitionWindow) else given
    if isinstance(asset, TargetAsset) and root_conn_id is not None and not os.path.isabs(asset.path):
        raise ArgumentRefused(
            f"the asset {asset.path!r} is of a directory below [dirops] root, and root_conn_id={root_conn_id!r} says "
            "another root; leave that out, or write the path of the asset absolute"
        )
    return os.fspath(given) if isinstance(given, TargetAsset) else given


def with_outlet(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's arguments, with a target that is an asset among the outlets.

    :param arguments: ``target``, and what else Airflow's operators take.
    """
    target, outlets = arguments.get("target"), arguments.get("outlets") or []
    if not isinstance(target, TargetAsset):
        return dict(arguments)
    listed = outlets if isinstance(outlets, list) else [outlets]
    return {**arguments, "outlets": listed if target in listed else [*listed, target]}


def schedule_format(timetable: Any) -> str | None:
    """How a schedule names partitions: a format, None for any names, or ``FROM_SCHEDULE`` if it does not say so.

    :param timetable: that of the DAG: one of ours, or one on assets.
    """
    if own := getattr(timetable, "partition_format", None):
        return str(own)
    if not isinstance(timetable, PartitionedAssetTimetable):
        return FROM_SCHEDULE
    mappers = [*timetable.partition_mapper_config.values(), timetable.default_partition_mapper]
    written = {_written_by(mapper) for mapper in mappers} - {None}
    if not written:
        written = {each.partition_format for each in _assets(timetable.asset_condition)}
    return written.pop() if len(written) == 1 else FROM_SCHEDULE


def _written_by(mapper: Any) -> str | None:
    """The format of what a mapper makes of keys; None where it leaves them as they are."""
    made: str | None = getattr(getattr(mapper, "upstream_mapper", mapper), "output_format", None)
    return made


def _assets(condition: Any) -> Iterator[TargetAsset]:
    if isinstance(condition, TargetAsset):
        yield condition
    for each in getattr(condition, "objects", ()):
        yield from _assets(each)
