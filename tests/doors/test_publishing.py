"""Held snapshots in DAG runs: one commit, one event, at the publish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task

from airflow_dirops import DirectoryReadOperator, PublishOperator, StagedTransformOperator, daily_partitions
from airflow_dirops.core import list_held, list_rejections, publish, read_manifest
from airflow_dirops.core.checks import at_least
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Run, Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"
UPPER = Asset("upper")


def held(**fields: Any) -> DirectoryReadOperator:
    return DirectoryReadOperator(
        **{
            "task_id": "upper",
            "source": "raw/{partition}",
            "target": "interim/{partition}",
            "read": lambda path: read_text(path).upper(),
            "codec": "text",
            "publish": "hold",
            "outlets": [UPPER],
            **fields,
        }
    )


def decided(option: str, **more: Any) -> dict[str, Any]:
    """What a HITLOperator returns."""
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": "2026-11-02T08:00:00+00:00",
        "responded_by_user": {"id": "7", "name": "ada"},
        **more,
    }


def chain(decision: dict[str, Any] | None, **fields: Any) -> DAG:
    with DAG("held", schedule=daily_partitions("0 2 * * *")) as dag:

        @task
        def ask() -> dict[str, Any] | None:
            return decision

        upper = held()
        asked = ask()
        upper >> asked
        published = PublishOperator(task_id="publish", held=upper.output, decision=asked, outlets=[UPPER], **fields)
        StagedTransformOperator(
            task_id="twice",
            source=published.output,
            target="final/{partition}",
            transform=lambda text: text * 2,
            codec="text",
        )
    return dag


@pytest.fixture
def source(root: Path) -> Path:
    write(root / "raw" / DAY, one="a", two="b")
    return root


def test_what_is_approved_is_published_once_and_read_by_the_next_stage(runs: Runs, source: Path) -> None:
    run = runs(chain(decided("Publish", params_input={"reason": "sharp"})), key=DAY)
    target = source / "interim" / DAY
    assert run.output("upper")["outcome"] == "held"
    assert run.events("upper") == []
    output = run.output("publish")
    assert (output["outcome"], output["snapshot"]) == ("committed", run.output("upper")["snapshot"])
    ((key, extra),) = run.events("publish")
    assert (key, extra["snapshot"], extra["counts"]["entries"]) == (DAY, output["snapshot"], 2)
    who = read_manifest(target).upkeep
    assert who is not None
    assert (who.user, who.reason) == ("ada", "sharp")
    assert "held.publish" in who.run
    assert values(source / "final" / DAY) == {"one": "AA", "two": "BB"}


def test_what_is_rejected_is_skipped_with_what_follows(runs: Runs, source: Path) -> None:
    run = runs(chain(decided("Reject", params_input={"reason": "blurred"})), key=DAY)
    target = source / "interim" / DAY
    assert [run.state(each) for each in ("upper", "publish", "twice")] == ["success", "skipped", "skipped"]
    assert run.events("publish") == []
    (rejected,) = list_rejections(target)
    assert (rejected.user, rejected.reason) == ("ada", "blurred")
    assert list_held(target) == []
    assert not target.exists()


def test_without_a_decision_it_is_published(runs: Runs, source: Path) -> None:
    run = runs(chain(None, reason="as every night"), key=DAY)
    assert run.output("publish")["outcome"] == "committed"
    assert read_manifest(source / "interim" / DAY).upkeep.reason == "as every night"


def test_where_nothing_is_new_nothing_is_published_and_nothing_told(runs: Runs, source: Path) -> None:
    runs(chain(None), key=DAY)
    again = runs(chain(decided("Publish")), key=DAY)
    assert again.output("upper")["outcome"] == "unchanged"
    assert again.output("publish")["outcome"] == "unchanged"
    assert again.events("publish") == []
    assert again.state("twice") == "success"


def test_what_somebody_published_at_a_shell_is_told_by_the_task(runs: Runs, source: Path) -> None:
    with DAG("shell", schedule=daily_partitions("0 2 * * *")) as dag:

        @task
        def at_a_shell(outcome: dict[str, Any]) -> None:
            publish(outcome["target"])

        upper = held()
        done = at_a_shell(upper.output)
        done >> PublishOperator(task_id="publish", held=upper.output, outlets=[UPPER])
    run = runs(dag, key=DAY)
    assert run.output("publish")["outcome"] == "committed"
    assert len(run.events("publish")) == 1


def test_a_stage_does_not_read_what_is_not_published(runs: Runs, source: Path) -> None:
    with DAG("early", schedule=daily_partitions("0 2 * * *")) as dag:
        StagedTransformOperator(
            task_id="twice",
            source=held().output,
            target="final/{partition}",
            transform=lambda text: text * 2,
            codec="text",
        )
    run = runs(dag, key=DAY)
    assert run.state("twice") == "failed"
    assert "PublishOperator" in _said(run)


def test_what_does_not_pass_is_held_for_a_person(runs: Runs, source: Path, root: Path) -> None:
    with DAG("careful", schedule=daily_partitions("0 2 * * *")) as dag:
        upper = held(check=at_least(100), publish="if_passed")
        PublishOperator(task_id="publish", held=upper.output, decision=decided("Publish"), outlets=[UPPER])
    run = runs(dag, key=DAY)
    assert run.output("upper")["outcome"] == "held"
    assert "at least 100 are expected" in run.output("upper")["reason"]
    assert (run.events("upper"), len(run.events("publish"))) == ([], 1)
    assert read_manifest(root / "interim" / DAY).snapshot == run.output("upper")["snapshot"]


def test_a_check_keeps_what_it_finds_from_everybody(runs: Runs, source: Path) -> None:
    with DAG("checked", schedule=daily_partitions("0 2 * * *")) as dag:
        held(publish="commit", check=at_least(3))
    run = runs(dag, key=DAY)
    assert run.state("upper") == "failed"
    assert run.events("upper") == []
    assert "at least 3 are expected" in _said(run)
    assert not (source / "interim" / DAY).exists()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"check": 7}, "check= must be a function"),
        ({"check": lambda snapshot: None}, "takes 1 positional"),
        ({"check": lambda snapshot, base, key: None}, "whole snapshot"),
        ({"publish": "later"}, "publish='later' is none of"),
        ({"hold_hours": -1}, "hold_hours=-1"),
    ],
)
def test_what_cannot_work_is_refused_when_the_file_is_read(fields: dict[str, Any], match: str) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match=match):
        held(**fields)


@pytest.mark.parametrize("given", [None, 7, "interim/day"])
def test_what_names_no_snapshot_is_refused_when_the_file_is_read(given: Any) -> None:
    with DAG("refused", schedule=None), pytest.raises(ArgumentRefused, match="held="):
        PublishOperator(task_id="publish", held=given)


@pytest.mark.parametrize("decision", [decided("Maybe"), {"chosen_options": ["Publish", "Reject"]}, {}, "Publish"])
def test_what_is_no_decision_decides_nothing(runs: Runs, source: Path, decision: Any) -> None:
    run = runs(chain(decision), key=DAY)
    assert run.state("publish") == "failed"
    assert len(list_held(source / "interim" / DAY)) == 1


def _said(run: Run) -> str:
    return "\n".join(str(error) for error in run.errors.values())
