"""The three tasks of a sharded stage, each an ordinary operator: plan, shard and commit."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

from airflow_dirops.core import errors
from airflow_dirops.operators.task import StageTask
from airflow_dirops.runtime.links import SnapshotLink
from airflow_dirops.runtime.retries import COMMIT_RETRY_POLICY, SHARD_RETRY_POLICY
from airflow_dirops.runtime.run_names import CUT

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context
    from airflow.sdk.definitions.retry_policy import RetryPolicy

    from airflow_dirops.core import Cut, Outcome, Stage

PLAN, SHARD, COMMIT = "plan", "shard", "commit"
"""What the tasks are called within their group."""


class StagePart(StageTask):
    """A task that does a part of a stage, for a whole that is known by the name of its group."""

    commits = False
    """Whether what comes of the stage is for this part to tell."""
    operator_extra_links: Collection[BaseOperatorLink] = ()

    @property
    def stage_task_id(self) -> str:
        """The group's."""
        return self.task_id.rpartition(".")[0]

    @classmethod
    def plain_arguments(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, without outlets where nothing is committed."""
        plain = super().plain_arguments(arguments)
        return plain if cls.commits else {**plain, "outlets": []}

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What was read and written, of the task that commits."""
        return super().get_openlineage_facets_on_complete(task_instance) if self.commits else None

    def _beside(self, name: str) -> str:
        return f"{self.stage_task_id}.{name}"

    @contextmanager
    def _naming_tasks(self) -> Iterator[None]:
        """Let errors that may say what to clear name it as it is called in this DAG."""
        try:
            yield
        except (errors.ConflictError, errors.SetupError, errors.SourceChanged, errors.SnapshotExpired) as error:
            plan, shard, commit = map(self._beside, (PLAN, SHARD, COMMIT))
            named = f"{plan!r} is the task that planned, {shard!r} the shards, and {commit!r} the commit"
            error.args = (f"{error}. In this DAG {named}", *error.args[1:])
            raise


class PlanShardsOperator(StagePart):
    """Claims the target, lists the source once, and cuts what has to be done into shards.

    :param at_most: into how many.
    :param handed_on: where in the fields other tasks' outputs stand; what they are is handed on to the parts behind.
    """

    ui_color: str = "#e4eef7"

    def __init__(self, *, at_most: int, handed_on: Sequence[tuple[Any, ...]] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.at_most = at_most
        self.handed_on = handed_on

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Plan, and return the shards: none, where nothing has to be done."""
        options = self.options(context)
        self._begin(options)
        from airflow_dirops.runtime.metrics import StageMetrics
        from airflow_dirops.runtime.progress import ProgressTeller

        with (
            ProgressTeller(context) as tell,
            StageMetrics(context, options["stage"], self.stage_task_id) as metrics,
        ):
            found = self._run_stoppable(options, tell, self._cut)
            tell.ended("planned")
            if found.outcome and found.outcome.outcome == "skipped":
                metrics.ended(found.outcome)
        if found.outcome and found.outcome.outcome == "skipped":
            raise AirflowSkipException(found.outcome.reason)
        ti: Any = context["ti"]
        ti.xcom_push(key=CUT, value=found.to_dict())
        for place in self.handed_on:
            ti.xcom_push(key=handed_on_as(place), value=_plain(self._at(place)))
        return [shard.to_dict() for shard in found.shards]

    def _cut(self, stage: Stage) -> Cut:
        from airflow_dirops.core import Cut, cut
        from airflow_dirops.core.api import run

        if stage.dry_run:
            return Cut(None, None, 0, socket.gethostname(), run(stage))
        return cut(stage, self.at_most)

    def _at(self, place: tuple[Any, ...]) -> Any:
        value = getattr(self, place[0])
        for step in place[1:]:
            value = value[step]
        return value


class RunShardOperator(StagePart):
    """Works on one shard of a plan.

    :param shard: what :class:`PlanShardsOperator` returned for it.
    """

    ui_color: str = "#dcefe6"

    def __init__(
        self, *, shard: Mapping[str, Any], retry_policy: RetryPolicy | None = SHARD_RETRY_POLICY, **kwargs: Any
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.shard = shard

    def execute(self, context: Context) -> dict[str, Any]:
        """Make what the shard's inputs give, and return where it lies."""
        from airflow_dirops.core import work_shard
        from airflow_dirops.runtime.metrics import StageMetrics
        from airflow_dirops.runtime.progress import ProgressTeller

        options = self.options(context)
        self._log_stage(options["stage"])
        self.log.info("%s", self.shard.get("label"))
        with (
            ProgressTeller(context) as tell,
            StageMetrics(context, options["stage"], self.stage_task_id),
            self._naming_tasks(),
        ):
            sealed = self._run_stoppable(options, tell, lambda stage: work_shard(stage, self.shard))
            tell.ended("sealed")
        return sealed

    def _name(self, context: Context) -> str:
        del context
        return str(self.shard.get("label", ""))


class CommitShardsOperator(StagePart):
    """Commits what all shards have made, as one snapshot, and tells of it."""

    operator_extra_links: Collection[BaseOperatorLink] = (SnapshotLink(),)
    commits = True
    ui_color: str = "#cfe6f0"

    def __init__(self, *, retry_policy: RetryPolicy | None = COMMIT_RETRY_POLICY, **kwargs: Any) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Gather what the shards returned, tell the outlets, and return the outcome for the next stage."""
        options = self.options(context)
        self._log_stage(options["stage"])
        with self._naming_tasks():
            return self._conclude(context, options, self._measured(context, options, self._gathering(context)))

    def _gathering(self, context: Context) -> Any:
        """What gathers the messages that are there now, in one request for all shards."""
        ti: Any = context["ti"]
        found = ti.xcom_pull(task_ids=self._beside(PLAN), key=CUT, map_indexes=None)
        if found is None:
            raise errors.ShardMissing(
                "the task that plans has left no plan, as if somebody had marked it by hand, and nothing was "
                "committed: clear it, together with the shards and the commit after it"
            )
        sealed = ti.xcom_pull(task_ids=[self._beside(SHARD)]) if found["plan"] else []

        def gathered(stage: Stage) -> Outcome:
            from airflow_dirops.core import gather

            return gather(stage, found, [each for each in sealed if each])

        return gathered


def handed_on_as(place: tuple[Any, ...]) -> str:
    """The key of the XCom for what stands at a place of the fields."""
    return ".".join(map(str, place))


def _plain(value: Any) -> Any:
    if isinstance(value, LazyXComSequence):
        return value[:]
    return dict(value) if isinstance(value, Mapping) else value
