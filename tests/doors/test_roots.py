"""Relative paths lie below ``[dirops] root``, or below the root that a connection names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG

from airflow_dirops import (
    DirectoryReadOperator,
    DirectorySensor,
    ManifestSensor,
    StagedTransformOperator,
    partitions,
    target_asset,
)
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.hooks.directory_root import DirectoryRootHook
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another root than the one of all DAGs, as the connection ``disk``."""
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(tmp_path / "elsewhere"))
    disk = tmp_path / "disk"
    disk.mkdir()
    connect(monkeypatch, disk)
    return disk


def connect(monkeypatch: pytest.MonkeyPatch, path: Any, conn_type: str = "dirops_root") -> None:
    """Let the connection ``disk`` have a path."""
    extra = {} if path is None else {"path": str(path)}
    monkeypatch.setenv("AIRFLOW_CONN_DISK", json.dumps({"conn_type": conn_type, "extra": extra}))


def stage(root_conn_id: Any = "disk", **more: Any) -> DAG:
    with DAG("rooted", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read",
            **{"source": "raw", "target": "interim", **more},
            read=read_text,
            codec="text",
            root_conn_id=root_conn_id,
        )
    return dag


def test_a_chain_lies_below_the_root_of_its_connection(runs: Runs, disk: Path) -> None:
    write(disk / "raw", one="a")
    with DAG("rooted", schedule=None) as dag:
        arrived = DirectorySensor(task_id="arrived", directory="raw", min_files=1, root_conn_id="disk")
        read = DirectoryReadOperator(
            task_id="read", source=arrived.output, target="interim", read=read_text, codec="text", root_conn_id="disk"
        )
        read >> ManifestSensor(task_id="there", target="interim", root_conn_id="disk")
    run = runs(dag)
    assert run.state("there") == "success"
    assert run.rendered("read")["target"] == str(disk / "interim")
    assert values(disk / "interim") == {"one": "a"}


def test_a_default_argument_roots_a_whole_dag(runs: Runs, disk: Path) -> None:
    write(disk / "raw", one="a")
    with DAG("rooted", schedule=None, default_args={"root_conn_id": "disk"}) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim", read=read_text, codec="text")
    assert runs(dag).state("read") == "success"
    assert values(disk / "interim") == {"one": "a"}


