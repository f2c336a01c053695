"""What the sensors share: how they look, wait, and leave the waiting to the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from socket import gethostname
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_dirops.core import errors
from airflow_dirops.core.arrival.rules import may_be_seconds
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.runtime import fields
from airflow_dirops.runtime.mapping import naming_the_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import DAG, Context

    from airflow_dirops.triggers.finding import Awaited, Finding
    from airflow_dirops.triggers.waiting import WaitingTrigger

_MEMORY = "dirops_looks"


class WaitingSensor(fields.PathFields, BaseSensorOperator):
    """Waits for something on a file system, and returns what it found."""

    ui_color: str = "#e6f1f2"
    deferrable: bool
    remembers: ClassVar[bool] = False
    """Whether what one look saw counts at the next one."""
    _memory: dict[str, Any] | None = None

    def __init__(self, **kwargs: Any) -> None:
        with naming_the_task(kwargs.get("task_id")):
            _refuse_times(kwargs)
        super().__init__(**kwargs)

    @abstractmethod
    def awaited(self, context: Context) -> Awaited:
        """What this run waits for."""

    @abstractmethod
    def trigger(self, **arguments: Any) -> WaitingTrigger:
        """What waits for it in the triggerer.

        :param arguments: those of :class:`~airflow_dirops.triggers.waiting.WaitingTrigger`.
        """

    @classmethod
    @abstractmethod
    def unusable(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """What of the arguments could never come true, each a sentence."""

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what could never come true."""
        super().check_arguments(arguments, dag)
        _refuse_times(arguments)
        if findings := list(cls.unusable(arguments)):
            raise errors.ArgumentRefused("this sensor cannot wait", findings)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        awaited = self.awaited(context)
        finding = self._look(awaited, context)
        if finding.summary is None:
            self.log.info("Still waiting for %s: %s", shown(awaited.place), shown(finding.lacking))
            return False
        return PokeReturnValue(is_done=True, xcom_value=finding.summary)

    def execute(self, context: Context) -> Any:
        """Wait here, or look once and leave the waiting to the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        awaited = self.awaited(context)
        if (finding := awaited.look()).summary is None:
            self.log.info("Waiting for %s in the triggerer: %s", shown(awaited.place), shown(finding.lacking))
            self._wait_in_triggerer(awaited, finding)
        return finding.summary

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002 - Airflow hands it over
        event: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Take over what the trigger found."""
        if kind := event.get("error"):
            raise errors.error_of_kind(kind)(event["message"])
        summary: dict[str, Any] = event["found"]
        return summary

    def _look(self, awaited: Awaited, context: Context) -> Finding:
        # A sensor that is rescheduled is another process at each look.
        kept: Any = context.get("task_state_store") if self.remembers and self.reschedule else None
        if kept is not None and self._memory is None:
            self._memory = kept.get(_MEMORY)
        finding = awaited.look(self._memory)
        self._memory = finding.memory
        if kept is not None:
            kept.set(_MEMORY, finding.memory)
        return finding

    def _wait_in_triggerer(self, awaited: Awaited, finding: Finding) -> None:
        from airflow_dirops.core.arrival.look import landmark_of

        self.defer(
            trigger=self.trigger(
                conditions=awaited.as_dict(),
                landmark=landmark_of(awaited.place, self.partition),
                host=gethostname(),
                poll_interval=self.poke_interval,
                memory=finding.memory,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )


def _refuse_times(arguments: Mapping[str, Any]) -> None:
    """Refuse times between looks, and up to the end of them, that are none."""
    given = {name: arguments[name] for name in ("poke_interval", "timeout") if arguments.get(name) is not None}
    seconds = {name: each.total_seconds() if isinstance(each, timedelta) else each for name, each in given.items()}
    # No time at all is one look, or one after the other, which the triggerer could do nothing else beside.
    is_time = {
        name: may_be_seconds(each) or (each == 0 and not (name == "poke_interval" and arguments.get("deferrable")))
        for name, each in seconds.items()
    }
    if findings := [f"{name}={given[name]!r} is no time; give seconds above 0" for name in given if not is_time[name]]:
        raise errors.ArgumentRefused("this sensor cannot wait", findings)
