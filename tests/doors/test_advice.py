"""What the operators' refusals say to do is done, and the fields are then rendered to what was meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator
from airflow_dirops.core.errors import ArgumentRefused

DAY = "2026-11-01"


def rendered(**fields: Any) -> DirectoryReadOperator:
    """The stage as it is when its task begins, in a run for a day."""
    with DAG("advice", schedule=None) as dag:
        stage = DirectoryReadOperator(
            **{"task_id": "stage", "source": "raw/{partition}", "target": "out/{partition}", "read": str, **fields}
        )
    stage.render_template_fields({"dag": dag, "params": {}, "partition_key": DAY, "day": DAY})  # type: ignore[arg-type]
    return stage


def refusal(**fields: Any) -> str:
    with pytest.raises(ArgumentRefused) as refused:
        rendered(**fields)
    return str(refused.value)


def test_the_root_is_set_as_the_message_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__DIROPS__ROOT", raising=False)
    message = refusal()
    (variable,) = re.findall(r"\((AIRFLOW__\w+)\)", message)
    monkeypatch.setenv(variable, str(tmp_path))
    assert rendered().target == str(tmp_path / "out" / DAY)
    monkeypatch.delenv(variable)
    assert "or write the path absolute" in message
    assert rendered(source="/raw/{partition}", target=f"{tmp_path}/{{partition}}").target == str(tmp_path / DAY)


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", "data")
    assert "make it absolute" in refusal()
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", str(tmp_path / "data"))
    rendered()


def test_a_path_out_of_the_root_is_written_absolute(root: Path) -> None:
    assert "write such a path absolute" in refusal(source="../raw/{partition}")
    assert rendered(source=f"{root.parent}/raw/{{partition}}").source == str(root.parent / "raw" / DAY)


def test_a_template_is_a_str(root: Path) -> None:
    message = refusal(source=Path("raw/{{ day }}"))
    assert "write it as a str, not as a Path" in message
    assert rendered(source="raw/{{ day }}").source == str(root / "raw" / DAY)


@pytest.mark.parametrize("template", ["{{ nothing }}", "raw/{{ nothing }}"])
def test_a_name_that_is_not_there_gets_a_default(root: Path, template: str) -> None:
    (default,) = re.findall(r"\{\{ name (.+?) \}\}", refusal(source=template))
    assert rendered(source=template.replace("nothing", f"nothing {default}")).source.endswith("all")


@pytest.mark.parametrize("template", ["{{ '' }}", "raw/{{ none }}"])
def test_what_is_rendered_to_nothing_gets_a_default(root: Path, template: str) -> None:
    assert "or a default in the template" in refusal(source=template)
    assert rendered(source=template.replace(" }}", " or 'all' }}")).source.endswith("all")


def test_each_partition_gets_a_target_of_its_own(root: Path) -> None:
    message = refusal(target="out")
    (placeholder,) = re.findall(r"put (\S+) into target", message)
    assert rendered(target=f"out/{placeholder}").target == str(root / "out" / DAY)


def test_a_url_becomes_the_path_of_its_mount(root: Path) -> None:
    with pytest.raises(ArgumentRefused, match="only paths of mounted file systems can be used"):
        rendered(source="s3://bucket/{partition}")
    assert rendered(source="/mnt/bucket/{partition}").source == f"/mnt/bucket/{DAY}"
