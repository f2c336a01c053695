"""Every later stage: the records of a snapshot through the user's ``transform``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_dirops.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from os import PathLike

    from airflow.sdk import XComArg

    from airflow_dirops.core import Retention, Stage
    from airflow_dirops.core.codecs.base import Codec
    from airflow_dirops.core.stage.partitions import PartitionsLike


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
        ``(key, value)`` pairs. By keyword it gets what it names among key, path, record, params, partition
        and dimensions.
    :param aggregate: instead of ``transform``: gets an iterator over all records, each with key, path and value;
        returns one value, or yields ``(key, value)`` pairs.
    :param read: decodes the files of a source that no stage wrote, as for
        :class:`~airflow_dirops.operators.directory_read.DirectoryReadOperator`.
    :param source: a path; or an upstream's ``.output``, which pins the snapshot that it committed, or the files that a
        sensor saw; or several partitions of a target, as ``partitions("interim/csv/{partition}", last=7)``.
    :param target: the directory that readers see, as a path or as ``target_asset(path)``, which is the stage's outlet
        then. One stage writes it.
    :param partition: sets the partition, whatever the run says.
    :param partition_format: how partitions are named, as in ``strftime``: by default as the schedule says, else
        ``%Y-%m-%d``. ``None`` takes any safe relative name.
    :param dimensions: what else names folders besides the partition, such as ``{"site": "berlin"}`` for ``{site}`` in
        paths and in ``pattern``. Left out, it is what the source's stage had, else the run's param of that name.
    :param pattern: which files: a glob relative to the source; with ``join``, a list has one for each source. ``*``
        stays within a folder, ``**/`` descends, ``{png,jpg}`` is a choice.
    :param codec: how values become files: a name or a codec object.
    :param source_codec: how the source's files become values. Needed for pickles and for codecs that are not
        registered.
    :param workers: how many processes work on files, or ``"auto"``: one for each CPU that may be used. With one, and
        without ``file_timeout``, none is started. ``None`` is as ``[dirops]`` says, else ``1``.
    :param join: how a list of sources is matched by key: ``"inner"`` takes the keys that all of them have, ``"outer"``
        those that any has, ``"strict"`` expects each in all. ``transform`` gets a positional argument from each source.
    :param batch_size: give ``transform`` a list of so many values, and expect as many results.
    :param redo: which files to compute: those ``"needed"``, as they or the code are new, changed or missing in the
        target; with ``"damaged"`` also those whose results no longer have their digests; or ``"all"``.
    :param empty: what to do where no file matches, all that was read gave nothing, or the partition's folder is
        missing: ``"fail"``, ``"skip"`` the stage, or ``"commit"`` an empty snapshot. Where the folder that partitions
        lie in is missing too, that is an error.
    :param on_error: ``"fail"`` at the first file that fails, or put it into ``"quarantine"`` and go on.
    :param max_failures: how many files may be quarantined, with ``on_error="quarantine"``: a count, or a percentage
        such as ``"1%"``, rounded down. ``None``: any number, as long as one input succeeds.
    :param max_removed: how many of the results that are there may go in one run: a count, or a percentage. ``None`` is
        half, where there are 20 or more; ``"100%"`` lets everything go.
    :param file_retries: how often a file that failed is tried again within the same run, after all others.
    :param file_timeout: the seconds that one file may take; then the process that works on it is killed.
    :param check: called with the sealed snapshot and the one that it would replace, or None, before anybody sees it;
        what it returns, yields or raises speaks against it, and nothing is published then. One function, or several.
    :param publish: ``"commit"`` what was made, or ``"hold"`` it until somebody publishes or rejects it; or
        ``"if_passed"``: hold what its checks have found something in, and commit the rest.
    :param hold_hours: for how long a snapshot is held; what nobody has published by then is dropped.
    :param on_conflict: when another run committed meanwhile: ``"fail"``, or let the ``"newest"`` or the ``"last"`` win.
    :param shards: cut the work into so many parts at most, and give each to ``shard_executor``. For parts that are
        tasks of Airflow, write ``.sharded(64, …)`` instead.
    :param shard_executor: makes, in the task, what works on the parts, such as ``lambda: ProcessPoolExecutor(8)``.
        Airflow's own ``executor`` says where the task itself runs.
    :param stage: the stage's name in the manifest: by default the function's, in Airflow ``dag_id.task_id``.
    :param durability: ``"full"`` survives a power loss, ``"process"`` a crash of the process. ``None`` is as
        ``[dirops]`` says, else ``"full"``.
    :param version: stands for the function's code: change it when the outputs must be made again.
    :param retention: how long to keep replaced snapshots, such as ``Retention(keep_snapshots=3, keep_hours=48)``: at
        least so many, each at least for so long. What is left out is 1 and 24, in Airflow as ``[dirops]`` says;
        ``None`` leaves out both.
    :param follow_symlinks: descend into links to directories. Links to files are always followed.
    """

    shallow_copy_attrs: Sequence[str] = (*StageOperator.shallow_copy_attrs, "transform", "aggregate", "read")

    # What has a definition, in core/stage/options.py or in arguments.py, is written here by `make options`.
    def __init__(
        self,
        *,
        transform: Callable[..., Any] | None = None,
        aggregate: Callable[..., Any] | None = None,
        read: Callable[..., Any] | None = None,
        source: str | PathLike[str] | XComArg | Mapping[str, Any] | PartitionsLike | list[Any],
        target: str | PathLike[str],
        partition: str | None = None,
        partition_format: str | None = "schedule",
        dimensions: Mapping[str, str] | XComArg | None = None,
        pattern: str | Sequence[str] = "**/*",
        codec: str | Codec = "npy",
        source_codec: str | Codec | None = None,
        workers: int | Literal["auto"] | None = None,
        join: Literal["inner", "outer", "strict"] | None = None,
        batch_size: int | None = None,
        redo: Literal["needed", "damaged", "all"] = "needed",
        empty: Literal["fail", "skip", "commit"] = "fail",
        on_error: Literal["fail", "quarantine"] = "fail",
        max_failures: int | str | None = None,
        max_removed: int | str | None = None,
        file_retries: int = 0,
        file_timeout: float | None = None,
        check: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        publish: Literal["commit", "hold", "if_passed"] = "commit",
        hold_hours: float = 168,
        on_conflict: Literal["fail", "newest", "last"] = "fail",
        shards: int | None = None,
        shard_executor: Callable[[], AbstractContextManager[Executor]] | None = None,
        stage: str | None = None,
        durability: Literal["full", "process"] | None = None,
        version: str | None = None,
        retention: Retention | None = None,
        follow_symlinks: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.target = target
        self.partition = partition
        self.partition_format = partition_format
        self.dimensions = dimensions
        self.pattern = pattern
        self.codec = codec
        self.source_codec = source_codec
        self.workers = workers
        self.join = join
        self.batch_size = batch_size
        self.redo = redo
        self.empty = empty
        self.on_error = on_error
        self.max_failures = max_failures
        self.max_removed = max_removed
        self.file_retries = file_retries
        self.file_timeout = file_timeout
        self.check = check
        self.publish = publish
        self.hold_hours = hold_hours
        self.on_conflict = on_conflict
        self.shards = shards
        self.shard_executor = shard_executor
        self.stage = stage
        self.durability = durability
        self.version = version
        self.retention = retention
        self.follow_symlinks = follow_symlinks
        self.transform = transform
        self.aggregate = aggregate
        self.read = read
        self.takes_all_partitions = aggregate is not None
        self._check_own_arguments()

    def _workers(self) -> int | Literal["auto"]:
        if self.aggregate is not None and self.workers is None:
            return 1  # it is one call, whatever other stages have
        return super()._workers()

    def stage_of(self, **options: Any) -> Stage:
        """Transform the snapshot."""
        from airflow_dirops.core import Stage

        if self.aggregate is not None:  # the form is for all stages of a DAG, and this one has nothing to keep
            options["accept_code_change"] = False
        return Stage(transform=self.transform, aggregate=self.aggregate, read=self.read, **options)