def test_a_missing_source_names_the_connection(
    runs: Runs, disk: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert runs(stage()).state("read") == "failed"
    said = caplog.text + "".join(capfd.readouterr())
    assert f"Relative paths are below a root: the path of the connection 'disk' is {str(disk)!r} here" in said


@pytest.mark.parametrize(
    ("path", "conn_type", "told"),
    [
        pytest.param("data", "dirops_root", "is relative; make it absolute", id="relative"),
        pytest.param(None, "dirops_root", "has no path; fill in Path", id="none"),
        pytest.param("  ", "dirops_root", "has no path; fill in Path", id="blank"),
        pytest.param("s3://data", "dirops_root", "a URL; only mounted file systems", id="URL"),
        pytest.param("/data", "fs", "is of the type 'fs'", id="another type"),
        pytest.param("/da\0ta", "dirops_root", "must be the path of a directory", id="NUL"),
    ],
)
def test_a_connection_that_is_no_root_is_refused_by_the_form_and_by_the_task(
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    path: Any,
    conn_type: str,
    told: str,
) -> None:
    connect(monkeypatch, path, conn_type)
    is_usable, message = DirectoryRootHook("disk").test_connection()
    assert not is_usable
    assert told in message
    assert runs(stage()).state("read") == "failed"
    assert told in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("dirops_root:///data", "has no type"),
        ("/data", "has no type"),
        ('{"extra": {"path": "/data"}}', "has no type"),
        ("{", "AIRFLOW_CONN_DISK cannot be read as a connection"),
        ('{"conn_type": "dirops_root", "port": "x"}', "AIRFLOW_CONN_DISK cannot be read as a connection"),
        ('{"conn_type": "dirops_root", "extra": ["a"]}', "has an extra that is a list"),
        ('{"conn_type": "dirops_root", "extra": {"path": 7}}', "has no path"),
    ],
)
def test_a_variable_that_is_no_root_is_explained_and_the_advice_works(
    disk: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DISK", said)
    is_usable, message = DirectoryRootHook("disk").test_connection()
    assert not is_usable
    assert told in message
    as_json, uri = re.findall(r"write (\{.*\}\}) or the URI ([^,]+),", message)[0]
    for advised in (as_json.replace("/data", str(disk)), uri.replace("%2Fdata", quote(str(disk), safe=""))):
        monkeypatch.setenv("AIRFLOW_CONN_DISK", advised)
        assert DirectoryRootHook("disk").get_conn() == str(disk)


def test_a_root_with_something_in_it_that_was_meant_to_be_replaced_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for root in ("/data ", "/data/{site}", "/data/*"):
        monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", root)
        with pytest.raises(ArgumentRefused, match=re.escape(f"[dirops] root={root!r} holds")):
            target_asset("interim")


def test_a_connection_that_is_not_there_is_told(
    runs: Runs, disk: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert runs(stage("nowhere")).state("read") == "failed"
    assert "root_conn_id='nowhere': there is no such connection" in caplog.text + "".join(capfd.readouterr())


def test_the_test_of_a_connection_looks_at_the_directory(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DirectoryRootHook("disk").test_connection() == (
        True,
        f"{str(disk)!r} can be read and written on this machine; workers must see it too",
    )
    for path, why in ((disk / "away", "No such file or directory"), (disk / "file", "Not a directory")):
        (disk / "file").touch()
        connect(monkeypatch, path)
        assert DirectoryRootHook("disk").test_connection() == (
            False,
            f"{str(path)!r} cannot be read on this machine: {why}",
        )


@pytest.mark.parametrize("given", ["", " ", 7, ["disk"]])
def test_what_is_no_id_is_refused_while_the_dag_is_read(given: Any) -> None:
    with pytest.raises(ArgumentRefused, match="is no connection's id"):
        stage(given)
    with pytest.raises(ArgumentRefused, match="is no connection's id"), DAG("rooted", schedule=None):
        ManifestSensor.partial(task_id="there", root_conn_id=given)


def test_an_asset_below_the_other_root_is_refused(disk: Path) -> None:
    with pytest.raises(ArgumentRefused, match="below \\[dirops\\] root, and root_conn_id='disk' says another root"):
        stage(target=target_asset("interim"))
    with pytest.raises(ArgumentRefused, match="says another root"), DAG("rooted", schedule=None):
        ManifestSensor(task_id="there", target=target_asset("interim"), root_conn_id="disk")
    assert stage(target=target_asset(str(disk / "interim")))


def test_so_are_partitions_of_it(disk: Path) -> None:
    days = target_asset("interim/{partition}")
    fields = {"target": "week", "transform": len, "root_conn_id": "disk"}
    for source in (partitions(days, last=7), [partitions(days, last=7)]):
        with pytest.raises(ArgumentRefused, match="says another root"), DAG("rooted", schedule=None):
            StagedTransformOperator(task_id="week", source=source, **fields)
        with pytest.raises(ArgumentRefused, match="says another root"), DAG("rooted", schedule=None):
            StagedTransformOperator.partial(task_id="week", source=source, **fields).expand(pattern=["a"])
    with pytest.raises(ArgumentRefused, match="says another root"), DAG("rooted", schedule=None):
        StagedTransformOperator.partial(task_id="week", **fields).expand(source=[partitions(days, last=7)])
    with DAG("rooted", schedule=None):
        absolute = target_asset(str(disk / "interim/{partition}"))
        StagedTransformOperator(task_id="week", source=partitions(absolute, last=7), **fields)
        StagedTransformOperator(task_id="as_advised", source=partitions(days, last=7), target="x", transform=len)
