"""Who waits for a target whose stage failed, or reads it, is told where to look."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator
from airflow_dirops.core import errors, read_directory, upkeep
from airflow_dirops.triggers.conditions import Conditions
from tests.doors.airflow_runs import Runs
from tests.text_files import write


def broken(path: str) -> str:
    raise ValueError(path)


def test_it_names_the_command(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out" / "my target"
    source.mkdir()
    (source / "a.txt").write_text("a")
    assert "dirops" not in Conditions(target=str(target)).look().lacking
    with pytest.raises(errors.RecordFailed):
        read_directory(source=source, target=target, read=broken, codec="text")
    assert Conditions(target=str(target)).look().lacking.endswith(f"if anything did: dirops failures '{target}'")
    assert [failed.path for failed in upkeep.list_failures(target).inputs] == ["a.txt"]


def test_a_stage_without_its_source_says_what_failed_there_and_below_which_root_it_looked(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(root / "raw", a="a")
    with DAG("broken", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim", read=broken, codec="text")
    runs(dag)
    capfd.readouterr()
    with DAG("after_broken", schedule=None) as dag:
        StagedTransformOperator(task_id="after", source="interim", target="final", transform=str, codec="text")
    assert runs(dag).state("after") == "failed"
    said = "".join(capfd.readouterr())
    assert f"'a.txt' (ValueError), listed with tracebacks by: dirops failures {root / 'interim'}" in said
    assert f"[dirops] root is {str(root)!r}" in said
