"""A stage of many tasks: a task group that plans, works on shards, and commits once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import TaskGroup
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.definitions._internal.contextmanager import TaskGroupContext
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.xcom_arg import PlainXComArg

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.operators.parts import (
    COMMIT,
    PLAN,
    SHARD,
    CommitShardsOperator,
    PlanShardsOperator,
    RunShardOperator,
    handed_on_as,
)
from airflow_dirops.runtime.mapping import naming_the_task, own_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import XComArg
    from airflow.sdk.definitions._internal.mixins import DependencyMixin
    from airflow.sdk.definitions.edges import EdgeModifier

MAX_SHARDS = 256
"""A scheduler, and the grid, become slow with more instances of a task."""

_AGGREGATE = (
    "an aggregate is one call over all records, and cannot be cut into shards. Cut the stage that makes the records, "
    "with transform= or read=, and aggregate over its .output in a StagedTransformOperator without shards"
)
_OF_PLAN = frozenset({"trigger_rule"})
_OF_COMMIT = frozenset({"outlets", "on_success_callback"})
_OF_GROUP = frozenset({"dag", "task_group", "task_id"})
_FIXED = frozenset({"do_xcom_push", "default_args", *_OF_PLAN, *_OF_COMMIT, *_OF_GROUP})


class ShardedStage(TaskGroup):
    """A stage as a task group, ``plan >> shard[…] >> commit``.

    What goes before the group goes before its plan, what follows it after its commit.
    """

    @property
    def output(self) -> XComArg:
        """What the stage comes to, as every stage's ``.output``: the source of the next one."""
        return ShardedOutput(self.dag.get_task(f"{self.group_id}.{COMMIT}"), self)

    def partial(self, **_: Any) -> NoReturn:
        """Refused."""
        refuse_mapping(self.group_id)

    expand = expand_kwargs = partial


class ShardedOutput(PlainXComArg):
    """What a commit returns. What is set before it goes before the whole stage."""

    def __init__(self, commit: Any, stage: ShardedStage) -> None:
        super().__init__(commit)
        self._stage = stage

    @property
    def roots(self) -> list[Any]:
        """Where the stage begins."""
        return [*self._stage.get_roots()]

    def set_upstream(
        self,
        task_or_task_list: DependencyMixin | Sequence[DependencyMixin],
        edge_modifier: EdgeModifier | None = None,
    ) -> None:
        """Set what goes before the stage."""
        self._stage.set_upstream(task_or_task_list, edge_modifier)


def sharded(
    operator: Any,
    shards: int,
    arguments: Mapping[str, Any],
    shard_args: Mapping[str, Any] | None,
    *,
    numbers_names: bool = False,
) -> ShardedStage:
    """Make the group.

    :param operator: the class of the stage.
    :param shards: into how many at most its work is cut.
    :param arguments: the operator's.
    :param shard_args: what the shards have besides, or in place of them, of what Airflow takes for every task.
    :param numbers_names: a group of the same name gets a number, as a function that is called twice does.
    """
    task_id = arguments.get("task_id")
    with naming_the_task(task_id):
        _check(operator, shards, arguments, shard_args or {})
        group = _group(arguments, numbers_names=numbers_names)
        if next(group.iter_mapped_task_groups(), None):
            refuse_mapping(group.group_id)
        with group:
            _fill(group, operator, shards, arguments, shard_args or {})
    return group


def check_shards(arguments: Mapping[str, Any]) -> None:
    """Refuse an operator that is one task, where what it says of shards is not for one.

    :param arguments: the operator's.
    """
    shards, make = arguments.get("shards"), arguments.get("shard_executor")
    if shards is not None and make is None:
        raise ArgumentRefused(
            f"shards={shards!r} is given alone, and an operator is one task. For many tasks write "
            f"DirectoryReadOperator.sharded({shards!r}, task_id=..., ...), or the same of StagedTransformOperator, "
            "which is a task group; decorators take shards= as it is. Or give shard_executor= with it, which makes "
            "what works on the shards within this task, such as lambda: ProcessPoolExecutor(8)"
        )
    if make is not None and shards is None:
        raise ArgumentRefused(
            "shard_executor= is given alone; give shards= with it, about four for each of its processes"
        )
    if make is not None and not callable(make):
        raise ArgumentRefused(
            f"shard_executor={make!r} would be made whenever the DAG file is read; give a function that makes it in "
            "the task, such as lambda: ProcessPoolExecutor(8)"
        )
    if make is not None and arguments.get("aggregate") is not None:
        raise ArgumentRefused(_AGGREGATE)


def refuse_mapping(name: str | None) -> NoReturn:
    """Say what to do where a stage in shards should be mapped."""
    raise ArgumentRefused(
        f"the stage {name!r} is in shards, and Airflow maps nothing that is mapped itself. Make one such stage for "
        'each, in a loop of the DAG file: for site in ("berlin", "hamburg"): Operator.sharded(8, '
        'task_id=f"copy_{site}", target=f"interim/{site}", ...); or map the stage without shards'
    )


