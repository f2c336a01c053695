"""From each stage's task a link leads to the page about its snapshot, in whichever form the stage is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk import DAG, Asset

from airflow_dirops import DirectoryReadOperator
from airflow_dirops.core import read_manifest
from tests.text_files import read_text, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doors.airflow_runs import Run, Runs

SOURCE = """
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator

def read_text(path):
    return Path(path).read_text()

with DAG("every_form", schedule=None):
    read = DirectoryReadOperator(task_id="read", source="raw/a", target="interim/a", read=read_text, codec="text")
    StagedTransformOperator(task_id="loud", source=read.output, target="final/a", transform=str.upper, codec="text")
    DirectoryReadOperator.partial(task_id="each", read=read_text, codec="text").expand_kwargs(
        [{"source": f"raw/{name}", "target": f"each/{name}"} for name in "ab"]
    )

    @task.directory_read(source="raw/a", target="decorated", codec="text")
    def decorated(path):
        return Path(path).read_text()

    decorated()
"""


def link_of(run: Run, task_id: str, map_index: int = -1) -> tuple[str, dict[str, str]]:
    """The path, and the fields of the address."""
    return parts_of(
        run.task(task_id, map_index).xcom_pull(key="_link_SnapshotLink", task_ids=task_id, map_indexes=map_index)
    )


def parts_of(link: Any) -> tuple[str, dict[str, str]]:
    split = urlsplit(link)
    return split.path, {name: value for name, (value,) in parse_qs(split.query).items()}


def test_every_form_of_a_stage_has_one(runs: Runs, root: Path) -> None:
    for name in "ab":
        write(root / "raw" / name, one=name)
    run = runs.file("every_form", SOURCE)
    targets = {
        ("read", -1): "interim/a",
        ("loud", -1): "final/a",
        ("each", 1): "each/b",
        ("decorated", -1): "decorated",
    }
    for (task_id, map_index), target in targets.items():
        path, fields = link_of(run, task_id, map_index)
        assert path == "/plugin/dirops/dirops/snapshot"
        assert fields["target"] == target
        assert fields["snapshot"] == read_manifest(root / target).snapshot
        assert (fields["dag_id"], fields["task_id"]) == ("every_form", task_id)
        assert fields.get("map_index") == ("1" if map_index == 1 else None)


def test_airflow_offers_it_for_every_form(runs: Runs, root: Path) -> None:
    for name in "ab":
        write(root / "raw" / name, one=name)
    run = runs.file("every_form", SOURCE)
    from airflow.models.serialized_dag import SerializedDagModel

    read_back = SerializedDagModel.get_dag(run.dag.dag_id)
    assert read_back is not None
    assert {task.task_id: task.extra_links for task in read_back.tasks} == {
        name: ["Snapshot"] for name in ("read", "loud", "each", "decorated")
    }


def test_a_stage_that_failed_leads_to_what_failed(runs: Runs, root: Path) -> None:
    write(root / "raw", one="1")
    with DAG("fails", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim", read=int, codec="text")
    path, fields = link_of(runs(dag), "read")
    assert path == "/plugin/dirops/dirops/failures"
    assert fields["target"] == "interim"
    assert "snapshot" not in fields


def test_a_stage_whose_fields_cannot_be_rendered_has_none(runs: Runs, root: Path) -> None:
    with DAG("unrendered", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="{{ nothing.there }}", target="interim", read=read_text)
    run = runs(dag)
    assert not run.task("read").xcom_pull(key="_link_SnapshotLink", task_ids="read")


def test_a_target_outside_of_the_root_is_named_whole(runs: Runs, root: Path, tmp_path_factory: Any) -> None:
    write(root / "raw", one="1")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "späße & co"
    with DAG("elsewhere", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target=str(elsewhere), read=read_text, codec="text")
    _, fields = link_of(runs(dag), "read")
    assert fields["target"] == str(elsewhere)


def test_behind_a_base_path_both_the_frame_and_the_page_in_it_are_below_it(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/team/a/")
    write(root / "raw", one="1")
    with DAG("based", schedule=None) as dag:
        DirectoryReadOperator(task_id="read", source="raw", target="interim", read=read_text, codec="text")
    assert link_of(runs(dag), "read")[0] == "/team/a/plugin/dirops/team/a/dirops/snapshot"


def test_an_event_of_an_asset_says_where_the_snapshot_is_to_be_seen(
    runs: Runs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/team/a/")
    write(root / "raw", one="1")
    asset = Asset("dirops-links")
    with DAG("tells", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="interim", read=read_text, codec="text", outlets=[asset]
        )
    ((_, extra),) = runs(dag).events("read")
    address = extra["page"]
    assert address.startswith("https://example.com/team/a/plugin/dirops/team/a/dirops/snapshot?")
    assert parts_of(address)[1] == {"target": "interim", "snapshot": read_manifest(root / "interim").snapshot}
