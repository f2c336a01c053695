"""What the core is told about a try, and what Airflow is told about its errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_dirops import DirectoryReadOperator, ManifestSensor
from airflow_dirops.core import errors
from airflow_dirops.runtime.context import attempt_of, moment_of
from airflow_dirops.runtime.retries import RETRY_POLICY
from tests.text_files import read_text, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.airflow_runs import Runs

NO_SPACE = errors.StorageError("writing", "/x", OSError(28, "no space"))


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.ArgumentRefused(""), RetryAction.FAIL),
        (errors.TargetRefused(""), RetryAction.FAIL),
        (errors.ManifestTooNew(""), RetryAction.FAIL),
        (errors.UntrustedPickle(""), RetryAction.FAIL),
        (errors.EncodeError(""), RetryAction.FAIL),
        (errors.KeyRefused(""), RetryAction.FAIL),
        (errors.ManifestDamaged(""), RetryAction.FAIL),
        (errors.SnapshotDamaged(""), RetryAction.FAIL),
        (errors.SnapshotExpired(""), RetryAction.FAIL),
        (errors.AttemptSuperseded(""), RetryAction.FAIL),
        (errors.RecordFailed(""), RetryAction.DEFAULT),
        (errors.SourceMissing(""), RetryAction.DEFAULT),
        (errors.SourceEmpty(""), RetryAction.DEFAULT),
        (errors.TooManyFailures(""), RetryAction.DEFAULT),
        (errors.TargetBusy(""), RetryAction.DEFAULT),
        (errors.SourceChanged(""), RetryAction.DEFAULT),
        (NO_SPACE, RetryAction.DEFAULT),
        (errors.TargetConflict(""), RetryAction.DEFAULT),
        (errors.Stopped(), RetryAction.DEFAULT),
        (AirflowTaskTimeout(), RetryAction.DEFAULT),
        (MemoryError(), RetryAction.DEFAULT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
)
def test_only_what_another_try_cannot_change_fails_at_once(error: BaseException, action: RetryAction) -> None:
    assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=3).action == action


def test_a_function_that_raises_is_tried_again(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    tries: list[str] = []

    def read(path: str) -> str:
        tries.append(path)
        if len(tries) == 1:
            raise ValueError("not yet")
        return read_text(path)

    with DAG("again", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="out", read=read, codec="text", retries=1, retry_delay=0.0
        )
    assert runs(dag).state("read") == "success"
    assert len(tries) == 2


def test_the_retry_policy_can_be_replaced_for_a_whole_dag() -> None:
    with DAG("own", schedule=None, default_args={"retry_policy": None}):
        stage = DirectoryReadOperator(task_id="read", source="/raw", target="/out", read=read_text)
        wait = ManifestSensor(task_id="wait", target="/out")
    assert (stage.retry_policy, wait.retry_policy) == (None, None)


def _context(**ti: Any) -> Any:
    who = {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "t",
        "map_index": None,
        "id": "0199",
        "try_number": 1,
        "max_tries": 0,
    }
    return {
        "ti": SimpleNamespace(**{**who, **ti}),
        "task": SimpleNamespace(retries=2),
        "dag_run": SimpleNamespace(run_after=pendulum.datetime(2026, 11, 2, 2), start_date=None),
        "logical_date": pendulum.datetime(2026, 11, 1, 9, tz="Asia/Tokyo"),
        "dag": DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo")),
    }


@pytest.mark.parametrize(
    ("try_number", "max_tries", "first"),
    [
        pytest.param(1, 2, 1, id="first try"),
        pytest.param(3, 2, 1, id="last retry"),
        pytest.param(4, 5, 4, id="cleared after three tries"),
        pytest.param(2, 3, 2, id="cleared after one"),
        pytest.param(1, 0, 1, id="retries raised since"),
        pytest.param(3, 7, 3, id="retries lowered since"),
    ],
)
def test_tries_count_from_the_last_clear(try_number: int, max_tries: int, first: int) -> None:
    attempt = attempt_of(_context(try_number=try_number, max_tries=max_tries), None, "t")
    assert (attempt.try_number, attempt.first_try_number) == (try_number, first)
    assert (attempt.run.map_index, attempt.ti_id) == (-1, "0199")


def test_runs_are_ordered_by_what_they_stand_for_and_then_by_when_they_were_due() -> None:
    assert attempt_of(_context(), "2026-10-30", "t").order == "2026-10-30 2026-11-02T02:00:00.000000"
    assert attempt_of(_context(), None, "t").order == "2026-11-01T00:00:00.000000 2026-11-02T02:00:00.000000"


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (None, None),
        ("run", "2026-11-02T02:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+09:00"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00+00:00"),
        (pendulum.datetime(2026, 11, 1), "2026-11-01T00:00:00+00:00"),
        (pendulum.naive(2026, 11, 1), "2026-11-01T00:00:00+09:00"),
    ],
)
def test_a_moment_may_be_given_in_many_ways(moment: Any, expected: str | None) -> None:
    assert moment_of(_context(), "newer_than", moment) == expected


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(errors.ArgumentRefused, match="newer_than='yesterday'"):
        moment_of(_context(), "newer_than", "yesterday")


def test_a_part_of_a_group_counts_as_the_group() -> None:
    run = attempt_of(_context(task_id="group.shard", map_index=7), None, "group").run
    assert (run.task_id, run.map_index) == ("group", -1)
    assert attempt_of(_context(map_index=7), None, "t").run.map_index == 7
