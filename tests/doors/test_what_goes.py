"""Days without a folder, files that gave nothing, and results that would go, as a DAG's author meets them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, dirops_params
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"


def copied(**fields: Any) -> DirectoryReadOperator:
    return DirectoryReadOperator(
        **{
            "task_id": "copied",
            "source": "raw/{partition}",
            "target": "interim/{partition}",
            "read": read_text,
            "codec": "text",
            **fields,
        }
    )


def test_results_that_would_go_are_let_through_once_from_the_form_as_the_refusal_says(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(root / "raw" / DAY, **{f"n{number:02}": "x" for number in range(20)})
    with DAG("goes", schedule=None, params=dirops_params()) as dag:
        copied()
    assert runs(dag, conf={"partition": DAY}).state("copied") == "success"
    for path in sorted((root / "raw" / DAY).iterdir())[1:]:
        path.unlink()
    assert runs(dag, conf={"partition": DAY}).state("copied") == "failed"
    assert len(values(root / "interim" / DAY)) == 20
    said = capfd.readouterr()
    assert f"trigger the DAG again, for '{DAY}', with 'Accept removals' on in the form" in said.out + said.err
    assert runs(dag, conf={"partition": DAY, "accept_removal": True}).state("copied") == "success"
    assert caplog.messages.count("19 of 20 results would go; max_removed='100%' allows that") == 1
    assert len(values(root / "interim" / DAY)) == 1


@pytest.mark.parametrize(("empty", "state"), [("fail", "failed"), ("skip", "skipped"), ("commit", "success")])
def test_a_day_without_a_folder(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str], empty: str, state: str
) -> None:
    (root / "raw").mkdir()
    with DAG("off", schedule=None, params=dirops_params()) as dag:
        copied(empty=empty)
    assert runs(dag, conf={"partition": DAY}).state("copied") == state
    if empty == "skip":
        assert f"there is no folder '{root}/raw/{DAY}'" in capfd.readouterr().out


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%Y/%m/%d/%H", "%Y/%m"])
def test_the_first_folder_of_a_month_is_missing(runs: Runs, root: Path, form: str) -> None:
    day = datetime(2026, 11, 1).strftime(form)
    write(root / "raw" / datetime(2026, 10, 31).strftime(form), one="a")
    with DAG("nested", schedule=None, params=dirops_params()) as dag:
        copied(empty="skip", partition_format=form)
    assert runs(dag, conf={"partition": day}).state("copied") == "skipped"
    (root / "raw").rename(root / "unmounted")
    assert runs(dag, conf={"partition": day}).state("copied") == "failed"


@pytest.mark.parametrize(("empty", "state"), [("fail", "failed"), ("skip", "skipped"), ("commit", "success")])
def test_files_that_all_gave_nothing(runs: Runs, root: Path, empty: str, state: str) -> None:
    write(root / "raw" / DAY, one="a")
    with DAG("none", schedule=None, params=dirops_params()) as dag:
        copied(empty=empty, read=lambda path: None, retries=2)
    run = runs(dag, conf={"partition": DAY})
    assert (run.state("copied"), run.task("copied").try_number) == (state, 1)


def test_a_pattern_for_each_source_is_rendered(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a")
    (root / "raw" / DAY / "one.hdr").write_text("header ")
    with DAG("pairs", schedule=None, params=dirops_params()) as dag:
        StagedTransformOperator(
            task_id="pairs",
            source=["raw/{partition}", "raw/{partition}"],
            pattern=["*.hdr", "*.{{ 'txt' }}"],
            join="inner",
            target="interim/{partition}",
            read=lambda path: Path(path).read_text(),
            transform=lambda header, data: header + data,
            codec="text",
        )
    assert runs(dag, conf={"partition": DAY}).state("pairs") == "success"
    assert values(root / "interim" / DAY) == {"one": "header a"}
