"""Every later stage: the records of a snapshot through the user's ``transform``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_dirops.core import Outcome


class StagedTransformOperator(StageOperator):
    """Transforms a stage's records one by one and commits the results as one snapshot.

    ::

        StagedTransformOperator(
            task_id="red_channel",
            source=to_numpy.output,
            target="final/red_channel/{partition}",
            transform=red_channel,
        )

    :param transform: gets a decoded value; returns a value, or None to leave the record out; or yields
        ``(key, value)`` pairs. By keyword it gets what it names among key, path, record, params, partition.
    :param read: decodes the files of a source that no stage wrote, as for
        :class:`~airflow_dirops.operators.directory_read.DirectoryReadOperator`.

    The other arguments are those of :class:`~airflow_dirops.operators.stage.StageOperator`.
    """

    shallow_copy_attrs: Sequence[str] = (*StageOperator.shallow_copy_attrs, "transform", "read")

    def __init__(self, *, transform: Callable[..., Any], read: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transform = transform
        self.read = read

    def run_stage(self, **options: Any) -> Outcome:
        """Transform the snapshot."""
        from airflow_dirops.core import transform_directory

        return transform_directory(transform=self.transform, read=self.read, **options)
