"""Take one planned input after the other: carry it over, reuse it, or run it; and decide what a failure means."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Literal, NamedTuple, Self

from airflow_dirops.core.attempts import Owner, boot_id
from airflow_dirops.core.beneath import HeldDirectory
from airflow_dirops.core.errors import InputError, KeyRefused, KeyTaken, SourceChanged, TooManyFailures
from airflow_dirops.core.plan import Plan, Planned
from airflow_dirops.core.recovery import DeadAttempt
from airflow_dirops.core.stage import Stage
from airflow_dirops.core.staging import StagingArea
from airflow_dirops.core.work import Worker

log = logging.getLogger(__name__)

Done = Literal["computed", "carried", "reused", "quarantined"]
_MAX_REFUSALS = 20


class Steps:
    """Does what the plan says, one input at a time.

    :param dead: the dead attempts whose finished files the plan refers to by number.
    """

    def __init__(self, stage: Stage, worker: Worker, staging: StagingArea, plan: Plan, dead: list[DeadAttempt]) -> None:
        self._stage = stage
        self._worker = worker
        self._staging = staging
        self._plan = plan
        self._dead = [_DeadTree(attempt) for attempt in dead]
        self._failures = 0
        self._allowed = stage.allowed_failures(plan.total)

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        for tree in self._dead:
            self._stack.callback(tree.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, planned: Planned) -> Done:
        """
        :raises KeyRefused: if a record cannot be named; the others can still be tried.
        :raises InputError: if an input failed and ``on_error="fail"``.
        :raises TooManyFailures: if more failed than is allowed.
        """
        if planned.reason is None and planned.line is not None and self._plan.base is not None:
            base = self._plan.base
            self._staging.carry_over(planned.line, base.directory, is_durable=base.manifest.durability == "full")
            return "carried"
        if planned.line is not None and planned.dead is not None:
            tree = self._dead[planned.dead]
            if self._staging.take_over(planned.line, tree.directory, is_checked=tree.is_checked):
                return "reused"
        try:
            self._worker.run(planned.input)
        except KeyRefused:
            raise
        except (InputError, SourceChanged) as error:
            return self._fail(planned, error)
        return "computed"

    def _fail(self, planned: Planned, error: InputError | SourceChanged) -> Done:
        if self._stage.on_error == "fail":
            raise error
        self._failures += 1
        # As text: a handler that keeps the error would keep the value that it was raised over.
        log.warning("quarantined: %s", str(error))
        self._worker.quarantine(planned.input, error)
        if self._failures > self._allowed:
            raise TooManyFailures(
                f"{self._failures} inputs of stage {self._stage.name} failed, and max_failures="
                f"{self._stage.max_failures!r} of {self._plan.total} allows {self._allowed}; "
                f"the last one: {error}"
            ) from error
        return "quarantined"


class _DeadTree:
    """A dead attempt's tree, opened when the first file is taken from it."""

    def __init__(self, attempt: DeadAttempt) -> None:
        self._attempt = attempt
        self._directory: HeldDirectory | None = None
        owner = Owner.read(attempt.directory)
        # After a reboot the kernel may have lost bytes that were written and never synced.
        self.is_checked = owner is not None and owner.boot == boot_id()

    @property
    def directory(self) -> HeldDirectory:
        if self._directory is None:
            self._directory = HeldDirectory.open(self._attempt.directory / "tree")
        return self._directory

    def close(self) -> None:
        if self._directory is not None:
            self._directory.close()


class Refusals:
    """Names that were refused, collected so that a user sees all of them at once."""

    def __init__(self, stage: Stage, staging: StagingArea) -> None:
        self._stage = stage
        self._staging = staging
        self._found: list[_Refusal] = []

    def note(self, path: str, error: KeyRefused) -> None:
        """
        :raises KeyRefused: when there are so many that more would not help.
        """
        # Not the error, whose traceback holds on to the value.
        self._found.append(_Refusal(path, str(error), error.path if isinstance(error, KeyTaken) else None))
        if len(self._found) >= _MAX_REFUSALS:
            self.raise_all()

    def raise_all(self) -> None:
        """
        :raises KeyRefused: with every refusal, if there was one.
        """
        if not self._found:
            return
        makers = self._makers()
        raise KeyRefused(
            f"{len(self._found)} records of stage {self._stage.name} cannot be named in the target "
            f"{str(self._stage.target)!r}, and nothing was committed; give them other keys, or return None "
            "for those that are not wanted",
            [f"from {found.input!r}: {found.message}{makers.get(found.taken, '')}" for found in self._found],
        )

    def _makers(self) -> dict[str | None, str]:
        taken = {found.taken for found in self._found}
        self._staging.drain()
        return {
            output.path: f", from {line.input.path!r}"
            for line in self._staging.journal
            for output in line.outputs
            if output.path in taken
        }


class _Refusal(NamedTuple):
    input: str
    message: str
    taken: str | None
