"""Every later stage: the records of a snapshot through the user's ``transform``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_dirops.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_dirops.core import Outcome


class StagedTransformOperator(StageOperator):
    """Transforms a stage's records one by one, or all together, and commits the results as one snapshot.

    ::

        StagedTransformOperator(
            task_id="red_channel",
            source=to_numpy.output,
            target="final/red_channel/{partition}",
            transform=red_channel,
        )

    :param transform: gets a decoded value; returns a value, or None to leave the record out; or yields
        ``(key, value)`` pairs. By keyword it gets what it names among key, path, record, params, partition.
    :param aggregate: instead of ``transform``: gets an iterator over all records, each with key, path and value;
        returns one value, or yields ``(key, value)`` pairs.
    :param read: decodes the files of a source that no stage wrote, as for
        :class:`~airflow_dirops.operators.directory_read.DirectoryReadOperator`.
    :param join: for a list of sources: match their files by key, those that all have ("inner"), that any has
        ("outer"), or expect each in all ("strict"). ``transform`` gets a positional argument from each source.
    :param batch_size: give ``transform`` a list of so many values, and expect as many results.

    The other arguments are those of :class:`~airflow_dirops.operators.stage.StageOperator`.
    """

    shallow_copy_attrs: Sequence[str] = (*StageOperator.shallow_copy_attrs, "transform", "aggregate", "read")

    def __init__(
        self,
        *,
        transform: Callable[..., Any] | None = None,
        aggregate: Callable[..., Any] | None = None,
        read: Callable[..., Any] | None = None,
        join: Literal["inner", "outer", "strict"] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.transform = transform
        self.aggregate = aggregate
        self.read = read
        self.join = join
        self.batch_size = batch_size
        self.takes_all_partitions = aggregate is not None
        self._check_own_arguments()

    def run_stage(self, **options: Any) -> Outcome:
        """Transform the snapshot."""
        from airflow_dirops.core import transform_directory

        if self.aggregate is not None:  # the form is for all stages of a DAG, and this one has nothing to keep
            options["accept_code_change"] = False
        return transform_directory(
            transform=self.transform,
            aggregate=self.aggregate,
            read=self.read,
            join=self.join,
            batch_size=self.batch_size,
            **options,
        )
