"""Wait until a stage has committed what the next one needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf

from airflow_dirops.calendar.checks import FROM_SCHEDULE
from airflow_dirops.runtime.context import is_moment, moment_of
from airflow_dirops.sensors.waiting import WaitingSensor
from airflow_dirops.triggers.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from airflow.sdk import Context, XComArg

    from airflow_dirops.triggers.manifest import ManifestTrigger


class ManifestSensor(WaitingSensor):
    """Waits for a snapshot in a directory: committed whole, readable, and as large and as new as asked for.

    What it returns names the snapshot, so the next stage can take ``source=wait.output``. A manifest that is
    damaged, or of a newer format, is an error at once; an absent one is not there yet.

    :param target: the directory that the awaited stage writes; ``{partition}`` as in the operators.
    :param partition: sets the partition, whatever the run says.
    :param partition_format: how partitions are named, as in ``strftime``: by default as the schedule says, else
        ``%Y-%m-%d``. None takes any safe relative name.
    :param dimensions: what else names folders besides the partition, as ``{"site": "berlin"}``: ``{site}`` in
        ``target``. Left out, it is the run's param of that name.
    :param min_files: how many files the snapshot must have.
    :param newer_than: when it must have been committed: after a datetime, an ISO string, or "run", the start
        of this sensor's DAG run.
    :param max_quarantined: how many inputs may have failed; any number if left out.
    :param stage: which stage must have written it; any if left out.
    :param poke_interval: seconds between two looks, which cost one small file each.
    :param deferrable: wait in the triggerer, which must see the same file system, and leave the worker free.
    """

    template_fields: Sequence[str] = ("target", "partition", "dimensions", "newer_than", "stage")

    def __init__(
        self,
        *,
        target: str | PathLike[str],
        partition: str | None = None,
        partition_format: str | None = FROM_SCHEDULE,
        dimensions: Mapping[str, str] | XComArg | None = None,
        min_files: int = 0,
        newer_than: datetime | str | None = None,
        max_quarantined: int | None = None,
        stage: str | None = None,
        poke_interval: timedelta | float = 10,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.target = target
        self.partition = partition
        self.partition_format = partition_format
        self.dimensions = dimensions
        self.min_files = min_files
        self.newer_than = newer_than
        self.max_quarantined = max_quarantined
        self.stage = stage
        self.deferrable = deferrable
        self._check_own_arguments()

    @classmethod
    def unusable(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """What of the arguments could never come true."""
        for name in ("min_files", "max_quarantined"):
            count = arguments.get(name)
            if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
                yield f"{name}={count!r} is no count"
        if not _may_be_moment(moment := arguments.get("newer_than")):
            yield f'newer_than={moment!r} is no moment; give a datetime, an ISO string, or "run"'

    def trigger(self, **arguments: Any) -> ManifestTrigger:
        """What waits for it in the triggerer."""
        from airflow_dirops.triggers.manifest import ManifestTrigger

        return ManifestTrigger(**arguments)

    def awaited(self, context: Context) -> Conditions:
        """What this run asks of the target's manifest."""
        return Conditions(
            target=str(self.target),
            min_files=self.min_files,
            newer_than=moment_of(context, "newer_than", self.newer_than),
            max_quarantined=self.max_quarantined,
            stage=self.stage,
            root=self.root.told,
        )


def _may_be_moment(moment: Any) -> bool:
    if isinstance(moment, str):
        return moment == "run" or "{" in moment or is_moment(moment)
    return moment is None or isinstance(moment, datetime) or hasattr(moment, "operator")  # an upstream's output
