"""What the two stage operators share: their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.definitions._internal.contextmanager import TaskGroupContext

from airflow_dirops.calendar.checks import FROM_SCHEDULE
from airflow_dirops.core import errors
from airflow_dirops.core.stage.partitions import PartitionsLike
from airflow_dirops.operators.task import StageTask
from airflow_dirops.runtime import choices, fields, retries, settings
from airflow_dirops.runtime.assets import plain_path, with_outlet
from airflow_dirops.runtime.context import attempt_of, function_params
from airflow_dirops.runtime.several_sources import known_to_be_several

if TYPE_CHECKING:
    from os import PathLike

    from airflow.sdk import DAG, Context, XComArg
    from airflow.sdk.definitions.retry_policy import RetryPolicy

    from airflow_dirops.core import Retention
    from airflow_dirops.core.codecs.base import Codec

_PASSED_ON = (
    "source",
    "target",
    "pattern",
    "codec",
    "source_codec",
    "partition",
    "empty",
    "file_retries",
    "file_timeout",
    "workers",
    "durability",
    "on_conflict",
    "version",
    "follow_symlinks",
)

_OF_ONE_RUN = {
    "limit": "",
    "accept_code_change": ". 'dirops plan --accept-code-change' shows what would run then",
    "dry_run": ". 'dirops plan' shows the same without a run",
}
"""What is asked of one run, and would do harm if it stayed in a DAG; and where else it is."""


class StageOperator(StageTask):
    """Runs one stage: a directory in, a new snapshot of another directory out, whole or not at all.

    Relative paths are below ``[dirops] root``. ``{partition}`` in ``source`` and ``target`` stands for the
    run's partition: its partition key, else ``params["partition"]``, else the logical date in the timezone of the
    schedule, else, in a run by hand, the last one that has ended. ``redo``, ``on_error`` and
    ``max_failures`` of the trigger form (``dirops_params()``) override the arguments of the same name;
    ``accept_removal`` there lifts ``max_removed``, ``accept_code_change`` keeps what other code made, ``limit`` makes a
    trial over the first inputs, and ``dry_run`` makes the stage log what would run and why, and write nothing. The
    user's function gets the run's other params if it takes ``params`` by keyword.

    :param source: a directory, or an upstream's ``.output``, which pins the snapshot that it committed, or the files
        that a sensor saw; or several partitions of a target, as ``partitions("interim/csv/{partition}", last=7)``.
    :param target: the directory that readers see, as a path or as ``target_asset(path)``, which is the stage's outlet
        then. Written by this stage alone.
    :param pattern: which files of the source, as a glob; where sources are joined, a list has one for each.
    :param codec: how values become files: a name or a codec object.
    :param source_codec: how the source's files become values, if its manifest does not say, or says pickle.
    :param stage: the stage's name in the manifest; ``dag_id.task_id`` if left out.
    :param partition: sets the partition, whatever the run says.
    :param partition_format: how partitions are named, as in ``strftime``: by default as the schedule says, else
        ``%Y-%m-%d``. None takes any safe relative name.
    :param empty: what to do when no file matches, the source's folder is missing, or all that was read gave nothing:
        "fail", "skip" the task, or "commit" an empty snapshot.
    :param on_error: "fail" at the first bad file, or put it into "quarantine" and go on.
    :param max_failures: how many may fail in quarantine mode, as a count or such as "1%".
    :param max_removed: how many of the target's results may go in one run, as a count or such as "50%"; by default
        half, where there are 20 or more.
    :param file_retries: how often a file that failed is tried again within the same task, after all others.
    :param file_timeout: the seconds that one file may take; then the process that works on it is killed.
    :param workers: how many processes work on files, or "auto": as many as the task may use CPUs. With one, and no
        ``file_timeout``, that is the task's own.
    :param durability: "full" survives power loss, "process" only crashes of processes.
    :param on_conflict: when another run committed meanwhile: "fail", or let the "newest" or the "last" win.
    :param redo: which files to compute: those "needed", as they are new, changed or missing; also those "damaged", by
        digest; or "all".
    :param version: stands for the function's code: change it when the outputs must be made again.
    :param retention: how long to keep replaced snapshots, as ``Retention(keep_snapshots=3, keep_hours=48)``: at least
        so many, each at least for so long. What is left out is as ``[dirops]`` says.
    :param follow_symlinks: follow links to directories in the source.
    :param retry_policy: which errors are worth another try.
    """

    template_fields: Sequence[str] = ("source", "target", "partition", "pattern", "stage")
    shallow_copy_attrs: Sequence[str] = ("codec", "source_codec")
    path_fields = ("source", "target")
    ui_color: str = "#dcefe6"

    def __init__(
        self,
        *,
        source: str | PathLike[str] | XComArg | Mapping[str, Any] | PartitionsLike | list[Any],
        target: str | PathLike[str],
        pattern: str | list[str] = "**/*",
        codec: str | Codec = "npy",
        source_codec: str | Codec | None = None,
        stage: str | None = None,
        partition: str | None = None,
        partition_format: str | None = FROM_SCHEDULE,
        empty: Literal["fail", "skip", "commit"] = "fail",
        on_error: Literal["fail", "quarantine"] = "fail",
        max_failures: int | str | None = None,
        max_removed: int | str | None = None,
        file_retries: int = 0,
        file_timeout: float | None = None,
        workers: int | Literal["auto"] = 1,
        durability: Literal["full", "process"] = "full",
        on_conflict: Literal["fail", "newest", "last"] = "fail",
        redo: Literal["needed", "damaged", "all"] = "needed",
        version: str | None = None,
        retention: Retention | None = None,
        follow_symlinks: bool = False,
        retry_policy: RetryPolicy | None = retries.RETRY_POLICY,
        **kwargs: Any,
    ) -> None:
        _refuse_what_is_for_one_run(kwargs)
        kwargs = with_outlet({"target": target, **kwargs})
        self.target = plain_path(kwargs.pop("target"))
        super().__init__(retry_policy=retry_policy, **{"map_index_template": fields.LABEL, **kwargs})
        self.source = plain_path(source)
        self.pattern = pattern
        self.codec = codec
        self.source_codec = source_codec
        self.stage = stage
        self.partition = partition
        self.partition_format = partition_format
        self.empty = empty
        self.on_error = on_error
        self.max_failures = max_failures
        self.max_removed = max_removed
        self.file_retries = file_retries
        self.file_timeout = file_timeout
        self.workers = workers
        self.durability = durability
        self.on_conflict = on_conflict
        self.redo = redo
        self.version = version
        self.retention = retention
        self.follow_symlinks = follow_symlinks

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what no run could use."""
        super().check_arguments(arguments, dag)
        _refuse_what_is_for_one_run({name: arguments[name] for name in arguments.keys() - _own_arguments(cls)})
        if arguments.get("retention") is not None:
            settings.retention(arguments["retention"])
        group = arguments.get("task_group") or TaskGroupContext.get_current(dag)
        if arguments.get("join") is None and (refusal := known_to_be_several(arguments.get("source"), group)):
            raise errors.ArgumentRefused(refusal)
        if arguments.get("max_failures") is not None and arguments.get("on_error") == "fail":
            raise errors.ArgumentRefused(
                f"max_failures={arguments['max_failures']!r} has no effect with on_error='fail', which stops at the "
                "first failure; add on_error='quarantine', or leave max_failures out: the trigger form has a field "
                "of its own"
            )

    def options(self, context: Context) -> dict[str, Any]:
        """The arguments of the core's function: the operator's, the form's, and who asks."""
        return {
            **{name: getattr(self, name) for name in _PASSED_ON},
            "stage": self.stage or f"{self.dag_id}.{self.task_id}",
            "params": function_params(context),
            "retention": settings.retention(self.retention),
            "attempt": attempt_of(context, self.partition),
            **choices.form_choices(
                context,
                redo=self.redo,
                on_error=self.on_error,
                max_failures=self.max_failures,
                max_removed=self.max_removed,
            ),
        }


def _own_arguments(operator: type) -> set[str]:
    """The names that an operator gives its arguments, or one derived from it."""
    inits = [vars(each)["__init__"] for each in operator.__mro__ if "__init__" in vars(each)]
    return {name for init in inits for name in signature(init).parameters}


def _refuse_what_is_for_one_run(arguments: Mapping[str, Any]) -> None:
    from airflow_dirops.calendar.form import dirops_params

    for name in _OF_ONE_RUN:
        if name in arguments:
            title = dirops_params()[name].schema["title"]
            raise errors.ArgumentRefused(
                f"{name}= is for one run, and no argument of an operator: leave it out, give the DAG "
                f"params=dirops_params(), and fill in {title!r} in the trigger form. Scripts give {name}= to "
                f"read_directory and transform_directory of airflow_dirops.core{_OF_ONE_RUN[name]}"
            )