def _check(operator: Any, shards: Any, arguments: Mapping[str, Any], shard_args: Mapping[str, Any]) -> None:
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MAX_SHARDS:
        raise ArgumentRefused(
            f"shards={shards!r} is no count from 1 to {MAX_SHARDS}; each is a task of Airflow's, and about four for "
            "each slot that they may have at once are enough"
        )
    if shards > (most := conf.getint("core", "max_map_length")):
        raise ArgumentRefused(
            f"shards={shards} is more than Airflow maps over here, [core] max_map_length = {most}; take fewer, or let "
            "it map over more"
        )
    if arguments.get("aggregate") is not None:
        raise ArgumentRefused(_AGGREGATE)
    if arguments.get("shard_executor") is not None:
        raise ArgumentRefused(
            "shard_executor= works on shards within one task, and here each shard is a task of Airflow's: leave it "
            "out; or write the operator itself, with shards= and shard_executor="
        )
    if not arguments.get("task_id"):
        raise ArgumentRefused("a stage in shards needs a name: task_id=")
    _check_shard_args(operator, shard_args)


def _check_shard_args(operator: Any, shard_args: Mapping[str, Any]) -> None:
    for name in shard_args:
        if name in _FIXED or name in own_arguments(operator) - own_arguments(BaseOperator):
            raise ArgumentRefused(
                f"shard_args has {name!r}, which is the whole stage's: give {name}= beside shard_args, if it is to be "
                "given. Into it goes what only the shards have of what Airflow takes for every task, such as pool, "
                "queue, executor_config, max_active_tis_per_dagrun or retries"
            )


def _group(arguments: Mapping[str, Any], *, numbers_names: bool) -> ShardedStage:
    dag = arguments.get("dag")
    parent = arguments.get("task_group") or TaskGroupContext.get_current(dag)
    return ShardedStage(
        group_id=arguments["task_id"],
        parent_group=parent,
        add_suffix_on_collision=numbers_names,
        doc_md=arguments.get("doc_md"),
        **({"dag": dag} if dag else {}),
    )


def _fill(
    group: ShardedStage, operator: Any, shards: int, arguments: Mapping[str, Any], shard_args: Mapping[str, Any]
) -> None:
    given = {name: value for name, value in arguments.items() if name not in _OF_GROUP} | {"dag": group.dag}
    stage = {name: value for name, value in given.items() if name not in _OF_PLAN | _OF_COMMIT}
    references = [place for name in operator.template_fields for place in _references(stage.get(name), (name,))]
    # What the parts tell each other, they tell as XComs.
    told = {"do_xcom_push": True}
    plan = _part(PlanShardsOperator, operator)(
        task_id=PLAN, at_most=shards, handed_on=references, **stage, **told, **_only(given, _OF_PLAN)
    )
    behind = {name: _handed_on(stage[name], (name,), plan) for name in stage if name in operator.template_fields}
    shard = (
        _part(RunShardOperator, operator)
        .partial(task_id=SHARD, **{**stage, **behind, **told, "trigger_rule": "all_success", **shard_args})
        .expand(shard=plan.output)
    )
    # With no shard to run, the plan is the one that succeeded; where it was skipped, so is this.
    commit = _part(CommitShardsOperator, operator)(
        task_id=COMMIT,
        **{**stage, **behind},
        trigger_rule="none_failed_min_one_success",
        **_only(given, _OF_COMMIT),
    )
    commit.set_upstream([plan, shard])


def _only(given: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names}


def _part(part: type, operator: Any) -> Any:
    """An operator that does a part of what another one does."""
    name = getattr(operator, "custom_operator_name", operator.__name__)
    said = {
        "__doc__": part.__doc__,
        "__module__": operator.__module__,
        "custom_operator_name": f"{name}: {part.__name__.removesuffix('Operator')}",
    }
    return type(operator)(part.__name__, (part, operator), said)


def _references(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Where in a field outputs of other tasks stand."""
    if isinstance(value, ResolveMixin):
        yield place
    else:
        for step, each in _members(value):
            yield from _references(each, (*place, step))


def _handed_on(value: Any, place: tuple[Any, ...], plan: Any) -> Any:
    """A field for the parts behind the plan, which have the outputs of other tasks from it.

    So only the plan depends on those, by whatever trigger rule the stage has.
    """
    if isinstance(value, ResolveMixin):
        return PlainXComArg(plan, handed_on_as(place))
    if isinstance(value, dict):
        return {step: _handed_on(each, (*place, step), plan) for step, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_handed_on(each, (*place, step), plan) for step, each in enumerate(value))
    return value


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
