"""The page in Airflow's web UI, clicked through part by part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core import read_manifest
from demo.cluster import Cluster
from demo.raw import DAYS, IMAGES
from demo.runs import Run, follow, trigger
from tests.browser.test_web_ui import page_of

if TYPE_CHECKING:
    from tests.browser.visitor import Visitor

DAY = DAYS[1]
FRAME = ("plugin", "dirops", "dirops")


@pytest.fixture(scope="session")
def curves(cluster: Cluster) -> Run:
    """A run of the DAG ``example_curves`` that has ended well."""
    run = trigger(cluster, "example_curves", partition_key=DAY)
    follow(cluster, [run])
    return run


def test_from_a_task_its_button_leads_to_what_it_committed(visitor: Visitor, run: Run, data: Path) -> None:
    visitor.open(*page_of(run, "to_numpy", "details"))
    visitor.page.get_by_role("link", name="Snapshot", exact=True).click()
    visitor.sees_inside(
        f"interim/to_numpy/{run['partition_key']}",
        f"{IMAGES} files",
        read_manifest(data / "interim/to_numpy" / run["partition_key"]).snapshot,
    )
    visitor.follow("example_images.to_numpy", within="dl")  # and back, out of the frame
    visitor.page.wait_for_url("**/dags/example_images/runs/*/tasks/to_numpy")
    visitor.sees("to_numpy Success")


def test_a_run_has_a_tab_with_the_targets_of_its_stages(visitor: Visitor, run: Run) -> None:
    day = run["partition_key"]
    visitor.open("dags", run["dag_id"], "runs", run["dag_run_id"])
    visitor.page.get_by_role("link", name="Targets", exact=True).click()
    visitor.counts_inside("tbody tr", 2)
    visitor.sees_inside("to_numpy", f"interim/to_numpy/{day}", "committed", "red_channel", f"final/red_channel/{day}")
    visitor.shoot("page-run")
    visitor.follow(f"final/red_channel/{day}")
    visitor.sees_inside("Contact sheet", "red_channel")


def test_the_navigation_leads_to_the_grid_and_a_square_to_the_traceback_and_the_picture_in_two_clicks(
    visitor: Visitor, run: Run, curves: Run, cluster: Cluster
) -> None:
    visitor.open()
    visitor.page.get_by_role("button", name="Browse").click()
    visitor.page.get_by_role("menuitem", name="Targets").click()
    visitor.sees_inside("example_images.to_numpy", "quarantined: some inputs failed")
    visitor.shoot("page-grid")
    visitor.follow(f"{DAY}: quarantined", within="tr[data-dag=example_images]")
    visitor.sees_inside("image file is truncated")
    visitor.follow("img_000000_cut_short.png", within="table")
    visitor.sees_inside("Traceback (most recent call last)", "in read_image")
    visitor.sees_pictures_inside("img[alt='img_000000_cut_short.png']", 1)
    visitor.shoot("page-failure")

    before = len(cluster.api.get("dags", "example_images", "dagRuns")["dag_runs"])
    visitor.inside.get_by_role("button", name=f"Run {DAY} again").click()
    visitor.follow("Started a run")
    visitor.page.wait_for_url("**/dags/example_images/runs/*")
    (newest, *others) = cluster.api.get("dags", "example_images", "dagRuns", order_by="-id")["dag_runs"]
    assert len(others) == before
    follow(cluster, [newest])
    assert newest["conf"] == {"partition": DAY}


def test_a_contact_sheet_has_pictures_and_curves_and_files_can_be_searched(
    visitor: Visitor, run: Run, curves: Run
) -> None:
    visitor.open(*FRAME, f"sheet?target=interim/to_numpy/{run['partition_key']}")
    visitor.sees_inside("256×256×3 uint8")
    visitor.sees_pictures_inside("figure img", 24)
    visitor.shoot("page-sheet")
    visitor.open(*FRAME, f"sheet?target=interim/curves/{DAY}")
    visitor.sees_inside("600×3 float64")
    visitor.counts_inside("figure >> nth=0 >> svg path", 3)
    visitor.shoot("page-curves")
    visitor.follow("Files")
    visitor.search("CYCLE_0007")
    visitor.counts_inside("tbody tr", 1)
    visitor.sees_inside("cycle_0007.npy")


def test_a_file_is_traced_to_the_raw_file_and_on(visitor: Visitor, run: Run) -> None:
    day = run["partition_key"]
    visitor.open(*FRAME, f"file?target=final/red_channel/{day}&path=img_000001.npy")
    visitor.follow("Where it comes from")
    visitor.sees_inside(f"raw/images/{day}/img_000001.png")
    visitor.sees_pictures_inside(".chain img", 3)
    visitor.shoot("page-trace")
    visitor.follow(f"interim/to_numpy/{day}/img_000001.npy")
    visitor.follow("What became of it")
    visitor.sees_inside(f"final/red_channel/{day}/img_000001.npy")


def test_a_diff_has_what_changed_beside_what_it_was_and_history_both(
    visitor: Visitor, cluster: Cluster, data: Path
) -> None:
    day = "2026-11-03"
    source, other = data / "raw/images" / day, data / "raw/images" / DAYS[0]
    source.mkdir()
    for name in ("img_000001.png", "img_000002.png", "img_000003.png"):
        (source / name).write_bytes((other / name).read_bytes())
    follow(cluster, [trigger(cluster, "example_images", partition_key=day)])
    first = read_manifest(data / "interim/to_numpy" / day).snapshot
    (source / "img_000002.png").write_bytes((other / "img_000004.png").read_bytes())
    (source / "img_000003.png").unlink()
    follow(cluster, [trigger(cluster, "example_images", partition_key=day)])

    visitor.enlarge_window(height=860)
    visitor.open(*FRAME, f"diff?target=interim/to_numpy/{day}")
    visitor.sees_inside("0 added", "1 removed", "1 changed", "of 196,608 elements differ")
    visitor.sees_pictures_inside("figure img", 3)
    visitor.shoot("page-diff")
    visitor.follow("History")
    visitor.sees_inside(first, "current")
    visitor.follow("Progress")
    visitor.sees_inside("Nobody is at work here", "No run of it is at work now.")


def test_it_is_dark_where_airflow_is_and_goes_without_a_mouse(visitor: Visitor, run: Run) -> None:
    visitor.page.emulate_media(color_scheme="dark")
    visitor.open()
    visitor.page.evaluate("localStorage.setItem('theme', 'dark')")
    visitor.open(*FRAME, f"snapshot?target=interim/to_numpy/{run['partition_key']}")
    visitor.sees_inside("Where it comes from")
    assert visitor.inside.locator("html").evaluate("document.documentElement.dataset.theme") == "dark"
    paper = visitor.inside.locator("html").evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(24, 24, 27)"

    visitor.inside.locator("body").focus()
    reached = set()
    for _ in range(30):  # it begins in Airflow around the frame
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.inside.locator("html").evaluate("document.activeElement.textContent.trim()"))
    assert {"Skip to the content", "Targets", "Contact sheet"} <= reached
    visitor.inside.get_by_role("link", name="Contact sheet").focus()
    with visitor.leaving():
        visitor.page.keyboard.press("Enter")
    visitor.sees_inside("256×256×3 uint8")


def test_it_asks_nobody_else_and_breaks_no_policy(visitor: Visitor, run: Run) -> None:
    asked, broken = [], []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    for page in ("", f"sheet?target=interim/to_numpy/{run['partition_key']}"):
        visitor.page.goto(f"{visitor.url}/dirops/{page}")  # by itself, without Airflow's frame
        visitor.page.wait_for_load_state("networkidle")
    assert not [url for url in asked if not url.startswith((visitor.url, "data:"))]
    assert not broken
