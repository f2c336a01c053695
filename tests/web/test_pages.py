"""What each page shows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from airflow_dirops.core import Attempt, LogicalRun, accept_failures, errors, transform_directory
from tests.core.directories import write_texts
from tests.web.conftest import BASE, Browser, commit

Open = Callable[..., Browser]


def read_picture(path: str) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def images(root: Path) -> Path:
    """Two pictures, and one that is cut off, which is in quarantine."""
    raw = root / "raw/images/2026-11-01"
    raw.mkdir(parents=True)
    for name in ("a", "b", "cut"):
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)).save(raw / f"{name}.png")
    (raw / "cut.png").write_bytes((raw / "cut.png").read_bytes()[:5000])
    commit(
        root, "interim/2026-11-01", source="raw/images/2026-11-01", read=read_picture, codec="npy",
        on_error="quarantine", partition="2026-11-01",
    )  # fmt: skip
    return root / "interim/2026-11-01"


def test_the_grid_says_of_each_partition_what_it_is(browser: Open, images: Path, root: Path) -> None:
    (root / "raw/images/2026-11-02").mkdir()
    page = browser().open("")
    assert page.status == 200
    assert "1 absent" in page.text
    assert "1 quarantined" in page.text
    assert 'aria-label="2026-11-01: quarantined">Q<' in page.html
    assert 'aria-label="2026-11-02: absent">–<' in page.html
    (link,) = page.links("failures")[:1]
    assert browser().open(link).status == 200


def test_the_grid_has_only_what_one_may_read(browser: Open, root: Path) -> None:
    for day in ("2026-11-01", "2026-11-02"):
        write_texts(root / "raw" / day, a="a")
        commit(root, f"mine/{day}", source=f"raw/{day}", partition=day, dag_id="images")
        commit(root, f"theirs/{day}", source=f"raw/{day}", partition=day, dag_id="payroll")
    page = browser("narrow").open("")
    assert "images.read" in page.text
    assert "payroll" not in page.html
    assert "theirs" not in page.html
    assert "payroll.read" in browser("viewer").open("").text


def test_from_a_square_to_the_traceback_and_the_picture_in_two_clicks(browser: Open, images: Path) -> None:
    someone = browser()
    (first,) = set(someone.open("").links("failures"))
    (second,) = someone.open(first).links("failure")
    page = someone.open(second)
    assert "OSError" in page.text
    assert "read_picture" in page.text
    assert page.html.count("data:image/png;base64,") == 1


def test_a_contact_sheet_has_a_picture_of_each_file(browser: Open, images: Path) -> None:
    page = browser().open("sheet", target="interim/2026-11-01")
    assert page.html.count("data:image/png;base64,") == 2
    assert "64×64×3 uint8" in page.text
    page = browser().open("file", target="interim/2026-11-01", path="a.npy")
    assert "a.png" in page.text
    assert page.html.count("data:image/png;base64,") == 1


def test_what_failed_in_a_try_that_committed_nothing_is_there_too(browser: Open, images: Path, root: Path) -> None:
    day = root / "raw/images/2026-11-02"
    day.mkdir()
    (day / "bad.png").write_bytes((images.parents[1] / "raw/images/2026-11-01/cut.png").read_bytes())
    with pytest.raises(errors.RecordFailed):
        commit(
            root, "interim/2026-11-02", source="raw/images/2026-11-02", read=read_picture, codec="npy",
            partition="2026-11-02",
        )  # fmt: skip
    assert 'aria-label="2026-11-02: failed">×<' in browser().open("").html
    for name in ("admin", "narrow"):
        page = browser(name).open("failures", target="interim/2026-11-02")
        assert page.status == 200, page.text
        (link,) = page.links("failure")
        page = browser(name).open(link)
        assert "OSError" in page.text
        assert page.html.count("data:image/png;base64,") == 1


def test_history_has_who_replaced_whom(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="a")
    first = commit(root, "texts")
    write_texts(root / "raw", b="b")
    second = commit(root, "texts")
    page = browser().open("history", target="texts")
    assert page.text.index(str(second.snapshot)) < page.text.index(str(first.snapshot))
    page.open("snapshot", target="texts", snapshot=str(first.snapshot))
    assert "1 files" in page.text


def test_only_who_may_start_a_run_is_offered_to(browser: Open, images: Path) -> None:
    for page in ("snapshot", ""):
        assert "data-trigger" in browser().open(page, target="interim/2026-11-01").html
        assert "data-trigger" not in browser("viewer").open(page, target="interim/2026-11-01").html


def test_where_the_files_are_not_to_be_seen_it_says_so_and_asks_airflow(
    browser: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DIROPS__ROOT", "/mnt/of-the-workers")
    assert "does not see /mnt/of-the-workers" in browser().open("").text
    run = {"dag_id": "images", "run_id": "manual__1", "task_id": "read"}
    page = browser().open("snapshot", target="interim/2026-11-01", **run)
    assert page.status == 404
    assert "does not see '/mnt/of-the-workers'" in page.text
    assert 'data-dag="images" data-id="manual__1" data-task="read"' in page.html


@pytest.mark.parametrize("page", ["", "snapshot", "files", "sheet", "failures", "history"])
def test_a_snapshot_that_goes_away_is_no_internal_error(page: str, browser: Open, images: Path) -> None:
    os.rename(images, images.parent / "elsewhere")
    assert browser().open(page, target="interim/2026-11-01").status in (200, 404)


def test_a_trace_leads_to_the_raw_file_and_back_with_pictures(browser: Open, images: Path, root: Path) -> None:
    transform_directory(
        source=images, target=root / "final/2026-11-01", transform=lambda image: image[:, :, 0], durability="process",
        stage="images.red", attempt=Attempt(run=LogicalRun(dag_id="images", run_id="manual__1", task_id="red")),
    )  # fmt: skip
    someone = browser()
    page = someone.open("file", target="final/2026-11-01", path="a.npy")
    back, forward = page.links("trace")
    page = someone.open(back)
    assert page.text.index("final/2026-11-01/a.npy") < page.text.index("interim/2026-11-01/a.npy")
    assert "raw/images/2026-11-01/a.png" in page.text
    assert page.html.count("data:image/png;base64,") == 3
    page = someone.open("trace", target="interim/2026-11-01", path="a.npy", list="forward")
    assert "final/2026-11-01/a.npy" in page.text
    assert someone.open(forward).status == 200


def test_a_trace_ends_where_one_may_not_read(browser: Open, images: Path, root: Path) -> None:
    transform_directory(
        source=images, target=root / "theirs", transform=lambda image: image[:, :, 0], durability="process",
        stage="payroll.red", attempt=Attempt(run=LogicalRun(dag_id="payroll", run_id="manual__1", task_id="red")),
    )  # fmt: skip
    forward = {"target": "interim/2026-11-01", "path": "a.npy", "list": "forward"}
    page = browser("narrow").open("trace", **forward)
    assert "a file of a DAG that you may not read" in page.text
    assert "payroll" not in page.html
    assert "theirs" not in page.html
    assert "theirs/a.npy" in browser().open("trace", **forward).text


def test_a_diff_shows_what_changed_side_by_side(browser: Open, images: Path, root: Path) -> None:
    raw = root / "raw/images/2026-11-01"
    with Image.open(raw / "a.png") as image:
        pixels = np.asarray(image).copy()
    pixels[:8] = 255 - pixels[:8]
    Image.fromarray(pixels).save(raw / "a.png")
    (raw / "b.png").rename(raw / "c.png")
    commit(
        root, "interim/2026-11-01", source="raw/images/2026-11-01", read=read_picture, codec="npy",
        on_error="quarantine", partition="2026-11-01",
    )  # fmt: skip
    page = browser().open("diff", target="interim/2026-11-01")
    assert "1 added 1 removed 1 changed" in page.text
    assert page.html.count("data:image/png;base64,") == 3
    assert "of 12,288 elements differ, by at most" in page.text
    (first, *_) = page.links("snapshot")
    assert page.open(first).status == 200


def test_a_diff_is_only_between_what_one_may_read(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha")
    commit(root, "theirs", dag_id="payroll")
    commit(root, "mine")
    assert "replaced none" in browser().open("diff", target="mine").text
    assert "The same files are in both" in browser().open("diff", target="mine", other="theirs").text
    for other in ("theirs", "../outside", "nowhere"):
        assert browser("narrow").open("diff", target="mine", other=other).status == 404


def test_progress_has_who_is_at_work_and_who_died(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha", b="beta")
    seen: list[Browser] = []

    def read(path: str) -> str:
        if path.endswith("b.txt"):
            seen.append(browser("narrow").open("progress", target="texts"))
            raise ValueError("for the test")
        return path

    with pytest.raises(errors.RecordFailed):
        commit(root, "texts", read=read)
    assert seen[0].status == 200, seen[0].text
    assert "at work" in seen[0].text
    assert "1 of 2" in seen[0].text
    assert "dead" in browser("narrow").open("progress", target="texts").text


@pytest.mark.parametrize("base", [BASE, ""], ids=["kept", "taken away"])
def test_it_works_behind_a_base_path_which_a_proxy_keeps_or_takes_away(base: str, browser: Open, images: Path) -> None:
    client = browser().client
    for page in ("", "snapshot?target=interim/2026-11-01", "static/page.css"):
        assert client.get(f"{base}/dirops/{page}").status_code == 200


def test_airflow_takes_the_plugin_as_it_is(browser: Open) -> None:
    """One destination that this version does not know, and it would take all of it out of its web UI."""
    answer = browser().client.get(f"{BASE}/api/v2/plugins").json()
    (ours,) = (plugin for plugin in answer["plugins"] if plugin["name"] == "airflow_dirops")
    assert [(view["name"], view["href"], view["destination"]) for view in ours["external_views"]] == [
        ("Targets", "dirops/", "nav"),
        ("Targets", "dirops/run?dag_id={DAG_ID}&run_id={RUN_ID}", "dag_run"),
    ]
    assert [app["url_prefix"] for app in ours["fastapi_apps"]] == ["/dirops"]
    assert browser().client.get(f"{BASE}/api/v2/plugins/importErrors").json()["total_entries"] == 0


def test_where_a_look_takes_long_people_get_the_one_before_meanwhile(
    browser: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_dirops.web import table  # Airflow warns while it is imported

    monkeypatch.setattr(table, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(table, "_KEPT_SECONDS", 0.0)
    write_texts(root / "raw", a="a")
    commit(root, "first")
    assert "first" in browser().open("").text
    commit(root, "second")
    time.sleep(0.5)  # then the look is old
    assert "second" not in browser().open("").text
    deadline = time.monotonic() + 30
    while "second" not in browser().open("").text:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_a_person_decided_about_a_failure_is_told(browser: Open, images: Path, root: Path) -> None:
    advised = browser().open("failure", target="interim/2026-11-01", path="cut.png").text
    assert f"dirops failures {images} cut.png --accept REASON" in advised
    accept_failures(images, ["cut.png"], reason="the camera was <off>")
    assert "accepted as skipped" in browser().open("failures", target="interim/2026-11-01").text
    commit(
        root, "interim/2026-11-01", source="raw/images/2026-11-01", read=read_picture, codec="npy",
        on_error="quarantine", partition="2026-11-01",
    )  # fmt: skip
    page = browser().open("files", target="interim/2026-11-01", list="skipped")
    assert "let it be skipped: the camera was <off>" in page.text
    assert "2026-11-01: whole" in browser().open("").html


def test_a_command_to_type_has_each_name_as_it_is(browser: Open, root: Path) -> None:
    raw = root / "raw"
    raw.mkdir()
    (raw / "a; rm -rf $HOME.txt").write_text("bad")
    (raw / "b.txt").write_text("good")

    def read(path: str) -> str:
        if "rm" in path:
            raise ValueError("bad")
        return path

    commit(root, "texts", read=read, on_error="quarantine")
    page = browser().open("failure", target="texts", path="a; rm -rf $HOME.txt")
    assert "'a; rm -rf $HOME.txt' --accept REASON" in page.text
