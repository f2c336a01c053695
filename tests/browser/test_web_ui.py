"""What a user of Airflow's web UI sees of the package. Only text is asserted; the screenshots are for the docs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_dirops
from airflow_dirops import dirops_params
from airflow_dirops.calendar.form import DRY_RUN
from airflow_dirops.core import read_manifest
from demo.cluster import Cluster, ClusterError
from demo.raw import DAYS, IMAGES
from demo.runs import Run, follow, trigger

if TYPE_CHECKING:
    from tests.browser.visitor import Visitor


def page_of(run: Run, *task: str) -> tuple[str, ...]:
    return ("dags", run["dag_id"], "runs", run["dag_run_id"], *(("tasks", *task) if task else ()))


def test_the_trigger_form_asks_for_a_day_and_its_run_commits_that_day(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    day = DAYS[0]
    visitor.enlarge_window(height=1300)
    visitor.open("dags", "example_images")
    visitor.press("Trigger Dag")
    for field in dirops_params().values():
        visitor.sees(field.schema["title"], field.description)
    form = visitor.dialog.inner_text()
    assert "As the DAG says" in form
    assert "null" not in form
    assert "*" not in form  # nothing has to be filled in

    visitor.fill("partition", day)
    visitor.shoot("trigger-form", visitor.dialog)
    visitor.press("Trigger")
    visitor.page.wait_for_url("**/runs/*")  # the form leads to the run it has started
    (run,) = cluster.api.get("dags", "example_images", "dagRuns", order_by="-id", limit=1)["dag_runs"]
    visitor.sees(f"{run['dag_run_id']} Success")
    assert read_manifest(data / "final/red_channel" / day).partition == day


def test_the_form_of_a_dag_for_months_takes_a_month_and_nothing_that_is_none(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    raw = data / "raw/months/2026/10"
    raw.mkdir(parents=True)
    (raw / "one.txt").write_text("one")
    visitor.enlarge_window(height=1300)
    visitor.open("dags", "months")
    visitor.press("Trigger Dag")
    visitor.sees("such as 2026/11, or a date in it")
    visitor.fill("partition", "2026/1")
    visitor.press("Trigger")
    visitor.sees("Invalid input for param partition: '2026/1' does not match")
    visitor.shoot("trigger-form-refused")
    assert cluster.api.get("dags", "months", "dagRuns")["dag_runs"] == []

    visitor.open("dags", "months")  # what says so lies above the button
    visitor.press("Trigger Dag")
    visitor.fill("partition", "2026-10-31")
    visitor.press("Trigger")
    visitor.page.wait_for_url("**/runs/*")
    (run,) = cluster.api.get("dags", "months", "dagRuns")["dag_runs"]
    visitor.sees(f"{run['dag_run_id']} Success")
    assert read_manifest(data / "interim/months/2026/10").partition == "2026/10"


def test_the_grid_leads_to_runs_and_their_tasks(visitor: Visitor, run: Run) -> None:
    visitor.open("dags", "example_images")
    visitor.widen_grid()
    for task_id in ("red_channel", "to_numpy"):  # from below: a cell's tooltip covers what lies under it
        visitor.page.get_by_test_id(f"grid-{run['dag_run_id']}-{task_id}").click()
        visitor.sees(f"{task_id} Success")
    visitor.open(*page_of(run))
    visitor.sees(f"{run['dag_run_id']} Success", "Partition Key", run["partition_key"], "2 Task Instances")
    visitor.shoot("grid")


def test_a_dry_run_on_defaults_says_which_day_it_planned_and_that_it_wrote_nothing(
    visitor: Visitor, cluster: Cluster
) -> None:
    run = trigger(cluster, "example_images", conf={"dry_run": True})
    follow(cluster, [run])
    visitor.open(*page_of(run))
    visitor.sees(f"Partition Key {DAYS[-1]}", DRY_RUN, f"{DAYS[-1]} (dry run) Skipped")
    visitor.open(*page_of(run, "to_numpy"))
    visitor.sees(f"{DRY_RUN}.")


def test_a_stage_in_shards_is_a_group_whose_shards_have_names(visitor: Visitor, cluster: Cluster) -> None:
    run = trigger(cluster, "example_shards", partition_key=DAYS[0])
    follow(cluster, [run])
    visitor.open(*page_of(run))
    visitor.sees(f"{run['dag_run_id']} Success", "to_numpy.commit", "shard 7: ")
    visitor.open(*page_of(run, "to_numpy.shard", "mapped"))
    visitor.sees("shard 0: ", "shard 7: ")
    visitor.shoot("shards")


def test_the_dag_says_what_it_is_for(visitor: Visitor) -> None:
    visitor.open("dags", "example_images")
    visitor.press("Dag Docs")
    visitor.sees("Photographs, a folder for each day: to NumPy arrays, then to their red channel.")


def test_rendered_templates_are_the_real_paths(visitor: Visitor, run: Run, data: Path) -> None:
    day = run["partition_key"]
    visitor.open(*page_of(run, "to_numpy", "rendered_templates"))
    visitor.sees(f"source 1 {data}/raw/images/{day}", f"target 1 {data}/interim/to_numpy/{day}", f"partition 1 {day}")
    visitor.shoot("rendered")


def test_the_xcom_says_what_was_committed(visitor: Visitor, run: Run, data: Path) -> None:
    target = data / "interim/to_numpy" / run["partition_key"]
    visitor.open(*page_of(run, "to_numpy", "xcom"))
    visitor.press("Expand all extra JSON")
    visitor.sees(
        f'"target": "{target}"',
        f'"snapshot": "{read_manifest(target).snapshot}"',
        f'"counts": {{"inputs": {IMAGES + 2}, "entries": {IMAGES}, "skipped": 1, "quarantined": 1',
    )
    visitor.shoot("xcom")


def test_the_log_tells_in_words_what_was_read_and_written(visitor: Visitor, run: Run, data: Path) -> None:
    day = run["partition_key"]
    source, target = data / "interim/to_numpy" / day, data / "final/red_channel" / day
    visitor.open(*page_of(run, "red_channel"))
    visitor.sees(
        f"from {source} at snapshot {read_manifest(source).snapshot} to {target}, partition {day}",
        f"{IMAGES} inputs, {IMAGES} entries, {IMAGES} computed",
    )


def test_a_failure_says_in_the_log_how_many_failed_and_what_to_run_and_the_form_lets_them_through(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    day = "2026-11-01"
    source, target = data / "raw/images" / day, data / "interim/to_numpy" / day
    source.mkdir()
    whole = (data / "raw/images" / DAYS[0] / "img_000001.png").read_bytes()
    for number in range(10):
        (source / f"img_{number:06}.png").write_bytes(whole[:1000] if number < 3 else whole)
    run = trigger(cluster, "example_images", partition_key=day)
    with pytest.raises(ClusterError):
        follow(cluster, [run])
    visitor.enlarge_window(height=1240)
    visitor.open(*page_of(run, "to_numpy"))
    visitor.sees("3 of 10 inputs of stage example_images.to_numpy failed", f"dirops failures {target}", "3 × OSError")
    visitor.shoot_top("first-failure", height=716)  # what is below is the traceback

    follow(cluster, [trigger(cluster, "example_images", conf={"partition": day, "max_failures": "3"})])
    assert read_manifest(target).counts.quarantined == 3


def test_an_asset_event_names_the_snapshot(visitor: Visitor, cluster: Cluster, data: Path) -> None:
    day = DAYS[0]
    source = data / "raw/days" / day
    source.mkdir(parents=True)
    (source / "word.txt").write_text("noon")
    follow(cluster, [trigger(cluster, "days", partition_key=day)])

    visitor.open("assets")
    visitor.page.get_by_role("link", name="upper", exact=True).click()
    visitor.sees("Asset Event", f"Partition Key: {day}")
    visitor.unfold()
    snapshot = read_manifest(data / "interim/days" / day).snapshot
    visitor.sees(f'"snapshot": "{snapshot}"')
    visitor.shoot("asset-event")

    events = cluster.api.get("assets/events")["asset_events"]
    (page,) = [event["extra"]["page"] for event in events if event["extra"].get("snapshot") == snapshot]
    visitor.sees(f'"page": "{page}"')
    visitor.page.goto(page)
    visitor.sees_inside(f"interim/days/{day}", snapshot)


def test_the_asset_of_a_target_lists_what_was_committed_at_the_end_of_a_chain(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    day = DAYS[0]
    raw = data / "raw/counts" / day
    raw.mkdir(parents=True)
    (raw / "one.json").write_text("[1, 2, -1]")
    follow(cluster, [trigger(cluster, "counts", partition_key=day)])
    cluster.wait("the end of the chain", lambda: cluster.api.get("dags", "totals", "dagRuns")["dag_runs"])
    follow(cluster, cluster.api.get("dags", "totals", "dagRuns")["dag_runs"])

    visitor.enlarge_window(height=900)
    visitor.open("assets")
    visitor.page.get_by_role("link", name="final/totals/{partition}", exact=True).click()
    visitor.sees("1 Asset Event", f"Partition Key: {day}")
    visitor.unfold()
    visitor.sees(f'"snapshot": "{read_manifest(data / "final/totals" / day).snapshot}"')
    visitor.shoot("target-asset")


def test_the_page_of_a_task_says_how_far_it_came(visitor: Visitor, run: Run, data: Path) -> None:
    visitor.open(*page_of(run, "to_numpy", "task-state-store"))
    snapshot = read_manifest(data / "interim/to_numpy" / run["partition_key"]).snapshot
    visitor.sees("dirops_progress", '"state": "committed"', f'"snapshot": "{snapshot}"', f'"total": {IMAGES + 2}')
    visitor.shoot("task-state")


def test_the_form_of_a_connection_asks_for_the_path_of_a_root(visitor: Visitor, data: Path) -> None:
    visitor.enlarge_window(height=900)
    visitor.open("connections")
    visitor.press("Add Connection")
    visitor.dialog.locator("[name=connection_id]").fill("archive")
    visitor.choose("Directory root")
    assert "Login" not in visitor.dialog.inner_text()
    visitor.press("Extra Fields")
    visitor.sees("The absolute path, as workers see it, that relative paths in DAGs are below.")
    visitor.fill("path", str(data))
    visitor.shoot("connection-form", visitor.dialog)
    visitor.press("Save")
    visitor.sees("archive dirops_root")


def test_the_list_of_providers_has_the_package(visitor: Visitor) -> None:
    visitor.open("providers")
    visitor.sees(f"airflow-dirops {airflow_dirops.__version__} A folder in, a folder out")


def test_a_refused_removal_says_which_switch_lets_it_through_once_and_the_next_run_is_guarded_again(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    day = "2026-11-02"
    source, target = data / "raw/days" / day, data / "interim/days" / day
    source.mkdir(parents=True)
    for number in range(60):
        (source / f"{number}.txt").write_text("noon")
    follow(cluster, [trigger(cluster, "days", partition_key=day)])
    refused = run_without(range(40), source, cluster, day)
    visitor.open(*page_of(refused, "upper"))
    visitor.sees("TooManyRemoved: 40 of the 60", f"for '{day}', with 'Accept removals' on in the form")
    assert read_manifest(target).counts.entries == 60

    visitor.enlarge_window(height=1300)
    visitor.open("dags", "days")
    visitor.press("Trigger Dag")
    visitor.fill("partition", day)
    visitor.switch_on("accept_removal")
    visitor.press("Trigger")
    visitor.page.wait_for_url("**/runs/*")
    (run,) = cluster.api.get("dags", "days", "dagRuns", order_by="-id", limit=1)["dag_runs"]
    follow(cluster, [run])
    assert read_manifest(target).counts.entries == 20
    visitor.open(*page_of(run, "upper"))
    visitor.sees("40 of 60 results would go; max_removed='100%' allows that")

    again = run_without(range(40, 55), source, cluster, day)
    visitor.open(*page_of(again, "upper"))
    visitor.sees("TooManyRemoved: 15 of the 20")
    assert read_manifest(target).counts.entries == 20


def run_without(numbers: range, source: Path, cluster: Cluster, day: str) -> Run:
    """Remove some of the raw files, and have a run that fails."""
    for number in numbers:
        (source / f"{number}.txt").unlink()
    run = trigger(cluster, "days", partition_key=day)
    with pytest.raises(ClusterError):
        follow(cluster, [run])
    return run
