"""What the two stage operators share: their arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.definitions._internal.contextmanager import TaskGroupContext

from airflow_dirops.core import errors
from airflow_dirops.core.codecs.registry import check_codec
from airflow_dirops.core.stage.agreement import ROLES, check_agreement
from airflow_dirops.core.stage.option import Where
from airflow_dirops.core.stage.options import OPTIONS
from airflow_dirops.core.stage.patterns import compile_pattern
from airflow_dirops.core.stage.policies import check_policies
from airflow_dirops.operators.arguments import AS_CONFIGURED, TEMPLATED, options_for
from airflow_dirops.operators.sharded import ShardedStage, check_shards, sharded
from airflow_dirops.operators.task import StageTask
from airflow_dirops.runtime import settings
from airflow_dirops.runtime.choices import form_choices
from airflow_dirops.runtime.context import attempt_of, function_params
from airflow_dirops.runtime.jinja import is_for_jinja
from airflow_dirops.runtime.links import SnapshotLink
from airflow_dirops.runtime.mapping import naming_the_task, own_arguments
from airflow_dirops.runtime.several_sources import known_to_be_several

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperatorLink, Context


class StageOperator(StageTask):
    """Runs one stage: a directory in, a new snapshot of another directory out, whole or not at all.

    Relative paths are below ``[dirops] root``, or the root that ``root_conn_id`` names. ``{partition}`` in ``source``
    and ``target`` stands for the run's partition: its partition key, else ``params["partition"]``, else the logical
    date in the timezone of the schedule, else, in a run by hand, the last one that has ended. What is filled in in the
    trigger form (``dirops_params()``) goes before the arguments, for that run. The user's function gets the run's other
    params if it takes ``params`` by keyword.
    """

    template_fields: Sequence[str] = TEMPLATED
    shallow_copy_attrs: Sequence[str] = ("codec", "source_codec", "check", "shard_executor")
    path_fields = ("source", "target")
    name_fields = ("pattern",)
    ui_color: str = "#dcefe6"
    operator_extra_links: Collection[BaseOperatorLink] = (SnapshotLink(),)

    stage: str | None
    workers: int | Literal["auto"] | None

    def __init__(self, **kwargs: Any) -> None:
        with naming_the_task(kwargs.get("task_id")):
            _refuse_what_is_for_one_run(kwargs)
            self.check_defaults(kwargs.get("default_args") or {})
        super().__init__(**kwargs)

    @classmethod
    def sharded(cls, shards: int, *, shard_args: Mapping[str, Any] | None = None, **arguments: Any) -> ShardedStage:
        """The stage as a task group, which does its work in many tasks of Airflow and commits once.

        ::

            red = StagedTransformOperator.sharded(
                64,
                task_id="red_channel",
                source=to_numpy.output,
                target="final/red_channel/{partition}",
                transform=red_channel,
                shard_args={"pool": "gpu", "max_active_tis_per_dagrun": 16},
            )

        It is the same stage as without shards, with the same ``.output``; all machines that work on it see the same
        file system.

        :param shards: into how many the work is cut at most, 1 to 256: about four for each slot that they may have.
        :param shard_args: what only the shards have, of what Airflow takes for every task: ``pool``, ``queue``,
            ``executor_config``, ``max_active_tis_per_dagrun``, ``retries`` and so on.
        :param arguments: the operator's; ``workers`` are those of each shard.
        """
        return sharded(cls, shards, arguments, shard_args)

    @classmethod
    def check_defaults(cls, defaults: Mapping[str, Any]) -> None:
        """Refuse what is for one run: Airflow passes over defaults that an operator does not take."""
        for option in OPTIONS.values():
            form, name = option.form, option.field_name
            if form and name in defaults and (option.where is Where.ONE_RUN or name != option.name):
                raise errors.ArgumentRefused(
                    f"default_args has {name!r}, which is for one run, and no stage follows it there: leave it out, "
                    f"give the DAG params=dirops_params(), and fill in {form.title!r} in the trigger form. Where "
                    f"another operator of this DAG takes {name}=, give it to that one"
                )

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what no run could use."""
        super().check_arguments(arguments, dag)
        check_shards(arguments)
        _refuse_what_is_for_one_run({name: arguments[name] for name in arguments.keys() - own_arguments(cls)})
        known = _known(arguments, cls)
        _check_policies(known)
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
        _check_agreement(known)

    @classmethod
    def check_names(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what an instance could not use."""
        super().check_names(arguments, dag)
        # Of one instance everything is known: what nobody gives is not given.
        known = _known({**dict.fromkeys((*ROLES, "join")), **arguments}, cls)
        _check_policies(known)
        _check_agreement(known)

    def options(self, context: Context) -> dict[str, Any]:
        """The arguments of the core's function: the operator's, the form's, and who asks."""
        given = {name: getattr(self, name) for name in options_for(type(self))}
        return {
            **given,
            "stage": self.stage or f"{self.dag_id}.{self.stage_task_id}",
            "params": function_params(context),
            "retention": settings.retention(given["retention"]),
            "workers": self._workers(),
            "durability": settings.durability(given["durability"]),
            "attempt": attempt_of(context, self.partition, self.stage_task_id),
            **form_choices(context, given),
        }

    def _workers(self) -> int | Literal["auto"]:
        return settings.workers(self.workers)


def _check_policies(known: Mapping[str, Any]) -> None:
    """Refuse what is none of an option's values, as the core does in a run."""
    check_policies({name: known.get(name, option.default) for name, option in OPTIONS.items()}, OPTIONS)
    pattern = known.get("pattern", "**/*")
    for each in pattern if isinstance(pattern, list | tuple) else [pattern]:
        if not (hasattr(each, "resolve") or (isinstance(each, str) and is_for_jinja(each))):
            compile_pattern(each)


def _check_agreement(known: Mapping[str, Any]) -> None:
    """Refuse what does not go together, as the core does in a run."""
    check_agreement(known)
    if all(name in known and known[name] is None for name in ROLES):
        raise errors.ArgumentRefused("this stage has no function; give transform=, aggregate= or read=")
    for name in ("codec", "source_codec"):
        if known.get(name) is not None:
            check_codec(known[name])


def _known(arguments: Mapping[str, Any], operator: type) -> dict[str, Any]:
    """Of a stage's arguments those that the DAG file itself tells; the others are a run's, or are mapped over."""
    defaults = {**{name: option.default for name, option in OPTIONS.items()}, **dict.fromkeys(ROLES)}
    known = {name: defaults[name] for name in defaults.keys() - own_arguments(operator)} | {
        name: value
        for name in (*OPTIONS, "source", *ROLES)
        if name in arguments
        and not hasattr(value := arguments[name], "resolve")
        and not (value is None and name in AS_CONFIGURED)
    }
    if not (role := getattr(operator, "role", None)):
        return known
    # What the DAG gives to a decorated function is as good as bound.
    function = known.pop(role, None)
    return known if function is None else {**known, role: partial(function, **arguments.get("op_kwargs", {}))}


def _refuse_what_is_for_one_run(arguments: Mapping[str, Any]) -> None:
    for name in arguments:
        if name in OPTIONS and (form := OPTIONS[name].form) and OPTIONS[name].where is Where.ONE_RUN:
            raise errors.ArgumentRefused(
                f"{name}= is for one run, and no argument of an operator: leave it out, give the DAG "
                f"params=dirops_params(), and fill in {form.title!r} in the trigger form. Scripts give {name}= to "
                f"read_directory and transform_directory of airflow_dirops.core; 'dirops plan{_switch(name)}' shows "
                "what would run, without a run"
            )


def _switch(name: str) -> str:
    return f" --{name.replace('_', '-')}" if OPTIONS[name].is_planned else ""
