"""What the sensor waits for, in each of its modes, with manifests that a stage has written."""

from __future__ import annotations

import asyncio
import json
import math
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from airflow_dirops import ManifestSensor, StagedTransformOperator, daily_partitions
from airflow_dirops.core import errors, read_directory, read_manifest
from airflow_dirops.core.arrival.look import deepest_directory
from airflow_dirops.triggers.conditions import Conditions
from airflow_dirops.triggers.manifest import ManifestTrigger
from tests.core.children import limit_to, limited
from tests.text_files import read_text, values, write

if TYPE_CHECKING:
    from tests.doors.airflow_runs import Runs

DAY = "2026-11-01"
CONTEXT: Any = {"dag": DAG("waiting", schedule=None), "dag_run": None}


@pytest.fixture
def target(root: Path) -> Path:
    return root / "interim" / DAY


def commit(target: Path, *, read: Any = read_text, **options: Any) -> None:
    """What the awaited stage does: two good files."""
    source = target.parents[1] / "raw" / target.name
    write(source, one="a", two="b")
    fields = {"stage": "images.read", "partition": target.name, "codec": "text"}
    read_directory(source=source, target=target, read=read, **{**fields, **options})


def found(target: Path, **conditions: Any) -> Any:
    """What one look finds: the summary, or None while something is lacking."""
    sensor = ManifestSensor(task_id="wait", target=target, **conditions)
    poked = sensor.poke(CONTEXT)
    return poked.xcom_value if isinstance(poked, PokeReturnValue) else None


def test_nothing_there_is_not_there_yet(target: Path) -> None:
    assert found(target) is None
    target.mkdir(parents=True)
    assert found(target) is None
    write(target, somebody="elses")
    assert found(target) is None


@pytest.mark.parametrize(
    ("count", "says"), [(0, "holds 0 files"), (20, "holds 20 files"), (1200, "holds more than 1000 files")]
)
def test_a_folder_that_no_stage_wrote_is_described(target: Path, count: int, says: str) -> None:
    (target / "sub").mkdir(parents=True)
    for number in range(count):
        (target / "sub" / f"{number}.png").touch()
    lacking = Conditions(target=str(target)).look().lacking
    assert says in lacking
    assert "no stage has committed it" in lacking


def test_of_a_folder_that_is_not_there_it_says_where_it_looked(target: Path, root: Path) -> None:
    lacking = ManifestSensor(task_id="wait", target=target).awaited(CONTEXT).look().lacking
    assert f"The last one above it that is there is {str(root)!r}; [dirops] root is {str(root)!r}" in lacking


@pytest.mark.parametrize(
    "options",
    [
        {"min_files": -1},
        {"min_files": "3"},
        {"min_files": True},
        {"max_quarantined": 1.5},
        {"newer_than": "yesterday"},
        {"newer_than": 7},
        {"partition_format": "%-d"},
        {"partition": "2026-W45"},
        {"poke_interval": math.inf},
        {"poke_interval": math.nan},
        {"poke_interval": -1},
        {"poke_interval": "10"},
        {"poke_interval": True},
        {"poke_interval": 0, "deferrable": True},
        {"timeout": math.inf},
        {"timeout": math.nan},
        {"timeout": timedelta(-1)},
    ],
    ids=str,
)
def test_what_could_never_come_true_is_refused_when_the_dag_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(errors.ArgumentRefused, match=next(iter(options))):
        ManifestSensor(task_id="wait", target="/t", **options)
    with DAG("mapped_sensor", schedule=None), pytest.raises(errors.ArgumentRefused, match=next(iter(options))):
        ManifestSensor.partial(task_id="wait", **options).expand(target=["/t"])


@pytest.mark.parametrize("moment", ["run", "2026-11-01", "{{ ts }}", datetime(2026, 11, 1), None])
def test_a_moment_may_be_given_in_many_ways(moment: Any) -> None:
    ManifestSensor(task_id="wait", target="/t", newer_than=moment)


