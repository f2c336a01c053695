"""A stage of many tasks: the same stage as without shards, for whoever wrote the DAG and for whoever comes after it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, TriggerRule, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, dirops_params
from airflow_dirops.core.errors import ArgumentRefused
from tests import needs
from tests.doors.airflow_runs import Run, Runs
from tests.text_files import read_text, values, write

PARTS = ("copy.plan", "copy.shard", "copy.commit")


def upper(text: str) -> str:
    return text.upper()


@pytest.fixture
def raw(root: Path) -> Path:
    write(root / "raw", **{f"note_{number:02}": f"text {number}" for number in range(12)})
    return root


def copy(**more: Any) -> dict[str, Any]:
    return {"task_id": "copy", "source": "raw", "target": "interim", "read": read_text, "codec": "text", **more}


def states(run: Run) -> tuple[str, ...]:
    return tuple(run.states[name] for name in PARTS)


def test_a_chain_of_sharded_stages(runs: Runs, raw: Path) -> None:
    with DAG(
        "chain", schedule=None, default_args={"outlets": [Asset("everything")], "trigger_rule": "all_done"}
    ) as dag:
        copied = DirectoryReadOperator.sharded(3, **copy(outlets=[Asset("copied")]))

        @task.staged_transform(source=copied.output, target="final", codec="text", shards=2)
        def louder(text: str, mark: str) -> str:
            return text.upper() + mark

        louder(mark="!")
    run = runs(dag)
    assert set(run.states.values()) == {"success"}
    assert values(raw / "final") == {f"note_{number:02}": f"TEXT {number}!" for number in range(12)}
    ((key, extra),) = run.events("copy.commit")
    assert (key, extra["outcome"], extra["counts"]["entries"]) == (None, "committed", 12)
    assert run.events("copy.plan") == run.events("copy.shard") == []
    assert [run.task("copy.shard", number).rendered_map_index for number in range(2)] == [
        "shard 0: note_00.txt … note_03.txt",
        "shard 1: note_04.txt … note_07.txt",
    ]
    assert run.stage("louder").outcome.counts["entries"] == 12


def test_it_is_the_same_stage_with_shards_and_without(runs: Runs, raw: Path) -> None:
    def with_shards(number: int | None) -> Run:
        with DAG("same", schedule=None) as dag:
            if number:
                DirectoryReadOperator.sharded(number, **copy(outlets=[Asset("copied")]))
            else:
                DirectoryReadOperator(**copy())
        return runs(dag)

    first = with_shards(None).stage("copy").outcome
    unchanged = with_shards(3)
    assert states(unchanged) == ("success", "skipped", "success")
    assert unchanged.stage("copy").outcome.outcome == "unchanged"
    assert unchanged.stage("copy").outcome.snapshot == first.snapshot
    assert unchanged.events("copy.commit") == []

    write(raw / "raw", note_12="text 12")
    second = with_shards(64).stage("copy").outcome
    assert (second.counts["computed"], second.counts["carried"], second.stage) == (1, 12, "same.copy")
    assert with_shards(None).stage("copy").outcome.outcome == "unchanged"


def test_what_is_skipped_is_skipped_whole_whatever_came_before_it(runs: Runs, root: Path) -> None:
    (root / "raw").mkdir()
    with DAG("nothing", schedule=None) as dag:

        @task
        def where() -> str:
            return "raw"

        DirectoryReadOperator.sharded(3, **copy(source=where(), empty="skip"))
    run = runs(dag)
    assert (run.states["where"], *states(run)) == ("success", "skipped", "skipped", "skipped")


def test_only_the_plan_depends_on_what_comes_before_by_the_rule_of_the_stage(runs: Runs, raw: Path) -> None:
    with DAG("before", schedule=None) as dag:

        @task
        def mark() -> str:
            return "?"

        @task
        def skipped() -> None:
            raise AirflowSkipException

        @task.staged_transform(
            source=[f"{raw}/raw", f"{raw}/raw"],
            join="inner",
            read=read_text,
            target="interim",
            codec="text",
            shards=3,
            trigger_rule=TriggerRule.NONE_FAILED,
        )
        def copy(*texts: str, mark: str) -> str:
            return f"{' '.join(texts)}{mark}"

        @task
        def after(made: dict[str, Any]) -> int:
            return int(made["counts"]["entries"])

        skipped() >> (made := copy(mark=mark())) >> after(made)
    assert dag.get_task("copy.plan").upstream_task_ids == {"skipped", "mark"}
    assert dag.get_task("copy.shard").upstream_task_ids == {"copy.plan"}
    assert dag.get_task("copy.commit").upstream_task_ids == {"copy.plan", "copy.shard"}
    run = runs(dag)
    assert run.output("after") == 12
    assert values(raw / "interim")["note_00"] == "text 0 text 0?"


def with_form() -> Any:
    with DAG("form", schedule=None, params=dirops_params()) as dag:
        copied = DirectoryReadOperator.sharded(2, **copy(outlets=[Asset("copied")]))
        StagedTransformOperator.sharded(
            2, task_id="upper", source=copied.output, target="final", transform=upper, codec="text"
        )
    return dag


def test_a_dry_run_is_planned_without_a_shard(runs: Runs, raw: Path) -> None:
    planned = runs(with_form(), conf={"dry_run": True})
    assert states(planned) == ("success", "skipped", "success")
    assert planned.stage("copy").outcome.outcome == "planned"
    assert planned.states["upper.commit"] == "skipped"
    assert not (raw / "interim").exists()


def test_a_trial_run_is_one_in_all_parts(runs: Runs, raw: Path) -> None:
    trial = runs(with_form(), conf={"limit": 3})
    assert trial.stage("upper").outcome.counts["entries"] == 3
    assert trial.task("copy.shard", 0).rendered_map_index == "shard 0: note_00.txt (trial)"
    assert trial.events("copy.commit") == []


def fails_at_07(path: str) -> str:
    if "07" in path:
        raise ValueError("seven")
    return read_text(path)


def test_a_shard_that_fails_for_good_leaves_the_commit_undone(runs: Runs, raw: Path) -> None:
    with DAG("failing", schedule=None) as dag:
        DirectoryReadOperator.sharded(3, **copy(read=fails_at_07))
    run = runs(dag)
    assert [run.state("copy.shard", number) for number in range(3)] == ["success", "failed", "success"]
    assert run.state("copy.commit") == "upstream_failed"
    assert not (raw / "interim").exists()


def test_failures_are_set_aside_and_counted_over_all_shards(runs: Runs, raw: Path) -> None:
    with DAG("aside", schedule=None) as dag:
        DirectoryReadOperator.sharded(3, **copy(read=fails_at_07, on_error="quarantine", max_failures=1))
    assert runs(dag).stage("copy").outcome.counts["quarantined"] == 1


def test_shard_args_are_for_the_shards_alone(root: Path) -> None:
    policy = {"pool": "gpu", "queue": "big", "max_active_tis_per_dagrun": 2, "retries": 5, "executor_config": {"a": 1}}
    with DAG("pools", schedule=None, default_args={"retries": 1}) as dag:
        DirectoryReadOperator.sharded(3, **copy(retries=2, shard_args=policy))
    plan, shard, commit = (dag.get_task(name) for name in PARTS)
    assert [each.retries for each in (plan, shard, commit)] == [2, 5, 2]
    assert [each.pool for each in (plan, shard, commit)] == ["default_pool", "gpu", "default_pool"]
    assert (shard.queue, shard.max_active_tis_per_dagrun, shard.executor_config) == ("big", 2, {"a": 1})


@pytest.mark.parametrize("name", ["target", "read", "workers", "task_id", "outlets", "trigger_rule", "dag"])
def test_what_is_the_whole_stages_is_refused_there(root: Path, name: str) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=f"shard_args has '{name}'"):
        DirectoryReadOperator.sharded(3, **copy(shard_args={name: "x"}))


@pytest.mark.parametrize("shards", [0, -1, 257, "64", True, 2.0, None])
def test_what_is_no_number_of_shards_is_refused(root: Path, shards: Any) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"^task 'copy': .* no count from 1 to"):
        DirectoryReadOperator.sharded(shards, **copy())


def test_what_the_stage_refuses_names_the_stage(root: Path) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"^task 'copy': max_failures=3 has no"):
        DirectoryReadOperator.sharded(3, **copy(max_failures=3))


def test_more_than_airflow_maps_over_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "16")
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"\[core\] max_map_length = 16"):
        DirectoryReadOperator.sharded(17, **copy())


@pytest.mark.parametrize("operator", [DirectoryReadOperator, DirectoryReadOperator.partial])
def test_an_operator_is_one_task(root: Path, operator: Any) -> None:
    with (
        DAG("refused", schedule=None),
        pytest.raises(ArgumentRefused, match=r"ReadOperator\.sharded\(3"),
    ):
        operator(**copy(shards=3))


def test_defaults_put_no_stage_into_shards(root: Path) -> None:
    with (
        DAG("refused", schedule=None, default_args={"shards": 3}),
        pytest.raises(ArgumentRefused, match=r"ReadOperator\.sharded\(3"),
    ):
        DirectoryReadOperator(**copy())


def test_one_task_gives_shards_to_an_executor_that_it_makes(runs: Runs, raw: Path) -> None:
    used: list[ThreadPoolExecutor] = []

    def threads() -> ThreadPoolExecutor:
        used.append(ThreadPoolExecutor(2))
        return used[-1]

    with DAG("executor", schedule=None) as dag:
        copied = DirectoryReadOperator(**copy(shards=4, shard_executor=threads))

        @task.staged_transform(
            source=copied.output, target="final", codec="text", shards=2, shard_executor=partial(ThreadPoolExecutor, 2)
        )
        def louder(text: str) -> str:
            return text.upper()

        louder()
    run = runs(dag)
    assert run.states == {"copy": "success", "louder": "success"}
    assert len(values(raw / "final")) == 12
    ((executor),) = used
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(print)


@contextmanager
def dask() -> Iterator[Executor]:
    needs.packages("dask", "dask", "distributed")
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client.get_executor(pure=False)


@pytest.mark.parametrize("make", [partial(ProcessPoolExecutor, 2), dask], ids=["processes", "dask"])
def test_one_task_gives_shards_to_other_processes(runs: Runs, raw: Path, make: Any) -> None:
    def who(path: str) -> str:
        return str(os.getpid())

    with DAG("elsewhere", schedule=None) as dag:
        DirectoryReadOperator(**copy(shards=4, shard_executor=make, read=who))
    with make():
        pass  # what it needs is asked for outside the task, where a skip is one
    run = runs(dag)
    assert run.states == {"copy": "success"}
    numbers = values(raw / "interim").values()
    assert len(numbers) == 12
    assert str(os.getpid()) not in numbers


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"shard_executor": ThreadPoolExecutor}, "is given alone; give shards="),
        ({"shards": 4, "shard_executor": "threads"}, "a function that makes it in the task"),
    ],
)
def test_shards_and_what_makes_the_executor_go_together(root: Path, said: Any, why: str) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=why):
        DirectoryReadOperator(**copy(**said))


def test_a_group_takes_no_executor(root: Path) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match="here each shard is a task of Airflow's"):
        DirectoryReadOperator.sharded(3, **copy(shard_executor=ThreadPoolExecutor))


def count(records: Any) -> str:
    return str(len([*records]))


def test_an_aggregate_is_refused_and_what_the_refusal_advises_works(runs: Runs, raw: Path) -> None:
    counted = {"task_id": "count", "target": "count", "aggregate": count, "codec": "text"}
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=r"aggregate over its \.output"):
        StagedTransformOperator.sharded(3, source="interim", **counted)
    with DAG("advised", schedule=None) as dag:
        copied = DirectoryReadOperator.sharded(3, **copy())
        StagedTransformOperator(source=copied.output, **counted)
    runs(dag)
    assert values(raw / "count") == {"count": "12"}


def map_a_group() -> None:
    @task_group
    def each(source: str) -> None:
        DirectoryReadOperator.sharded(2, **copy(source=source))

    each.expand(source=["raw/a", "raw/b"])


def map_a_group_around_it() -> None:
    @task_group
    def each(source: str) -> None:
        @task_group
        def within() -> None:
            DirectoryReadOperator.sharded(2, **copy(source=source))

        within()

    each.expand(source=["raw/a", "raw/b"])


def map_the_stage() -> None:
    DirectoryReadOperator.sharded(2, **copy()).expand(source=["raw/a", "raw/b"])


def map_a_function() -> None:
    @task.directory_read(source="raw", target="interim", shards=2)
    def copied(path: str, suffix: str) -> str:
        return read_text(path) + suffix

    copied.expand(suffix=["a", "b"])


def map_part_of_a_function() -> None:
    @task.directory_read(source="raw", target="interim", shards=2)
    def copied(path: str, suffix: str, other: str) -> str:
        return read_text(path) + suffix + other

    copied.partial(other="x").expand_kwargs([{"suffix": "a"}])


@pytest.mark.parametrize(
    "mapped", [map_a_group, map_a_group_around_it, map_the_stage, map_a_function, map_part_of_a_function]
)
def test_a_stage_in_shards_is_not_mapped(root: Path, mapped: Any) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match="in a loop of the DAG file"):
        mapped()


def test_what_that_refusal_advises_works(runs: Runs, raw: Path) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused) as refused:
        map_a_group()
    advised = re.search(r"(for site in .*?): Operator\.sharded\((.*?), \.\.\.\)", str(refused.value))
    assert advised
    with DAG("advised", schedule=None) as dag:
        given = {name: value for name, value in copy().items() if name not in ("task_id", "target")}
        exec(
            f"{advised[1]}: Operator.sharded({advised[2]}, **given)",
            {"Operator": DirectoryReadOperator, "given": given},
        )
    runs(dag)
    assert len(values(raw / "interim/berlin")) == len(values(raw / "interim/hamburg")) == 12


def test_a_group_of_a_name_that_is_taken_gets_a_number_as_a_function_does(root: Path) -> None:
    with DAG("twice", schedule=None) as dag:

        @task.directory_read(source="raw", target="interim/{site}", codec="text", shards=2, params={"site": "x"})
        def copied(path: str) -> str:
            return read_text(path)

        copied()
        copied()
    assert {"copied.plan", "copied__1.plan", "copied__1.commit"} <= {*dag.task_ids}
