"""Joins, aggregates and batches as tasks: sources are rendered each by itself, and partitions are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, dirops_params
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"


def reader(name: str) -> DirectoryReadOperator:
    return DirectoryReadOperator(
        task_id=name, source=name + "/{partition}", target=f"interim/{name}/{{partition}}", read=read_text, codec="text"
    )


def both(image: str, mask: str) -> str:
    return f"{image}+{mask}"


def test_an_output_and_a_path_are_joined(runs: Runs, root: Path) -> None:
    write(root / "images" / DAY, a="image a", b="image b")
    write(root / "masks" / DAY, b="mask b")
    with DAG("joined", schedule=None, params=dirops_params()) as dag:
        masks = reader("masks")
        masks >> StagedTransformOperator(
            task_id="both",
            source=[reader("images").output, "interim/masks/{partition}"],
            target="final/{partition}",
            transform=both,
            join="inner",
            codec="text",
        )
    run = runs(dag, conf={"partition": DAY})
    assert values(root / "final" / DAY) == {"b": "image b+mask b"}
    pinned, path = run.rendered("both")["source"]
    assert pinned["snapshot"] == run.output("images")["snapshot"]
    assert path == f"{root}/interim/masks/{DAY}"


def test_each_of_the_sources_is_checked(runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fields: dict[str, Any] = {"task_id": "both", "transform": both, "read": read_text, "join": "inner"}
    with DAG("wrong", schedule=None), pytest.raises(ArgumentRefused, match=re.escape("put {partition} into target")):
        StagedTransformOperator(source=["images", "masks/{partition}"], target="final", **fields)
    with DAG("wrong", schedule=None, params={**dirops_params(), "nothing": None}) as dag:
        StagedTransformOperator(
            source=["images/{partition}", "{{ params.nothing }}"], target="final/{partition}", **fields
        )
    assert runs(dag, conf={"partition": DAY}).state("both") == "failed"
    assert "names nothing" in "".join(capfd.readouterr())


def test_an_aggregate_stands_for_its_partition_or_for_all(runs: Runs, root: Path) -> None:
    write(root / "images" / DAY, a="image a", b="image b")
    with DAG("all", schedule=None, params=dirops_params()) as dag:
        StagedTransformOperator(
            task_id="count",
            source=reader("images").output,
            target="final/latest",
            aggregate=lambda records: sum(1 for _ in records),
            codec="json",
        )
    runs(dag, conf={"partition": DAY})
    assert values(root / "final" / "latest") == {"aggregate": 2}


def test_batches(runs: Runs, root: Path) -> None:
    write(root / "images" / DAY, a="1", b="2", c="3")
    with DAG("batches", schedule=None, params=dirops_params()) as dag:
        StagedTransformOperator(
            task_id="counted",
            source=reader("images").output,
            target="final/{partition}",
            transform=lambda texts: [f"{text} of {len(texts)}" for text in texts],
            batch_size=2,
            workers=2,
            codec="text",
        )
    runs(dag, conf={"partition": DAY})
    assert values(root / "final" / DAY) == {"a": "1 of 2", "b": "2 of 2", "c": "3 of 1"}
