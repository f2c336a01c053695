"""Stages in real DAG runs: where the partition comes from, what becomes visible, what is told."""

from __future__ import annotations

import ast
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, Asset, AssetAlias, CronPartitionTimetable, PartitionedAtRuntime

from airflow_dirops import (
    DirectoryReadOperator,
    ManifestSensor,
    Retention,
    StagedTransformOperator,
    daily_partitions,
    dirops_params,
)
from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import damage, read_text, values, write

DAY = "2026-11-01"


def upper(**fields: Any) -> DirectoryReadOperator:
    """The stage that most tests use."""
    return DirectoryReadOperator(
        **{
            "task_id": "upper",
            "source": "raw/{partition}",
            "target": "interim/{partition}",
            "read": lambda path: read_text(path).upper(),
            "codec": "text",
            **fields,
        }
    )


def test_two_stages_and_what_airflow_shows_of_them(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a", two="b")
    with DAG("chain", schedule=daily_partitions("0 2 * * *"), params=dirops_params()) as dag:
        first = upper(outlets=[Asset("upper")])
        StagedTransformOperator(
            task_id="twice", source=first.output, target="final/{partition}", transform=lambda t: t * 2, codec="text"
        )
    run = runs(dag, key=DAY)

    assert values(root / "final" / DAY) == {"one": "AA", "two": "BB"}
    output = run.output("upper")
    assert (output["target"], output["outcome"], output["partition"]) == (f"{root}/interim/{DAY}", "committed", DAY)
    assert run.rendered("upper")["source"] == f"{root}/raw/{DAY}"
    assert run.rendered("twice")["source"]["snapshot"] == output["snapshot"]
    assert run.rendered("twice")["target"] == f"{root}/final/{DAY}"
    ((key, extra),) = run.events("upper")
    assert (key, extra) == (DAY, {"page": extra["page"], **output})


def test_the_log_tells_in_words_what_is_read_and_written(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(root / "raw", one="a", two="b")
    with DAG("words", schedule=None) as dag:
        sources = [upper(task_id=name, source="raw", target=f"interim/{name}").output for name in ("left", "right")]
        StagedTransformOperator(
            task_id="both",
            source=sources,
            join="inner",
            target="final",
            transform=lambda left, right: len(left + right),
            codec="json",
        )
    with caplog.at_level("INFO", logger="airflow_dirops.core"):
        run = runs(dag)
    assert run.state("both") == "success"
    left, right = (f"{root}/interim/{name} at snapshot {run.output(name)['snapshot']}" for name in ("left", "right"))
    said = capfd.readouterr().out
    assert f"Stage words.left: from {root}/raw to {root}/interim/left " in said
    assert f"Stage words.both: from {left}, {right} to {root}/final " in said
    assert "stage words.both committed in " in caplog.text
    assert "2 inputs, 2 entries, 2 computed" in caplog.text


def test_the_manifest_says_who_wrote_it(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("who", schedule=daily_partitions("0 2 * * *")) as dag:
        upper()
    run = runs(dag, key=DAY)

    manifest, task = read_manifest(root / "interim" / DAY), run.task("upper")
    assert (manifest.stage, manifest.partition) == ("who.upper", DAY)
    attempt = manifest.attempt
    assert (attempt.dag_id, attempt.task_id, attempt.run_id) == ("who", "upper", task.run_id)
    assert (attempt.map_index, attempt.try_number, attempt.ti_id) == (-1, 1, str(task.id))
    assert attempt.order.startswith(DAY)


def test_a_classic_schedule_east_of_utc_shortly_after_midnight(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("tokyo", schedule="30 0 * * *", start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo")) as dag:
        upper()
    runs(dag, logical_date=pendulum.datetime(2026, 10, 31, 15, 30))
    assert values(root / "interim" / DAY) == {"one": "A"}


def test_a_manual_run_with_the_trigger_form(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("form", schedule=None, params=dirops_params()) as dag:
        upper()
    assert runs(dag, conf={"partition": DAY}).output("upper")["outcome"] == "committed"
    assert runs(dag, conf={"partition": DAY}).output("upper")["outcome"] == "unchanged"
    again = runs(dag, conf={"partition": DAY, "redo": "all"}).output("upper")
    assert (again["outcome"], again["counts"]["computed"]) == ("committed", 1)


def test_bad_files_are_handled_as_the_form_says(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, bad="", good="a")
    with DAG("bad", schedule=None, params=dirops_params()) as dag:
        upper(read=lambda path: read_text(path)[0])
    assert runs(dag, conf={"partition": DAY}).state("upper") == "failed"
    assert not (root / "interim" / DAY).exists()
    outcome = runs(dag, conf={"partition": DAY, "on_error": "quarantine"}).output("upper")
    assert (outcome["counts"]["entries"], outcome["counts"]["quarantined"]) == (1, 1)


@pytest.mark.parametrize(
    ("key", "conf"),
    [
        pytest.param(DAY, {"partition": "2026-11-02"}, id="contradiction"),
        pytest.param("../../etc", {}, id="way out"),
        pytest.param("not a date", {}, id="no date"),
    ],
)
def test_a_run_without_a_proper_partition_fails_and_writes_nothing(
    runs: Runs, root: Path, key: str | None, conf: dict[str, Any]
) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("refused", schedule=daily_partitions("0 2 * * *"), params=dirops_params()) as dag:
        upper(retries=3)
    run = runs(dag, key=key, conf=conf)
    assert run.state("upper") == "failed"
    assert run.task("upper").try_number == 1  # the retry policy knows that trying again is in vain
    assert [path.name for path in root.iterdir()] == ["raw"]


def test_a_run_by_hand_that_names_nothing_works_on_the_day_that_has_ended(runs: Runs, root: Path) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    write(root / "raw" / yesterday, one="a")
    with DAG("on_defaults", schedule=daily_partitions("0 2 * * *"), params=dirops_params()) as dag:
        upper()
    assert runs(dag).output("upper")["partition"] == yesterday


def test_the_advice_for_several_sources_does_what_it_says(runs: Runs, root: Path) -> None:
    for day in ("2026-11-01", "2026-11-02"):
        write(root / "raw" / day, one=day)
    sources = ["raw/2026-11-01", "raw/2026-11-02"]
    with pytest.raises(ArgumentRefused) as refused, DAG("several", schedule=None):
        upper(source=sources, target="interim")
    advised = re.search(r"\.partial\(\.\.\.\)\.expand_kwargs\((\[.*?\])\)", str(refused.value))
    assert advised
    with DAG("several", schedule=None) as dag:
        fields = {"task_id": "upper", "read": read_text, "codec": "text"}
        DirectoryReadOperator.partial(**fields).expand_kwargs(ast.literal_eval(advised[1]))
    runs(dag)
    for day in ("2026-11-01", "2026-11-02"):
        assert values(root / "interim" / day) == {"one": day}


@pytest.mark.parametrize(
    ("sources", "targets"),
    [(["north/raw", "south/raw"], ["north_raw", "south_raw"]), ([f"raw/{n}" for n in range(7)], list("01234"))],
)
def test_the_advice_for_several_sources_gives_each_a_target_of_its_own(sources: list[str], targets: list[str]) -> None:
    with pytest.raises(ArgumentRefused) as refused, DAG("several", schedule=None):
        upper(source=sources, target="interim")
    assert re.findall(r'"target": \'interim/(\w+)\'', str(refused.value)) == targets
    assert ("and so on for the other 2" in str(refused.value)) == (len(sources) > len(targets))


def test_a_chain_of_mapped_stages_keeps_each_day_apart(runs: Runs, root: Path) -> None:
    days = ["2026-11-01", "2026-11-02"]
    for day in days:
        write(root / "raw" / day, one=day)
    with DAG("mapped_chain", schedule=daily_partitions("0 2 * * *")) as dag:
        first = DirectoryReadOperator.partial(
            task_id="first", source="raw/{partition}", target="interim/{partition}", read=read_text, codec="text"
        ).expand(partition=days)
        fields = {"task_id": "second", "transform": lambda text: text, "codec": "text"}
        StagedTransformOperator.partial(target="final/{partition}", **fields).expand(source=first.output)
    runs(dag, key="2026-11-09")
    assert [values(root / "final" / day) for day in days] == [{"one": day} for day in days]


WEEKLY = {"partition_format": "%G-W%V"}


@pytest.mark.parametrize(
    ("fields", "run"),
    [
        pytest.param(WEEKLY, {"logical_date": pendulum.datetime(2026, 11, 4)}, id="logical date"),
        pytest.param(WEEKLY, {"conf": {"partition": "2026-W45"}}, id="form or API, by name"),
        pytest.param(WEEKLY, {"conf": {"partition": "2026-11-04"}}, id="form, by date"),
        pytest.param({**WEEKLY, "partition": "2026-W45"}, {}, id="named by the operator"),
        pytest.param({**WEEKLY, "partition": "{{ '2026-W45' }}"}, {}, id="named by a template"),
        pytest.param(WEEKLY, {"key": "2026-W45"}, id="partition key"),
    ],
)
def test_a_week_is_the_same_at_every_door(runs: Runs, root: Path, fields: dict[str, Any], run: dict[str, Any]) -> None:
    write(root / "raw/2026-W45", one="a")
    with DAG("weeks", schedule=PartitionedAtRuntime(), params=dirops_params()) as dag:
        first = upper(**fields)
        ManifestSensor(task_id="wait", target="interim/{partition}", timeout=0, deferrable=False, **fields) << first
    ended = runs(dag, **run)
    assert (ended.state("upper"), ended.state("wait")) == ("success", "success")
    assert values(root / "interim/2026-W45") == {"one": "A"}


@pytest.mark.parametrize("form", ["%-d.%m.%Y", "%s", "%A", "%Y-W%V", "%d/%m", "/%Y", 7])
def test_a_format_that_some_door_could_not_read_is_refused_when_the_dag_is_read(form: Any) -> None:
    with DAG("formats", schedule=None):
        with pytest.raises(ArgumentRefused, match="partition_format="):
            upper(partition_format=form)
        with pytest.raises(ArgumentRefused, match="partition_format="):
            DirectoryReadOperator.partial(task_id="r", read=read_text, target="o", partition_format=form)


def test_a_format_beside_that_of_the_schedule_is_refused_and_the_advice_works(runs: Runs, root: Path) -> None:
    write(root / "raw/2026/11/01", one="a")
    nested = {"partition_format": "%Y/%m/%d"}
    with (
        DAG("beside", schedule=daily_partitions("0 2 * * *")),
        pytest.raises(ArgumentRefused, match=r"like '2026-11-26'.*like '2026/11/26'.*on the schedule"),
    ):
        upper(**nested)
    with DAG("beside", schedule=daily_partitions("0 2 * * *", **nested), params=dirops_params()) as dag:
        upper()
    assert runs(dag, key="2026/11/01").output("upper")["partition"] == "2026/11/01"
    assert runs(dag, conf={"partition": "2026-11-01"}).output("upper")["outcome"] == "unchanged"


def test_max_failures_without_quarantine_is_refused_when_the_dag_is_read() -> None:
    with pytest.raises(ArgumentRefused, match="on_error='quarantine'"):
        upper(max_failures=5)
    upper(max_failures=5, on_error="quarantine")


def test_a_run_with_nothing_new_tells_nobody(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("again", schedule=daily_partitions("0 2 * * *")) as dag:
        upper(outlets=[Asset("upper"), AssetAlias("some")])
    assert len(runs(dag, key=DAY).events("upper")) == 1
    run = runs(dag, key=DAY)
    assert (run.state("upper"), run.output("upper")["outcome"]) == ("success", "unchanged")
    assert run.events("upper") == []


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(daily_partitions("0 2 * * *"), DAY, id="partitioned"),
        pytest.param(None, None, id="not partitioned"),
    ],
)
def test_a_run_without_a_key_tells_its_partition_if_its_dag_has_partitions(
    runs: Runs, root: Path, schedule: CronPartitionTimetable | None, expected: str | None
) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("keyless", schedule=schedule, params=dirops_params()) as dag:
        upper(outlets=[Asset("upper")])
    ((key, extra),) = runs(dag, conf={"partition": DAY}).events("upper")
    assert (key, extra["partition"]) == (expected, DAY)


@pytest.mark.parametrize(("empty", "state"), [("fail", "failed"), ("skip", "skipped"), ("commit", "success")])
def test_an_empty_source(runs: Runs, root: Path, empty: str, state: str) -> None:
    (root / "raw" / DAY).mkdir(parents=True)
    with DAG("empty", schedule=daily_partitions("0 2 * * *")) as dag:
        upper(empty=empty, outlets=[Asset("upper")])
    run = runs(dag, key=DAY)
    assert run.state("upper") == state
    assert len(run.events("upper")) == (1 if empty == "commit" else 0)


def test_replaced_snapshots_are_kept_as_configured_or_as_the_operator_says(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__KEEP_SNAPSHOTS", "2")
    monkeypatch.setenv("AIRFLOW__DIROPS__KEEP_HOURS", "0")
    with DAG("kept", schedule=None, params=dirops_params()) as dag:
        upper(redo="all")
        upper(task_id="none", target="other/{partition}", retention=Retention(keep_snapshots=0), redo="all")
    write(root / "raw" / DAY, one="a")
    for _ in range(4):
        runs(dag, conf={"partition": DAY})
    kept = [list((root / folder / ".dirops" / DAY / "retired").iterdir()) for folder in ("interim", "other")]
    assert [len(snapshots) for snapshots in kept] == [2, 0]


@pytest.mark.parametrize(("configured", "are_many"), [("1", False), ("2", True), (" auto ", True)])
def test_who_works_is_as_configured_or_as_the_operator_says(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch, configured: str, are_many: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__WORKERS", configured)
    monkeypatch.setattr("airflow_dirops.core.work.crew.available_cpus", lambda: 2)
    write(root / "raw" / DAY, one="a", two="b")
    with DAG("crews", schedule=None, params=dirops_params()) as dag:
        stages = {
            name: upper(task_id=name, target=f"{name}/{{partition}}", read=lambda path: str(os.getpid()), **said)
            for name, said in {"configured": {}, "one": {"workers": 1}, "two": {"workers": 2}}.items()
        }
        StagedTransformOperator(
            task_id="all",
            source=stages["two"].output,
            target="final/{partition}",
            aggregate=lambda records: f"{os.getpid()} {len(list(records))}",
            codec="text",
        )
    run = runs(dag, conf={"partition": DAY})
    mine = str(os.getpid())
    assert run.state("all") == "success"
    assert list(values(root / "final" / DAY).values()) == [f"{mine} 2"]
    assert set(values(root / "one" / DAY).values()) == {mine}
    assert mine not in values(root / "two" / DAY).values()
    assert (mine not in values(root / "configured" / DAY).values()) is are_many


def test_what_a_commit_survives_is_as_configured_or_as_the_operator_says(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__DURABILITY", "process")
    write(root / "raw" / DAY, one="a")
    with DAG("lasting", schedule=None, params=dirops_params()) as dag:
        upper()
        upper(task_id="full", target="full/{partition}", durability="full")
    runs(dag, conf={"partition": DAY})
    durabilities = [read_manifest(root / folder / DAY).durability for folder in ("interim", "full")]
    assert durabilities == ["process", "full"]


@pytest.mark.parametrize(
    ("name", "wrong", "advised"),
    [("workers", wrong, "auto") for wrong in ("0", "-1", "two", "1.5", "²", "")]
    + [("durability", wrong, "process") for wrong in ("Full", "none", "")],
)
def test_a_setting_that_cannot_be_used_is_told_and_what_is_advised_works(
    runs: Runs,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    wrong: str,
    advised: str,
) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("misled", schedule=None, params=dirops_params()) as dag:
        upper()
    monkeypatch.setenv(f"AIRFLOW__DIROPS__{name.upper()}", wrong)
    assert runs(dag, conf={"partition": DAY}).state("upper") == "failed"
    told = capfd.readouterr().out
    assert f"[dirops] {name} is {wrong!r}; set it to " in told
    (variable,) = set(re.findall(r"in (AIRFLOW__DIROPS__\w+)", told))
    monkeypatch.setenv(variable, advised)
    assert runs(dag, conf={"partition": DAY}).state("upper") == "success"


def test_a_new_version_makes_everything_again_and_redo_what_is_damaged(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a", two="b")
    counts = []
    tries = (
        ({"version": "1"}, {}),
        ({"version": "1"}, {}),
        ({"version": "2"}, {}),
        ({"version": "2", "redo": "damaged"}, {}),
        ({"version": "2"}, {"redo": "damaged"}),
    )
    for options, form in tries:
        if "redo" in options | form:
            damage(root / "interim" / DAY / "one.txt")
        with DAG("again", schedule=None, params=dirops_params()) as dag:
            upper(**options)
        run = runs(dag, conf={"partition": DAY, **form})
        counts.append(run.output("upper")["counts"]["computed"])
    assert counts == [2, 0, 2, 1, 1]
    assert values(root / "interim" / DAY) == {"one": "A", "two": "B"}


def test_a_transform_reads_a_bare_directory_with_a_function(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("bare", schedule=None, params=dirops_params()) as dag:
        StagedTransformOperator(
            task_id="twice",
            source="raw/{partition}",
            target="final/{partition}",
            read=read_text,
            transform=lambda text: text * 2,
            codec="text",
        )
    runs(dag, conf={"partition": DAY})
    assert values(root / "final" / DAY) == {"one": "aa"}


def test_params_reach_the_function_without_the_forms_own_fields(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("params", schedule=None, params={**dirops_params(), "suffix": "!"}) as dag:
        upper(read=lambda path, *, params, partition: {**params, "day": partition}, codec="json")
    runs(dag, conf={"partition": DAY, "suffix": "?"})
    assert values(root / "interim" / DAY) == {"one": {"suffix": "?", "day": DAY}}


def test_a_mapped_stage_has_its_own_paths(runs: Runs, root: Path) -> None:
    for name in ("north", "south"):
        write(root / name / DAY, one=name)
    with DAG("mapped", schedule=daily_partitions("0 2 * * *")) as dag:
        DirectoryReadOperator.partial(task_id="read", read=read_text, codec="text").expand_kwargs(
            [{"source": f"{name}/{{partition}}", "target": f"out/{name}/{{partition}}"} for name in ("north", "south")]
        )
    run = runs(dag, key=DAY)
    assert values(root / "out/south" / DAY) == {"one": "south"}
    assert run.rendered("read", 1)["target"] == f"{root}/out/south/{DAY}"
    assert read_manifest(root / "out/south" / DAY).attempt.map_index == 1


def test_a_mapped_upstreams_outputs_are_sources_of_mapped_stages(runs: Runs, root: Path) -> None:
    for name in ("north", "south"):
        write(root / name, one=name)
    with DAG("fan_in", schedule=None) as dag:
        read = DirectoryReadOperator.partial(task_id="read", read=read_text, codec="text").expand_kwargs(
            [{"source": name, "target": f"out/{name}"} for name in ("north", "south")]
        )
        StagedTransformOperator.partial(task_id="each", transform=str, codec="text").expand_kwargs(
            read.output.map(lambda made: {"source": made, "target": made["target"].replace("/out/", "/each/")})
        )
    runs(dag)
    assert values(root / "each/south") == {"one": "south"}


FUNCTIONS = """
from functools import partial
from pathlib import Path

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator

def ending(mark):
    def read(path):
        return Path(path).read_text() + mark
    return read

def marked(path, mark):
    return Path(path).read_text() + mark

class Reader:
    def __call__(self, path):
        return Path(path).read_text() + "!"

with DAG("functions", schedule=None):
    for name, read in {
        "lambda": lambda path: Path(path).read_text() + "!",
        "closure": ending("!"),
        "partial": partial(marked, mark="!"),
        "object": Reader(),
    }.items():
        DirectoryReadOperator(task_id=name, source="raw", target=f"out/{name}", read=read, codec="text")
"""


def test_functions_of_every_shape_come_from_a_dag_file(runs: Runs, root: Path) -> None:
    write(root / "raw", one="a")
    runs.file("functions", FUNCTIONS)
    for name in ("lambda", "closure", "partial", "object"):
        assert values(root / "out" / name) == {"one": "a!"}
