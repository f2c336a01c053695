"""Stages mapped over days: each instance needs a target of its own, and the refusal shows how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task_group

from airflow_dirops import DirectoryReadOperator
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


@pytest.fixture
def raw(root: Path) -> Path:
    for number, day in enumerate(DAYS):
        write(root / "raw" / day, **{f"image_{number}": day})
    return root


def mapped(**fields: Any) -> Any:
    return DirectoryReadOperator.partial(task_id="copy", read=read_text, codec="text", **fields)


@pytest.mark.parametrize("on_conflict", ["fail", "newest", "last"])
def test_with_one_target_for_all_days_no_day_is_lost_in_green(
    runs: Runs, raw: Path, on_conflict: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG("one_target", schedule=None) as dag:
        mapped(target="interim/all", on_conflict=on_conflict).expand(source=[f"raw/{day}" for day in DAYS])
    run = runs(dag)
    states = sorted(run.state("copy", number) for number in range(3))
    assert states == ["failed", "failed", "success"]
    (kept,) = (number for number in range(3) if run.state("copy", number) == "success")
    assert values(raw / "interim/all") == {f"image_{kept}": DAYS[kept]}
    said = "".join(capfd.readouterr())
    assert "TargetRefused" in said
    assert "expand_kwargs" in said


def test_nor_in_a_mapped_group(runs: Runs, raw: Path) -> None:
    with DAG("one_target_of_groups", schedule=None) as dag:

        @task_group
        def each(day: str) -> None:
            DirectoryReadOperator(
                task_id="copy", source=day, target="interim/all", read=read_text, codec="text", on_conflict="last"
            )

        each.expand(day=[f"raw/{day}" for day in DAYS])
    run = runs(dag)
    assert sorted(run.state("each.copy", number) for number in range(3)) == ["failed", "failed", "success"]


def test_what_the_refusal_advises_works(runs: Runs, raw: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("refused", schedule=None) as dag:
        mapped(target="interim/all").expand(source=["raw/a", "raw/b"])
    for name in ("a", "b"):
        write(raw / "raw" / name, one=name)
    runs(dag)
    advised = re.search(r"expand_kwargs\((\[.*?\])\)", "".join(capfd.readouterr()))
    assert advised
    with DAG("advised", schedule=None) as dag:
        mapped().expand_kwargs(eval(advised[1]))
    run = runs(dag)
    assert [run.state("copy", number) for number in range(2)] == ["success", "success"]
    assert [values(raw / "interim" / name) for name in ("a", "b")] == [{"one": "a"}, {"one": "b"}]
