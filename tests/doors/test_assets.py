"""A target that is written once, as an asset: a path, an outlet and a schedule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.sdk import (
    DAG,
    Asset,
    PartitionedAssetTimetable,
    RollupMapper,
    StartOfWeekMapper,
    WeekWindow,
)

from airflow_dirops import (
    DirectoryReadOperator,
    ManifestSensor,
    StagedTransformOperator,
    daily_partitions,
    hourly_partitions,
    partitions,
    target_asset,
)
from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"
HOUR = "2026-11-01T13"


def test_a_stage_tells_the_asset_that_is_its_target(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    upper = target_asset("interim/{partition}")
    with DAG("told", schedule=daily_partitions("0 2 * * *")) as dag:
        DirectoryReadOperator(task_id="upper", source="raw/{partition}", target=upper, read=read_text, codec="text")
    run = runs(dag, key=DAY)
    assert values(root / "interim" / DAY) == {"one": "a"}
    ((key, extra),) = run.events("upper")
    assert key == DAY
    assert extra == {"page": extra["page"], **run.output("upper")}
    assert (extra["counts"]["entries"], extra["bytes"]) == (1, 1)
    assert extra["digest"] == read_manifest(root / "interim" / DAY).lists["files.jsonl"].digest
    assert runs(dag, key=DAY).events("upper") == []  # nothing new


def test_a_dag_that_commits_start_names_partitions_as_they_were_committed(runs: Runs, root: Path) -> None:
    write(root / "raw" / HOUR, one="a")
    hours = target_asset("interim/{partition}", partition_format="%Y-%m-%dT%H")
    with DAG("hours", schedule=hourly_partitions("5 * * * *", timezone="UTC")) as first:
        DirectoryReadOperator(task_id="read", source="raw/{partition}", target=hours, read=read_text, codec="text")
    with DAG("after", schedule=PartitionedAssetTimetable(assets=hours)) as second:
        found = ManifestSensor(task_id="found", target=hours)
        double = StagedTransformOperator(
            task_id="double", source=hours, target="final/{partition}", transform=lambda t: t * 2, codec="text"
        )
        found >> double
    runs(first, key=HOUR)
    runs(second, key=HOUR)
    assert values(root / "final" / HOUR) == {"one": "aa"}
    with (
        pytest.raises(ArgumentRefused, match="the schedule makes partitions like '2026-11-26T00'"),
        DAG("other", schedule=PartitionedAssetTimetable(assets=hours)),
    ):
        ManifestSensor(task_id="found", target=hours, partition_format="%Y-%m-%d")


def test_a_week_is_named_as_its_mapper_does_and_reads_the_days_as_their_asset_does(runs: Runs, root: Path) -> None:
    days = target_asset("interim/{partition}", partition_format="%Y/%m/%d")
    for day in range(2, 9):
        write(root / f"raw/2026/11/0{day}", one=str(day))
    with DAG("days", schedule=daily_partitions("0 2 * * *", partition_format="%Y/%m/%d")) as first:
        DirectoryReadOperator(task_id="read", source="raw/{partition}", target=days, read=read_text, codec="text")
    for day in range(2, 9):
        runs(first, key=f"2026/11/0{day}")
    monday = StartOfWeekMapper(input_format="%Y/%m/%d", output_format="%Y-%m-%d")
    weeks = RollupMapper(upstream_mapper=monday, window=WeekWindow())
    with DAG("weeks", schedule=PartitionedAssetTimetable(assets=days, default_partition_mapper=weeks)) as second:
        StagedTransformOperator(
            task_id="report",
            source=partitions(days, of="week"),
            target="final/{partition}",
            aggregate=lambda records: "".join(record.value for record in records),
            codec="text",
        )
    runs(second, key="2026-11-02")
    assert list(values(root / "final/2026-11-02").values()) == ["2345678"]


def test_mapped_stages_tell_it_too_and_no_outlet_is_told_twice(root: Path) -> None:
    target = target_asset("interim/{partition}")
    other = Asset("other")
    with DAG("shapes", schedule=None):
        mapped = StagedTransformOperator.partial(
            task_id="mapped", source=target, target=target, transform=len, outlets=other
        ).expand(pattern=["a", "b"])
        twice = StagedTransformOperator(task_id="twice", source="a", target=target, transform=len, outlets=[target])
        joined = StagedTransformOperator(
            task_id="joined", source=[target, target], join="inner", target="final/{partition}", transform=max
        )
    assert mapped.partial_kwargs["outlets"] == [other, target]
    assert mapped.partial_kwargs["source"] == mapped.partial_kwargs["target"] == "interim/{partition}"
    assert twice.outlets == [target]
    assert joined.source == ["interim/{partition}"] * 2
    assert joined.outlets == []


def test_the_same_path_is_the_same_asset(root: Path) -> None:
    assert target_asset("interim/{partition}") == Asset("interim/{partition}", f"file://{root}/interim/{{partition}}")
    assert target_asset("interim/x/") == target_asset(Path("interim/x"))
    assert target_asset(f"{root}/a", group="images").group == "images"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("interim/{{ ds }}", "no Jinja"),
        ("", "target='' "),
        ("../x", "leads out of the root"),
        ("s3://x/y", "is a URL"),
        ("a\0b", "target="),
        ("$DATA/x", "environment variable"),
    ],
)
def test_what_is_no_path_of_a_target_is_refused(root: Path, target: str, says: str) -> None:
    with pytest.raises(ArgumentRefused, match="(?s)" + says.replace("$", r"\$")):
        target_asset(target)


def test_the_schedule_s_format_is_no_format_of_an_asset(root: Path) -> None:
    with pytest.raises(ArgumentRefused, match="which follow the schedule") as refused:
        target_asset("interim/{partition}", partition_format="schedule")
    (advised,) = re.findall(r"such as '(.+?)'", str(refused.value))
    assert target_asset("interim/{partition}", partition_format=advised).partition_format == advised


def test_a_relative_path_without_a_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__DIROPS__ROOT", raising=False)
    with pytest.raises(ArgumentRefused, match="there is no root for it"):
        target_asset("interim/{partition}")
