"""The form's field for the partition takes what can name one, and Airflow refuses the rest before there is a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops import DirectoryReadOperator, DirectorySensor, dirops_params, hourly_partitions, monthly_partitions
from airflow_dirops.calendar.formats import write_name
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, write

FORMATS = ("%Y-%m-%dT%H", "%Y/%m/%d/%H", "%G-W%V", "%Y-%m", "%Y%m%d", "day.%j of %Y", "%Y.%m", "%d%%%m%%%Y", "(%Y)+%m")


def asked(partition_format: str | None, value: Any, **more: Any) -> Any:
    """What a DAG makes of a value of the form."""
    with DAG("asked", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="out", read=read_text, partition_format=partition_format, **more
        )
    for params in (dag.params, dag.get_task("read").params):
        params["partition"] = value
        params.validate()
    return dag.params.dump()["partition"]


@given(st.sampled_from(FORMATS), st.datetimes(datetime(1980, 1, 1), datetime(2070, 1, 1)))
def test_every_name_that_a_format_writes_is_taken(partition_format: str, moment: datetime) -> None:
    name = write_name(moment, partition_format)
    assert asked(partition_format, name) == name


@pytest.mark.parametrize("partition_format", [*FORMATS, "%Y-%m-%d", "%d %B %Y", None])
def test_nothing_filled_in_is_taken(partition_format: str | None) -> None:
    assert asked(partition_format, None) is None


@pytest.mark.parametrize(
    ("partition_format", "wrong"),
    [
        ("%Y-%m-%dT%H", "2026-11-27"),
        ("%Y-%m-%dT%H", "2026-11-27T1"),
        ("%Y-%m", "2026-1"),
        ("%Y-%m", "November"),
        ("%Y.%m", "2026x11"),
        ("%G-W%V", "2026-w45"),
        ("%Y-%m-%d", "27.11.2026"),
        (None, "../x"),
        (None, "/raw"),
        (None, "a//b"),
        (None, ".hidden"),
        (None, " "),
    ],
)
def test_what_can_name_none_is_refused(partition_format: str | None, wrong: str) -> None:
    with pytest.raises(ParamValidationError, match="partition"):
        asked(partition_format, wrong)


def test_a_date_stands_for_the_month_that_it_lies_in_and_not_for_an_hour(runs: Runs, root: Path) -> None:
    write(root / "raw/2026-10", one="a")
    with DAG("months", schedule=monthly_partitions("0 2 1 * *"), params=dirops_params()) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw/{partition}", target="out/{partition}", read=read_text, codec="text"
        )
    assert runs(dag, conf={"partition": "2026-10-31"}).output("read")["partition"] == "2026-10"
    with DAG("hours", schedule=hourly_partitions("5 * * * *"), params=dirops_params()) as dag:
        DirectorySensor(task_id="sensor", directory="raw/{partition}", marker="_READY")
    with pytest.raises(ParamValidationError, match="T"):
        dag.params["partition"] = "2026-10-31"


def test_where_stages_name_folders_differently_each_looks_itself(runs: Runs, root: Path) -> None:
    write(root / "raw/north", one="a")
    fields: dict[str, Any] = {"source": "raw/{partition}", "read": read_text, "codec": "text"}
    with DAG("differently", schedule=None, params=dirops_params()) as dag:
        DirectoryReadOperator(task_id="months", target="m/{partition}", partition_format="%Y-%m", **fields)
        DirectoryReadOperator(task_id="any", target="a/{partition}", partition_format=None, **fields)
    run = runs(dag, conf={"partition": "north"})
    assert (run.state("months"), run.state("any")) == ("failed", "success")


def test_a_format_that_is_none_is_refused_as_ever() -> None:
    with pytest.raises(ArgumentRefused, match="names no year"):
        asked("%m-%d", None)


@pytest.mark.parametrize(
    ("form", "conf", "meant"),
    [
        (False, {"partiton": "2026-11-01"}, "partition"),
        (False, {"Partition": "2026-11-01"}, "partition"),
        (True, {"on_eror": "quarantine"}, "on_error"),
        (True, {"dry-run": True}, "dry_run"),
        (False, {"on_eror": "quarantine"}, None),
        (False, {"party": "2026-11-01"}, None),
        (True, {"partition": "2026-11-01"}, None),
    ],
)
def test_what_a_run_is_started_with_and_nothing_takes_is_told(
    runs: Runs, root: Path, form: bool, conf: dict[str, Any], meant: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    write(root / "raw", a="x")
    with DAG("misspelled", schedule=None, params=dirops_params() if form else {}) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim/made", read=read_text, codec="text")
    assert runs(dag, conf=conf).state("read") == "success"
    said = "".join(capfd.readouterr())
    assert ("which nothing here takes" in said) == (meant is not None)
    assert meant is None or f"takes; '{meant}' may be meant: start it once more with that" in said
