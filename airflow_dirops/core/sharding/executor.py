"""One stage over whatever executor there is: this process plans and commits, the executor's work on the shards."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused, TransientError
from airflow_dirops.core.format.shards import Shard
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.places import place_of
from airflow_dirops.core.plan.draw_up import code_of
from airflow_dirops.core.plan.ending import log_end
from airflow_dirops.core.report.outcome import Outcome
from airflow_dirops.core.sharding.cut import planning
from airflow_dirops.core.sharding.gather import gather_under
from airflow_dirops.core.sharding.results import checked_results
from airflow_dirops.core.sharding.sent import answer_of, packed, sealed_in, unpacked
from airflow_dirops.core.sharding.shard import work_planned
from airflow_dirops.core.stage.stage import Stage

log = logger(__name__)

_SHOW_LIFE_EVERY_SECONDS = 60.0


def run_in_shards(stage: Stage) -> Outcome:
    """Run a stage in ``shards`` on its ``executor``.

    The claim ends with this process: what is finished by then is there for whichever run comes next.

    :raises ArgumentRefused: if it cannot be cut, or its functions cannot be sent.
    :raises DiropsError: as a stage without shards; of shards that fail, the error of the first one.
    """
    began = time.monotonic()
    shards, executor = _asked(stage)
    call = _caller(stage, executor)
    with planning(stage, shards, while_at_work=True) as (claim, cut):
        if cut.outcome is not None:
            return cut.outcome
        plan, digest, place = cut.plan or "", cut.digest or "", place_of(stage.target)
        answers = _Submitted(executor, call, claim).results(cut.shards)
        results = checked_results(plan, cut.of, answers)
        outcome = gather_under(claim, place, stage, plan, digest, cut.host, results, began)
        claim.end()
    log_end(outcome, place.name)
    return outcome


def work_packed(content: bytes, shard: dict[str, Any]) -> dict[str, Any]:
    """In a process of an executor: work on a shard.

    :param content: the stage, as bytes.
    """

    def work() -> dict[str, Any]:
        stage, code = unpacked(content)
        return work_planned(stage, Shard.of_message(shard), code)

    return answer_of(work)


def _asked(stage: Stage) -> tuple[int, Executor]:
    executor = stage.executor
    if stage.shards is None or executor is None:
        raise ArgumentRefused(
            f"{'executor' if executor else 'shards'}= is given alone, and one goes with the other: shards=16, about "
            "four for each of its processes, and executor=, such as concurrent.futures.ProcessPoolExecutor() or a Dask "
            "client's get_executor(pure=False)"
        )
    if not callable(getattr(executor, "submit", None)):
        raise ArgumentRefused(
            f"executor={executor!r} has no submit(); give a concurrent.futures executor, such as ProcessPoolExecutor() "
            "or a Dask client's get_executor(pure=False)"
        )
    return stage.shards, executor


def _caller(stage: Stage, executor: Executor) -> tuple[Callable[..., dict[str, Any]], Any]:
    """What is submitted, and its first argument: threads share this memory, and need nothing pickled."""
    code = code_of(stage)
    if isinstance(executor, ThreadPoolExecutor):
        return _work_here, (stage, code)
    return work_packed, packed(stage, code)


def _work_here(what: Any, shard: dict[str, Any]) -> dict[str, Any]:
    stage, code = what
    return answer_of(lambda: work_planned(stage, Shard.of_message(shard), code))


class _Submitted:
    """Shards with an executor."""

    def __init__(self, executor: Executor, call: tuple[Callable[..., dict[str, Any]], Any], claim: Claim) -> None:
        self._executor = executor
        self._work, self._argument = call
        self._claim = claim

    def results(self, shards: tuple[Shard, ...]) -> list[dict[str, Any]]:
        """What each has sealed. When one has failed those that have not begun are not begun any more.

        :raises BaseException: what the first one failed with, after all that had begun have ended.
        """
        submit = self._executor.submit
        futures = {submit(self._work, self._argument, shard.to_dict()): shard for shard in shards}
        try:
            return self._wait(futures)
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def _wait(self, futures: dict[Future[dict[str, Any]], Shard]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        failure: Exception | None = None
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=_SHOW_LIFE_EVERY_SECONDS, return_when=FIRST_COMPLETED)
            if not done:
                # Seen by other machines; and where a newer run has claimed the target, this one ends here.
                self._claim.leave_open(while_at_work=True)
            for future in done:
                try:
                    results.append(sealed_in(_result_of(future, futures[future])))
                except CancelledError:
                    continue
                except Exception as error:
                    failure = failure or error
                    for other in waiting:
                        other.cancel()
        if failure is not None:
            raise failure
        return results


def _result_of(future: Future[dict[str, Any]], shard: Shard) -> dict[str, Any]:
    try:
        return future.result()
    except CancelledError:
        raise
    except Exception as error:
        raise TransientError(
            f"the executor did not bring {shard.label} to its end: {described(error, 500)}. What is finished is kept: "
            "see why its process was lost, such as memory that was short, then call the stage again"
        ) from error