def test_what_is_found_pins_the_snapshot(target: Path) -> None:
    commit(target)
    summary, manifest = found(target), read_manifest(target)
    assert summary["target"] == str(target)
    assert (summary["snapshot"], summary["counts"]["entries"]) == (manifest.snapshot, 2)
    json.dumps(summary)


LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("conditions", "is_met"),
    [
        ({"min_files": 2}, True),
        ({"min_files": 3}, False),
        ({"stage": "images.read"}, True),
        ({"stage": "images.other"}, False),
        ({"newer_than": LONG_AGO}, True),
        ({"newer_than": FAR_OFF}, False),
        ({"newer_than": FAR_OFF.isoformat()}, False),
        ({"max_quarantined": 0}, True),
    ],
    ids=str,
)
def test_all_conditions_must_be_met(target: Path, conditions: dict[str, Any], is_met: bool) -> None:
    commit(target)
    assert bool(found(target, **conditions)) is is_met


def test_quarantined_inputs_are_counted(target: Path) -> None:
    def read(path: str) -> str:
        if path.endswith("one.txt"):
            raise ValueError("unreadable")
        return read_text(path)

    commit(target, read=read, on_error="quarantine")
    assert found(target) is not None
    assert found(target, max_quarantined=1) is not None
    assert found(target, max_quarantined=0) is None


def spoil(target: Path, **header: Any) -> None:
    path = target / "_dirops/manifest.json"
    path.chmod(0o644)
    path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("header", "error"),
    [({"format": "dirops/1"}, errors.ManifestDamaged), ({"format": "dirops/2"}, errors.ManifestTooNew)],
)
def test_a_manifest_that_cannot_be_read_is_an_error_at_once(
    target: Path, header: dict[str, Any], error: type[Exception]
) -> None:
    trigger = trigger_for(target)
    commit(target)
    spoil(target, **header)
    with pytest.raises(error):
        found(target)
    (event,) = asyncio.run(events_of(trigger))
    with pytest.raises(error, match=target.name):
        ManifestSensor(task_id="wait", target=target).execute_complete(CONTEXT, event)


def test_a_sensor_that_pokes(runs: Runs, target: Path) -> None:
    commit(target)
    with DAG("poke", schedule=daily_partitions("0 2 * * *")) as dag:
        wait = ManifestSensor(task_id="wait", target="interim/{partition}", deferrable=False)
        StagedTransformOperator(
            task_id="go_on", source=wait.output, target="final/{partition}", transform=str.upper, codec="text"
        )
    run = runs(dag, key=DAY)
    assert run.output("wait")["snapshot"] == read_manifest(target).snapshot
    assert values(target.parents[1] / "final" / DAY) == {"one": "A", "two": "B"}


def test_a_sensor_that_is_rescheduled(runs: Runs, target: Path) -> None:
    looks: list[Any] = []

    def commit_before_the_second_look(context: Any) -> None:
        looks.append(context)
        if len(looks) == 2:
            commit(target)

    with DAG("reschedule", schedule=daily_partitions("0 2 * * *")) as dag:
        ManifestSensor(
            task_id="wait",
            target="interim/{partition}",
            deferrable=False,
            mode="reschedule",
            poke_interval=0.01,
            pre_execute=commit_before_the_second_look,
        )
    assert runs(dag, key=DAY).output("wait")["target"] == str(target)
    assert len(looks) == 2


def test_a_sensor_that_defers(runs: Runs, target: Path) -> None:
    with DAG("defer", schedule=daily_partitions("0 2 * * *")) as dag:
        ManifestSensor(task_id="wait", target="interim/{partition}", deferrable=True, poke_interval=0.01)
    timer = Timer(1.0, commit, [target])
    timer.start()
    run = runs(dag, key=DAY)
    timer.join()
    assert run.output("wait")["snapshot"] == read_manifest(target).snapshot


def test_a_deferrable_sensor_does_not_defer_when_all_is_there(target: Path) -> None:
    commit(target)
    sensor = ManifestSensor(task_id="wait", target=target, deferrable=True)
    assert sensor.execute(CONTEXT)["target"] == str(target)


