"""Waiting for a raw folder, in each of the sensor's modes, and the stage that reads what it saw."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_dirops import DirectoryReadOperator, DirectorySensor, daily_partitions
from airflow_dirops.core import errors
from airflow_dirops.triggers.directory import DirectoryTrigger
from airflow_dirops.triggers.looking import look_beside
from tests.text_files import read_text, values, write

if TYPE_CHECKING:
    from tests.doors.airflow_runs import Runs

DAY = "2026-11-01"
CONTEXT: Any = {"dag": DAG("waiting", schedule=None), "dag_run": None}
MODES = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]


@pytest.fixture
def raw(root: Path) -> Path:
    return root / "raw" / DAY


def arrive(raw: Path, marker: str = "_READY") -> None:
    """What the uploader does."""
    write(raw, one="a", two="b")
    (raw / marker).touch()


def waiting_dag(dag_id: str, *, between: Any = None, **arguments: Any) -> DAG:
    """Wait for the folder, and read it."""
    rules = {"marker": "_READY", "poke_interval": 0.01, "deferrable": False, **arguments}
    with DAG(dag_id, schedule=daily_partitions("0 2 * * *")) as dag:
        arrived = DirectorySensor(task_id="arrived", directory="raw/{partition}", **rules)
        DirectoryReadOperator(
            task_id="read",
            source=arrived.output,
            target="interim/{partition}",
            read=read_text,
            codec="text",
            pre_execute=between,
        )
    return dag


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("rules", [{"marker": "_READY"}, {"same_looks": 3, "pattern": "*.txt"}], ids=str)
def test_a_stage_reads_what_the_sensor_saw(runs: Runs, root: Path, raw: Path, mode: Any, rules: Any) -> None:
    def come_late(context: Any) -> None:
        time.sleep(0.02)
        write(raw, late="c")

    dag = waiting_dag("waits", between=come_late, **{"marker": None, **rules, **mode})
    timer = threading.Timer(1.0, arrive, [raw])
    timer.start()
    run = runs(dag, key=DAY)
    timer.join()
    assert run.state("read") == "success"
    assert values(root / "interim" / DAY) == {"one": "a", "two": "b"}
    found = run.output("arrived")
    assert found["partition"] == DAY
    assert found["listing"]["files"] == 2
    assert len(json.dumps(found)) < 1000


def test_a_file_that_changed_since_fails_the_stage_without_another_try(runs: Runs, root: Path, raw: Path) -> None:
    def change(context: Any) -> None:
        (raw / "one.txt").write_text("another")

    arrive(raw)
    dag = waiting_dag("changed", between=change)
    dag.get_task("read").retries = 3
    run = runs(dag, key=DAY)
    assert run.state("read") == "failed"
    assert run.task("read").try_number == 1
    assert not (root / "interim" / DAY).exists()
    # as its message says: the sensor looks again, and what comes after it reads that
    assert runs(waiting_dag("cleared"), key=DAY).state("read") == "success"
    assert values(root / "interim" / DAY) == {"one": "another", "two": "b"}


def test_names_may_have_the_partition_in_them(runs: Runs, raw: Path) -> None:
    write(raw, **{DAY: "a"})
    (raw / f"{DAY}.done").touch()
    dag = waiting_dag("named", marker="{partition}.done", expected=["{partition}.txt"])
    assert runs(dag, key=DAY).state("read") == "success"


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(
    "field",
    [
        {"directory": "{{ params.nothing }}"},
        {"directory": "../out"},
        {"marker": "{{ '' }}"},
        {"marker": "{{ '../x' }}"},
    ],
    ids=str,
)
def test_what_a_template_makes_of_a_field_is_looked_at(runs: Runs, root: Path, mode: Any, field: Any) -> None:
    arguments = {"directory": "raw", "marker": "_READY", **mode, **field}
    with DAG("templates", schedule=None, params={"nothing": ""}) as dag:
        DirectorySensor(task_id="arrived", timeout=5, poke_interval=0.1, retries=2, **arguments)
    run = runs(dag)
    assert run.state("arrived") == "failed"
    assert run.task("arrived").try_number == 1


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_file_in_the_folders_place_fails_at_once(runs: Runs, raw: Path, mode: Any) -> None:
    raw.parent.mkdir()
    raw.touch()
    run = runs(waiting_dag("in_the_way", retries=2, **mode), key=DAY)
    assert run.state("arrived") == "failed"
    assert run.task("arrived").try_number == 1


@pytest.mark.parametrize("options", [{}, {"min_files": -1}, {"marker": "../x"}, {"quiet_for": timedelta(0)}], ids=str)
def test_what_could_never_come_true_is_refused_when_the_dag_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(errors.ArgumentRefused):
        DirectorySensor(task_id="arrived", directory="/raw", **options)
    if options:
        with DAG("mapped_sensor", schedule=None), pytest.raises(errors.ArgumentRefused):
            DirectorySensor.partial(task_id="arrived", **options).expand(directory=["/raw"])


def test_one_rule_may_be_mapped_over(runs: Runs, root: Path) -> None:
    arrive(root / "raw", marker="a")
    with DAG("mapped_rules", schedule=None) as dag:
        DirectorySensor.partial(task_id="arrived", directory="raw", timeout=0, poke_interval=0).expand(marker=["a", ""])
    run = runs(dag)
    assert [run.state("arrived", index) for index in (0, 1)] == ["success", "failed"]


def trigger_for(raw: Path, **rules: Any) -> DirectoryTrigger:
    """The trigger of a sensor that still waits, as the triggerer builds it again."""
    sensor = DirectorySensor(task_id="arrived", directory=raw, deferrable=True, poke_interval=0.01, **rules)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(CONTEXT)
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_dirops.triggers.directory.DirectoryTrigger"
    return DirectoryTrigger(**json.loads(json.dumps(arguments)))


async def events_of(trigger: DirectoryTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def test_the_worker_s_look_counts_in_the_triggerer(raw: Path) -> None:
    arrive(raw)
    (event,) = asyncio.run(events_of(trigger_for(raw, same_looks=2)))
    assert event["found"]["listing"]["files"] == 3


def test_what_comes_to_be_in_the_way_ends_the_waiting(raw: Path) -> None:
    trigger = trigger_for(raw, min_files=1)
    raw.parent.mkdir()
    raw.touch()
    (event,) = asyncio.run(events_of(trigger))
    with pytest.raises(errors.ArgumentRefused, match="is a file"):
        DirectorySensor(task_id="arrived", directory=raw, min_files=1).execute_complete(CONTEXT, event)


def test_a_look_that_does_not_come_back_leaves_the_loop_free_and_is_told_of() -> None:
    answers, told, turns = threading.Event(), [], []

    async def look_at_a_stalled_mount() -> str:
        async def turn() -> None:
            while len(told) < 2:
                turns.append(1)
                await asyncio.sleep(0.01)
            answers.set()

        others = asyncio.create_task(turn())
        seen = await look_beside(lambda: answers.wait() and "seen", on_stall=told.append, timeout=0.05)
        await others
        return seen

    assert asyncio.run(look_at_a_stalled_mount()) == "seen"
    assert len(told) >= 2
    assert len(turns) > 2


def test_a_process_ends_though_a_look_never_does(tmp_path: Path) -> None:
    from tests.core.children import run_python

    run_python(
        "import asyncio, threading\n"
        "from airflow_dirops.triggers.looking import look_beside\n"
        "look = look_beside(threading.Event().wait, on_stall=print, timeout=0.01)\n"
        "try: asyncio.run(asyncio.wait_for(look, 0.1))\n"
        "except TimeoutError: pass\n"
    )
