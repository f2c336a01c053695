"""A stage of many tasks on a real Airflow: what is killed, cleared and marked, and what the next one makes of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from tests.cluster.sharded_runs import Sharded
from tests.text_files import values, write


@pytest.fixture
def begin(cluster: Cluster, data: Path, tmp_path: Path) -> Any:
    return partial(Sharded.begin, cluster, data)


def test_of_64_shards_one_is_killed_and_one_commit_comes_of_them(begin: Any, tmp_path: Path) -> None:
    run: Sharded = begin("sharded_64", tmp_path, 128, gated="100")
    killed = run.process()
    killed.kill()
    psutil.wait_procs([killed], timeout=20)
    run.open_gate()
    run.wait()
    assert run.states() == ["success"] * 64
    assert [run.task("shard", number)["try_number"] for number in (49, 50, 51)] == [1, 2, 1]
    assert run.task("shard", 50)["rendered_map_index"] == "shard 50: 100.txt … 101.txt"
    assert values(run.target) == {f"{number:03}": f"text {number}" for number in range(128)}
    assert run.events() == 1
    assert read_manifest(run.target).stage == "sharded_64.copy"

    run.clear(("shard", 7))  # after the commit
    run.wait_for("failed", "shard", 7)
    assert run.task("shard", 7)["try_number"] == 2
    assert "PlanSuperseded" in run.log("shard", 7)
    assert "'copy.plan' is the task that planned" in run.log("shard", 7)


def test_a_shard_that_was_marked_by_hand_is_missed_and_made_when_it_is_cleared(begin: Any, tmp_path: Path) -> None:
    run: Sharded = begin("sharded_3", tmp_path, 9, broken="004")
    run.wait()
    assert run.states() == ["success", "failed", "success"]
    assert run.states("commit") == ["upstream_failed"]
    assert not run.target.exists()

    run.mark("success", "shard", 1)
    run.clear("commit")
    run.wait()
    assert "1 of 3 shards have no result for this plan, so nothing was committed: 1." in run.log("commit")

    (tmp_path / "mended").touch()
    run.clear(("shard", 1), "commit")
    run.wait()
    assert (run.states(), run.states("commit")) == (["success"] * 3, ["success"])
    assert len(values(run.target)) == 9
    assert [run.task("shard", number)["try_number"] for number in (0, 2)] == [1, 1]
    assert (run.outcome()["counts"]["computed"], run.outcome()["counts"]["reused"]) == (8, 1)

    run.clear("commit")  # once more, now that it has committed
    run.wait()
    assert run.outcome()["outcome"] == "committed"
    assert run.outcome()["snapshot"] == read_manifest(run.target).snapshot


def test_a_plan_that_is_cleared_ends_the_one_that_shards_are_at_work_for(begin: Any, tmp_path: Path) -> None:
    run: Sharded = begin("sharded_cleared", tmp_path, 9, gated="004")
    run.process()
    run.wait_for("success", "shard", 0)
    run.wait_for("success", "shard", 2)
    run.clear("plan")
    run.cluster.wait("the second plan", lambda: run.task("plan")["try_number"] == 2, 100)
    run.wait_for("success", "plan")
    run.open_gate()
    run.wait()
    assert run.states() == ["success", "failed", "success"]
    assert run.task("shard", 1)["try_number"] == 1  # another try would change nothing
    assert "PlanSuperseded" in run.log("shard", 1)
    assert not run.target.exists()

    run.clear("plan", downstream=True)  # as the error says
    run.wait()
    assert (run.states(), run.states("commit")) == (["success", "removed", "removed"], ["success"])
    assert run.outcome()["counts"]["computed"] == 0  # nothing that was finished is made again
    assert len(values(run.target)) == 9

    write(run.data / "raw/sharded_cleared", **{"009": "text 9"})
    run.clear("plan", downstream=True)  # a success: all is made again
    run.wait()
    assert run.outcome()["counts"]["computed"] == 10
    assert run.events() == 2


def test_what_another_run_commits_meanwhile_is_a_conflict_that_a_new_plan_settles(begin: Any, tmp_path: Path) -> None:
    first: Sharded = begin("sharded_conflict", tmp_path, 9, gated="004")
    first.process()
    second: Sharded = begin("sharded_conflict", tmp_path, 0, gated="004")
    second.wait()
    assert second.outcome()["outcome"] == "committed"
    first.open_gate()
    first.wait()
    assert first.states() == ["success"] * 3
    assert (first.states("commit"), first.task("commit")["try_number"]) == (["failed"], 1)
    assert "TargetConflict" in first.log("commit")
    assert "Plan it anew: clear the task that planned" in first.log("commit")
    assert "'copy.plan' is the task that planned" in first.log("commit")

    first.clear("plan", downstream=True)
    first.wait()
    assert first.outcome()["outcome"] == "unchanged"
    assert first.events() == 1


def test_a_shard_that_is_marked_as_failed_while_it_works_stops_and_goes_on_when_it_is_cleared(
    begin: Any, tmp_path: Path
) -> None:
    run: Sharded = begin("sharded_stopped", tmp_path, 9, gated="004")
    working = run.process()
    run.wait_for("success", "shard", 0)
    run.wait_for("success", "shard", 2)
    run.mark("failed", "shard", 1)
    run.cluster.wait("the end of its process", lambda: not working.is_running(), 100)
    run.wait()
    assert (run.states(), run.states("commit")) == (["success", "failed", "success"], ["upstream_failed"])
    assert not run.target.exists()

    run.open_gate()
    run.clear(("shard", 1), "commit")
    run.wait()
    assert (run.states(), run.states("commit")) == (["success"] * 3, ["success"])
    assert len(values(run.target)) == 9
    assert run.outcome()["counts"]["reused"] == 1  # what it had finished before it was stopped
    assert run.events() == 1


def test_a_file_that_changes_after_the_plan_needs_a_new_plan(begin: Any, tmp_path: Path) -> None:
    run: Sharded = begin("sharded_3", tmp_path, 9, gated="003")
    run.process()
    write(run.data / "raw/sharded_3", **{"005": "another text"})
    run.open_gate()
    run.wait()
    assert (run.states(), run.task("shard", 1)["try_number"]) == (["success", "failed", "success"], 1)
    assert "Plan it anew: clear the task that planned" in run.log("shard", 1)
    assert "'copy.plan' is the task that planned" in run.log("shard", 1)
    run.clear("plan", downstream=True)
    run.wait()
    assert values(run.target)["005"] == "another text"
    assert run.outcome()["counts"]["computed"] == 1
