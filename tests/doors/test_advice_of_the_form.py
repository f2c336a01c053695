"""What a run refuses of the trigger form is filled in as its message says, and the run then goes through."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_dirops import DirectoryReadOperator, ManifestSensor, daily_partitions, dirops_params
from airflow_dirops.core import errors
from airflow_dirops.triggers.manifest import ManifestTrigger
from tests.doors.airflow_runs import Run, Runs
from tests.text_files import read_text, write

Triggered = Callable[..., Run]
DAY, OTHER = "2026-11-01", "2026-11-02"


def number(path: str) -> int:
    return int(read_text(path))


@pytest.fixture
def told() -> list[str]:
    """The messages of the tasks that failed."""
    return []


@pytest.fixture
def form(runs: Runs, root: Path, told: list[str]) -> Triggered:
    """Run a stage over ``raw`` in a DAG with the form, filled in as given."""

    def form(fields: dict[str, Any], *, key: str | None = None, **options: Any) -> Run:
        with DAG("form", schedule=None, params=dirops_params()) as dag:
            DirectoryReadOperator(
                **{"task_id": "stage", "source": "raw", "target": "out", "read": number, "codec": "json", **options},
                on_failure_callback=lambda context: told.append(str(context["exception"])),
            )
        return runs(dag, conf=fields, key=key)

    return form


def filled_in(title: str, choice: str) -> dict[str, Any]:
    """What the form sends for a choice, each by the name that a person sees."""
    fields = {param.schema["title"]: (name, param.schema) for name, param in dirops_params().items()}
    name, schema = fields[title]
    return {name: next(value for value, shown in schema["values_display"].items() if shown == choice)}


def test_how_many_may_fail_goes_with_setting_aside(form: Triggered, root: Path, told: list[str]) -> None:
    write(root / "raw", one="1", two="2", bad="x")
    assert form({"max_failures": "1", "on_error": "fail"}).state("stage") == "failed"
    ((choice, title),) = re.findall('choose "(.+?)" for "(.+?)", or leave the number out', told[0])
    assert form({"max_failures": "1", **filled_in(title, choice)}).state("stage") == "success"
    write(root / "raw", bad="3")
    assert form({"on_error": "fail"}).state("stage") == "success"


def test_how_many_may_fail_is_a_count_or_a_percentage(form: Triggered, root: Path, told: list[str]) -> None:
    write(root / "raw", one="1", two="2", bad="x")
    assert form({"max_failures": "many", "on_error": "quarantine"}).state("stage") == "failed"
    (ways,) = re.findall("neither a count, such as (.+?), nor a percentage, such as '(.+?)'", told[0])
    for way in ways:
        write(root / "raw", bad="3")
        assert form({"max_failures": way, "on_error": "quarantine"}).state("stage") == "success"


def test_more_may_fail_for_one_run(form: Triggered, root: Path, told: list[str]) -> None:
    write(root / "raw", one="1", two="2", bad="x")
    options = {"on_error": "quarantine", "max_failures": 0}
    assert form({}, **options).state("stage") == "failed"
    (title,) = re.findall("set max_failures= higher, for one run as '(.+?)' in the trigger form", told[0])
    (name,) = (name for name, param in dirops_params().items() if param.schema["title"] == title)
    assert form({name: "1"}, **options).state("stage") == "success"


def test_removals_are_accepted_for_one_run(form: Triggered, root: Path, told: list[str]) -> None:
    write(root / "raw", **{f"n{count}": str(count) for count in range(30)})
    assert form({}).state("stage") == "success"
    for count in range(25):
        (root / f"raw/n{count}.txt").unlink()
    assert form({}).state("stage") == "failed"
    (title,) = re.findall("trigger the DAG again .*?with '(.+?)' on in the form", told[0])
    (name,) = (name for name, param in dirops_params().items() if param.schema["title"] == title)
    assert form({name: True}).state("stage") == "success"


def test_a_field_that_contradicts_the_key_is_left_empty(form: Triggered, root: Path, told: list[str]) -> None:
    for day in (DAY, OTHER):
        write(root / "raw" / day, one="1")
    places = {"source": "raw/{partition}", "target": "out/{partition}"}
    assert form({"partition": OTHER}, key=DAY, **places).state("stage") == "failed"
    assert "Leave the field empty, or trigger a run for the other partition" in told[0]
    assert form({}, key=DAY, **places).state("stage") == "success"
    assert form({"partition": OTHER}, **places).state("stage") == "success"
    assert sorted(path.name for path in (root / "out").glob("2*")) == [DAY, OTHER]


def test_a_partition_is_named_as_the_message_shows(form: Triggered, root: Path, told: list[str]) -> None:
    places = {"source": "raw/{partition}", "target": "out/{partition}"}
    assert form({}, key="north", **places).state("stage") == "failed"
    (example,) = re.findall("writes names such as '(.+?)'. Give one like it", told[0])
    (keyword,) = re.findall(r"or (partition_format=None), which takes any name", told[0])
    write(root / "raw" / example, one="1")
    write(root / "raw/north", one="1")
    assert form({}, key=example, **places).state("stage") == "success"
    name, _, value = keyword.partition("=")
    assert form({}, key="north", **places, **{name: {"None": None}[value]}).state("stage") == "success"


def test_a_format_is_written_on_the_schedule() -> None:
    def stage(schedule: Any, **options: Any) -> DirectoryReadOperator:
        with DAG("formats", schedule=schedule):
            return DirectoryReadOperator(
                task_id="stage", source="/raw/{partition}", target="/out/{partition}", read=number, **options
            )

    with pytest.raises(errors.ArgumentRefused) as refused:
        stage(daily_partitions("0 2 * * *"), partition_format="%Y/%m/%d")
    assert "Write the format once, on the schedule" in str(refused.value)
    assert "and leave it out here" in str(refused.value)
    stage(daily_partitions("0 2 * * *", partition_format="%Y/%m/%d"))


@pytest.mark.parametrize("way", ["the form", "a partition key", "partition="])
def test_a_run_that_names_no_partition(runs: Runs, root: Path, way: str) -> None:
    write(root / "raw" / DAY, one="1")

    def stage(params: dict[str, Any], **options: Any) -> DirectoryReadOperator:
        with DAG("nameless", schedule=None, params=params):
            return DirectoryReadOperator(
                task_id="stage", source="raw/{partition}", target="out/{partition}", read=number, **options
            )

    def render(stage: DirectoryReadOperator, **context: Any) -> str:
        values = {"dag": stage.dag, "task": stage, "params": {}, "partition_key": None, "logical_date": None, **context}
        stage.render_template_fields(values)  # type: ignore[arg-type]
        return str(stage.target)

    with pytest.raises(errors.ArgumentRefused) as refused:
        render(stage({}))
    told = str(refused.value)
    if way == "a partition key":
        assert "Trigger it with a partition key" in told
        assert render(stage({}), partition_key=DAY).endswith(DAY)
    elif way == "the form":
        assert "give the DAG params=dirops_params() and fill in the form" in told
        assert render(stage(dirops_params()), params={"partition": DAY}).endswith(DAY)
    else:
        assert "set partition= on the operator" in told
        assert render(stage({}, partition=DAY)).endswith(DAY)


class TestATriggererThatDoesNotSeeTheFileSystem:
    @pytest.fixture
    def target(self, root: Path) -> Path:
        return root / "share" / "interim"

    def waiting(self, target: Path, **options: Any) -> ManifestSensor:
        return ManifestSensor(**{"task_id": "wait", "target": target, "poke_interval": 0.01, **options})

    def test_it_is_mounted_there_or_the_sensor_does_not_defer(
        self, form: Triggered, runs: Runs, root: Path, target: Path
    ) -> None:
        context: Any = {"dag": DAG("waiting", schedule=None), "dag_run": None}
        target.parent.mkdir()
        with pytest.raises(TaskDeferred) as deferred:
            self.waiting(target, deferrable=True).execute(context)
        _, arguments = deferred.value.trigger.serialize()

        async def first_event() -> Any:
            return await anext(aiter(ManifestTrigger(**arguments).run()))

        target.parent.rename(root / "elsewhere")  # as a host sees it that has not mounted the share
        event = asyncio.run(first_event()).payload
        with pytest.raises(errors.SetupError) as told:
            self.waiting(target).execute_complete(context, event)
        ((triggerer, landmark, worker),) = re.findall(
            r"the triggerer on (\S+) does not see '(.+?)', which the worker on (\S+) saw", str(told.value)
        )
        assert triggerer == worker  # in a test they are one machine
        assert landmark == str(target.parent)
        assert "mount that file system there" in str(told.value)
        (root / "elsewhere").rename(landmark)
        write(root / "raw", one="1")
        assert form({}, target="share/interim").state("stage") == "success"
        assert asyncio.run(first_event()).payload["found"]["counts"]["entries"] == 1
        assert 'or set deferrable=False and mode="reschedule"' in str(told.value)
        with DAG("rescheduled", schedule=None) as dag:
            self.waiting(target, deferrable=False, mode="reschedule")
        assert runs(dag).state("wait") == "success"
