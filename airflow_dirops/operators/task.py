"""The course of a stage's task: what it waits for, how it runs, what it tells, and how it is stopped."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from os.path import isdir
from socket import gethostname
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from airflow_dirops.calendar.form import DRY_RUN
from airflow_dirops.core import errors
from airflow_dirops.core.arrival.look import landmark_of
from airflow_dirops.core.format.pins import pin_of
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.partitions import PartitionsLike
from airflow_dirops.operators.fields import StageFields
from airflow_dirops.runtime import events
from airflow_dirops.runtime.children import may_have_children
from airflow_dirops.runtime.dimensions import names_told
from airflow_dirops.runtime.links import snapshot_address
from airflow_dirops.runtime.paths import source_text
from airflow_dirops.triggers.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from airflow.sdk import Context

    from airflow_dirops.core import Outcome, Progress, Stage

T = TypeVar("T")


class StageTask(StageFields):
    """A stage as a task of Airflow."""

    shards: int | None = None
    shard_executor: Callable[[], AbstractContextManager[Executor]] | None = None
    _is_running = False
    _stop_asked = False
    outcome: Outcome | None = None
    """What the stage came to, once it has run."""

    @abstractmethod
    def options(self, context: Context) -> dict[str, Any]:
        """The arguments of the core's function, but for the user's.

        :param context: the task's context.
        """

    @abstractmethod
    def stage_of(self, **options: Any) -> Stage:
        """The stage, as the core knows it.

        :param options: what it is asked for, but for the user's functions.
        """

    @property
    def stage_task_id(self) -> str:
        """By which task Airflow's runs of the stage are known."""
        return self.task_id

    def execute(self, context: Context) -> Any:
        """Run the stage, tell the outlets, and return the outcome for the next stage."""
        options = self.options(context)
        self._begin(options)
        # Imported here: an operator in a DAG file must not cost the imports of a running task.
        from airflow_dirops.core.api import run

        with self._made_executor(options) as executor:
            if executor is not None:
                options |= {"shards": self.shards, "executor": executor}
            return self._conclude(context, options, self._measured(context, options, run))

    @contextmanager
    def _made_executor(self, options: Mapping[str, Any]) -> Iterator[Executor | None]:
        """What works on the shards of the stage within this task, for as long as it does."""
        if self.shard_executor is None or options["dry_run"]:
            yield None
            return
        with may_have_children(), self.shard_executor() as executor:
            yield executor

    def _begin(self, options: Mapping[str, Any]) -> None:
        """Wait for what is to be read, and say what is about to be done."""
        if self.waits and not options["dry_run"]:
            self._wait_for_partitions()
        self._log_stage(options["stage"])
        if options["dry_run"]:
            self._skip_what_cannot_be_planned()

    def _log_stage(self, stage: str) -> None:
        which = [*names_told(self.dimensions or {}), *([f"partition {self.partition}"] if self.partition else [])]
        paths = map(shown, (source_text(self.source), self.target))
        self.log.info("Stage %s: from %s to %s%s", stage, *paths, "".join(f", {each}" for each in which))

    def _measured(self, context: Context, options: dict[str, Any], work: Callable[[Stage], Outcome]) -> Outcome:
        """What work on the stage comes to, told to whoever watches."""
        from airflow_dirops.runtime.metrics import StageMetrics
        from airflow_dirops.runtime.progress import ProgressTeller

        with ProgressTeller(context) as tell, StageMetrics(context, options["stage"], self.stage_task_id) as metrics:
            outcome = self._run_stoppable(options, tell, work)
            self.outcome = outcome
            tell.ended(outcome.outcome, outcome.snapshot)
            metrics.ended(outcome)
        return outcome

    def _conclude(self, context: Context, options: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        """What is left to do when a stage has come to something."""
        if options["dry_run"]:
            self.log.info("%s.", DRY_RUN)
        if outcome.outcome == "skipped":
            raise AirflowSkipException(outcome.reason)
        events.announce(self, context, outcome)
        return {**outcome.to_dict(), **self._pages(outcome)}

    def _pages(self, outcome: Outcome) -> dict[str, Any]:
        """Where whoever decides about what is held can look at it."""
        if outcome.outcome != "held":
            return {}
        return {"pages": {page: snapshot_address(self, outcome, page) for page in ("snapshot", "sheet", "diff")}}

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """What was read and written: asked for by OpenLineage's provider alone, where that is installed."""
        from airflow_dirops.runtime.lineage import lineage_of

        return lineage_of(self.source, self.outcome)

    def execute_after_wait(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on once a partition is there; the next one may be missing yet."""
        if kind := event.get("error"):
            raise errors.error_of_kind(kind)(event["message"])
        return self.execute(context)

    def _wait_for_partitions(self) -> None:
        asked: Any = self.source
        for name, target in asked.settle():
            conditions = Conditions(target=target, root=self.root.told)
            if (finding := conditions.look()).summary is None:
                self.log.info("Waiting for the partition %s: %s", shown(name), shown(finding.lacking))
                from airflow_dirops.triggers.manifest import ManifestTrigger

                landmark, host = landmark_of(target, name), gethostname()
                self.defer(
                    trigger=ManifestTrigger(conditions=conditions.as_dict(), landmark=landmark, host=host),
                    method_name="execute_after_wait",
                    timeout=self.execution_timeout,
                )

    def on_kill(self) -> None:
        """Stop a running stage; what it has finished stays in its staging area, the target as it was."""
        # Airflow calls this in the main thread, and after a timeout once more when nothing runs.
        if self._is_running and not self._stop_asked:
            self._stop_asked = True
            raise errors.Stopped(f"{self.task_id} was asked to stop")

    def _run_stoppable(
        self, options: dict[str, Any], tell: Callable[[Progress], None], work: Callable[[Stage], T]
    ) -> T:
        try:
            self._is_running = True
            from airflow_dirops.runtime.guard import airflow_out_of_reach

            with airflow_out_of_reach(), self.root.named_in_errors():
                return work(self.stage_of(**options, on_progress=lambda progress: self._report(progress, tell)))
        finally:
            self._is_running = False

    def _report(self, progress: Progress, tell: Callable[[Progress], None]) -> None:
        if self._stop_asked:  # a function that catches everything has caught Stopped as well
            raise errors.Stopped(f"{self.task_id} was asked to stop")
        tell(progress)

    def _skip_what_cannot_be_planned(self) -> None:
        sources: Any = self.source if isinstance(self.source, list | tuple) else (self.source,)
        for source in sources:
            if pin := pin_of(source):
                is_missing = not pin.is_there
            elif isinstance(source, PartitionsLike):
                is_missing = bool(self.upstream_task_ids) and not any(isdir(each.path) for each in source.settle())
            else:
                is_missing = bool(self.upstream_task_ids) and not isdir(source)
            if is_missing:
                where = pin.path if pin else source
                reason = f"this is a dry run, and the source {where!r} is not there yet to plan on"
                self.log.info("Skipped: %s", reason)  # Airflow says it too, but folded up in the log's page
                raise AirflowSkipException(reason)
