"""One stage in several processes: what comes of it, and who is told what when it goes another way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dirops.core import Stage, cut, gather, read_directory, work_shard
from airflow_dirops.core.errors import ArgumentRefused
from tests.core.sharding.sharded import attempts_left, contents, run_sharded, stage_of


def copy(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    for number in range(12):
        path = raw / f"folder {number % 3}" / f"{number:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {number}")
    return raw


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_shards_make_what_the_stage_alone_makes(raw: Path, tmp_path: Path, shards: int) -> None:
    alone = read_directory(source=raw, target=tmp_path / "alone", read=copy, codec="bytes", stage="sharded")
    outcome = run_sharded(stage_of(raw, tmp_path / "together", copy), shards)
    assert (outcome.outcome, outcome.counts, outcome.digest) == ("committed", alone.counts, alone.digest)
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert attempts_left(tmp_path / "together") == []


def test_where_nothing_is_to_be_done_the_plan_says_so(raw: Path, tmp_path: Path) -> None:
    stage = stage_of(raw, tmp_path / "target", copy)
    committed = run_sharded(stage, 3)
    planned = cut(stage, 3)
    assert planned.shards == ()
    outcome = gather(stage, planned.to_dict(), [])
    assert (outcome.outcome, outcome.snapshot) == ("unchanged", committed.snapshot)
    assert attempts_left(tmp_path / "target") == []


def test_messages_are_small_and_say_which_inputs_they_are_about(raw: Path, tmp_path: Path) -> None:
    stage = stage_of(raw, tmp_path / "target", copy)
    planned = cut(stage, 4)
    assert planned.shards[0].label == "shard 0: folder 0/00.txt … folder 0/06.txt"
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    assert all(len(json.dumps(message)) < 400 for message in (*sealed, planned.to_dict()))
    assert all(len(json.dumps(shard.to_dict())) < 300 for shard in planned.shards)


def test_an_aggregate_is_refused_with_the_way_to_do_it(raw: Path, tmp_path: Path) -> None:
    run_sharded(stage_of(raw, tmp_path / "records", copy), 3)
    total = {"source": tmp_path / "records", "target": tmp_path / "total", "aggregate": lambda records: len([*records])}
    with pytest.raises(ArgumentRefused, match="aggregate over its target in a stage without shards"):
        cut(Stage(codec="json", **total), 3)


@pytest.mark.parametrize("shards", [0, -1, 1025, True, "4", 2.0, None])
def test_what_is_no_number_of_shards_is_refused(raw: Path, tmp_path: Path, shards: object) -> None:
    with pytest.raises(ArgumentRefused, match="no count from 1 to 1024"):
        cut(stage_of(raw, tmp_path / "target", copy), shards)
    assert not (tmp_path / "target").exists()