def test_a_sensor_waits_as_long_as_it_may_and_no_longer(target: Path) -> None:
    sensor = ManifestSensor(task_id="wait", target=target, deferrable=False, timeout=0, poke_interval=0)
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute(CONTEXT)
    deferring = ManifestSensor(task_id="wait", target=target, deferrable=True, timeout=90)
    with pytest.raises(TaskDeferred) as deferred:
        deferring.execute(CONTEXT)
    assert deferred.value.timeout == timedelta(seconds=90)


@pytest.mark.parametrize("setting", ["True", "False"])
def test_the_default_is_airflows(setting: str) -> None:
    program = "from airflow_dirops import ManifestSensor; print(ManifestSensor(task_id='w', target='/t').deferrable)"
    environment = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": setting}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == setting


def trigger_for(target: Path, **conditions: Any) -> ManifestTrigger:
    """The trigger of a sensor that finds nothing there, as the triggerer builds it again."""
    sensor = ManifestSensor(task_id="wait", target=target, deferrable=True, poke_interval=0.01, **conditions)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(CONTEXT)
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_dirops.triggers.manifest.ManifestTrigger"
    return ManifestTrigger(**json.loads(json.dumps(arguments)))


async def events_of(trigger: ManifestTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def test_the_trigger_fires_once_when_all_is_there(target: Path) -> None:
    async def commit_meanwhile() -> list[Any]:
        waiting = asyncio.create_task(events_of(trigger_for(target, min_files=2)))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(commit, target)
        return await waiting

    (event,) = asyncio.run(commit_meanwhile())
    assert event["found"]["counts"]["entries"] == 2


def test_a_triggerer_that_cannot_see_the_file_system_says_where_it_is(target: Path) -> None:
    target.parent.mkdir(parents=True)
    trigger = trigger_for(target)
    target.parent.rmdir()
    (event,) = asyncio.run(events_of(trigger))
    with pytest.raises(errors.SetupError, match=rf"triggerer on .*{target.parent}.*worker on "):
        ManifestSensor(task_id="wait", target=target).execute_complete(CONTEXT, event)


def test_a_triggerer_that_has_no_thread_left_looks_again(root: Path) -> None:
    with TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        trigger = trigger_for(Path(place) / "interim" / DAY)
        commit(Path(place) / "interim" / DAY)

        async def wait_for_a_thread() -> list[Any]:
            _, many = resource.getrlimit(resource.RLIMIT_NPROC)
            asyncio.get_running_loop().call_later(0.5, limit_to, "NPROC", many)
            return await events_of(trigger)

        assert "'entries': 2" in limited(lambda: asyncio.run(wait_for_a_thread()), NPROC=0)


def test_a_file_system_that_refuses_is_something_to_try_again(root: Path) -> None:
    trigger = trigger_for(root / "target")
    trigger.conditions["target"] = str(root / ("x" * 300))
    (event,) = asyncio.run(events_of(trigger))
    with pytest.raises(errors.TransientError, match="xxx"):
        ManifestSensor(task_id="wait", target=root / "target").execute_complete(CONTEXT, event)


def test_the_landmark_is_the_deepest_directory_that_is_there(tmp_path: Path) -> None:
    assert deepest_directory(f"{tmp_path}/a/b/c") == str(tmp_path)
    (tmp_path / "a").mkdir()
    assert deepest_directory(f"{tmp_path}/a/b/c") == f"{tmp_path}/a"
    assert deepest_directory("/nowhere") == "/"


@pytest.mark.parametrize("there", ["", "2026", "2026/11/05"])
def test_the_landmark_does_not_come_and_go_with_partitions(root: Path, there: str) -> None:
    """A month that is cleaned away while one waits for its last day is no file system that the triggerer cannot see."""
    (root / "interim" / there).mkdir(parents=True)
    sensor = ManifestSensor(task_id="wait", target=f"{root}/interim/2026/11/05/left", deferrable=True)
    sensor.partition = "2026/11/05"
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(CONTEXT)
    assert deferred.value.trigger.landmark == f"{root}/interim"
