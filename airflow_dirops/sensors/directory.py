"""Wait until a folder that no stage writes is complete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf

from airflow_dirops.calendar.checks import FROM_SCHEDULE
from airflow_dirops.sensors.waiting import WaitingSensor
from airflow_dirops.triggers.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from airflow.sdk import Context, XComArg

    from airflow_dirops.triggers.directory import DirectoryTrigger


class DirectorySensor(WaitingSensor):
    """Waits until a folder that somebody else fills is complete, by all the rules that are given.

    ::

        arrived = DirectorySensor(task_id="arrived", directory="raw/{partition}", marker="_READY", deferrable=True)
        DirectoryReadOperator(task_id="read", source=arrived.output, target="interim/{partition}", read=read_image)

    What it returns pins what it saw: a stage with ``source=arrived.output`` reads those files and no others. What comes
    later is left out, and the log says so; if one of them has changed or gone, the stage fails with ``ListingChanged``.

    :param directory: the folder; ``{partition}`` as in the operators.
    :param marker: a file in it that its writer makes last, such as ``"_READY"``. It is not one of the files.
    :param expected: names of files that must be there, relative to the folder.
    :param min_files: how many files there must be; left out, at least one, unless ``marker`` or ``expected`` is given.
    :param min_bytes: how large they must be together.
    :param quiet_for: for how long none of them may have been written, renamed or otherwise touched; seconds or a
        timedelta.
    :param same_looks: over how many looks in a row all must have been the same.
    :param pattern: which files count: a glob relative to the folder.
    :param follow_symlinks: descend into links to directories. Links to files are always followed.
    :param partition: sets the partition, whatever the run says.
    :param partition_format: how partitions are named, as in ``strftime``: by default as the schedule says, else
        ``%Y-%m-%d``. None takes any safe relative name.
    :param dimensions: what else names folders besides the partition, as ``{"site": "berlin"}``: ``{site}`` in paths and
        in ``marker``, ``expected`` and ``pattern``. Left out, it is the run's param of that name.
    :param poke_interval: seconds between two looks. While a marker is not there, a look is one call; else it lists the
        folder.
    :param deferrable: wait in the triggerer, which must see the same file system, and leave the worker free.
    """

    template_fields: Sequence[str] = ("directory", "partition", "dimensions", "marker", "expected", "pattern")
    path_fields: tuple[str, ...] = ("directory",)
    name_fields: tuple[str, ...] = ("marker", "expected", "pattern")
    remembers = True

    def __init__(
        self,
        *,
        directory: str | PathLike[str],
        marker: str | None = None,
        expected: Sequence[str] | None = None,
        min_files: int | None = None,
        min_bytes: int | None = None,
        quiet_for: timedelta | float | None = None,
        same_looks: int | None = None,
        pattern: str = "**/*",
        follow_symlinks: bool = False,
        partition: str | None = None,
        partition_format: str | None = FROM_SCHEDULE,
        dimensions: Mapping[str, str] | XComArg | None = None,
        poke_interval: timedelta | float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.directory = directory
        self.marker = marker
        self.expected = expected
        self.min_files = min_files
        self.min_bytes = min_bytes
        self.quiet_for = quiet_for
        self.same_looks = same_looks
        self.pattern = pattern
        self.follow_symlinks = follow_symlinks
        self.partition = partition
        self.partition_format = partition_format
        self.dimensions = dimensions
        self.deferrable = deferrable
        self._check_own_arguments()

    @classmethod
    def unusable(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """What of the arguments could never come true."""
        from airflow_dirops.core.arrival.rules import unusable

        return unusable({**arguments, "quiet_for": _seconds(arguments.get("quiet_for"))})

    def trigger(self, **arguments: Any) -> DirectoryTrigger:
        """What waits for it in the triggerer."""
        from airflow_dirops.triggers.directory import DirectoryTrigger

        return DirectoryTrigger(**arguments)

    def awaited(self, context: Context) -> Folder:  # noqa: ARG002 - all of it is in the rendered fields
        """The folder of this run, and what it must be like."""
        return Folder(
            directory=str(self.directory),
            partition=self.partition,
            dimensions=self.dimensions or {},
            root=self.root.told,
            marker=self.marker,
            expected=tuple(self.expected or ()),
            min_files=self.min_files,
            min_bytes=self.min_bytes,
            quiet_for=_seconds(self.quiet_for),
            same_looks=self.same_looks,
            pattern=self.pattern,
            follow_symlinks=self.follow_symlinks,
        )


def _seconds(time: Any) -> Any:
    return time.total_seconds() if isinstance(time, timedelta) else time
