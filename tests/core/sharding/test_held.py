"""What shards have made is checked and held like anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.core import cut, gather, list_held, publish, work_shard
from airflow_dirops.core.checks import at_least
from airflow_dirops.core.errors import CheckFailed
from tests.core.sharding.sharded import attempts_left, contents, numbered_texts, run_sharded, stage_of


def read(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return numbered_texts(tmp_path / "raw", 7)


def test_what_was_gathered_is_held_whole_and_nothing_else_is_left(source: Path, tmp_path: Path) -> None:
    alone, target = tmp_path / "alone", tmp_path / "held"
    run_sharded(stage_of(source, alone, read), 3)
    assert run_sharded(stage_of(source, target, read, publish="hold"), 3).outcome == "held"
    assert len(attempts_left(target)) == 1
    publish(target)
    assert contents(target) == contents(alone)
    assert attempts_left(target) == []


def test_a_commit_that_is_tried_again_says_what_it_had_held(source: Path, tmp_path: Path) -> None:
    stage = stage_of(source, tmp_path / "held", read, publish="hold")
    planned = cut(stage, 3)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    first, again = (gather(stage, planned, sealed) for _ in range(2))
    assert (again.outcome, again.snapshot) == ("held", first.snapshot)
    assert len(list_held(tmp_path / "held")) == 1


def test_a_check_sees_what_all_shards_made_and_what_they_made_is_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "checked"
    stage = stage_of(source, target, read, check=at_least(8))
    planned = cut(stage, 3)
    sealed = [work_shard(stage, shard) for shard in planned.shards]
    with pytest.raises(CheckFailed, match="7 files, and at least 8"):
        gather(stage, planned, sealed)
    assert not target.exists()
    assert gather(stage_of(source, target, read, check=at_least(7)), planned, sealed).outcome == "committed"
