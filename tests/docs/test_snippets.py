"""Every Python snippet runs, and every quoted one is what the file says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import write_images
from tests.docs.markdown import CHECKOUT, Page, Snippet, page, pages
from tests.doors.airflow_runs import Runs

DAY = "2026-11-01"


@pytest.mark.parametrize("page", [page for page in pages() if [*page.python()]], ids=str)
def test_a_pages_snippets_run_one_after_the_other(page: Page, workplace: Path, capsys: pytest.CaptureFixture) -> None:
    namespace: dict[str, object] = {"__name__": "snippets"}
    for snippet in page.python():
        snippet.run(namespace)
        promised = re.findall(r"# prints (.+)$", snippet.text, re.MULTILINE)
        assert set(promised) <= set(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("snippet", [s for page in pages() for s in page.snippets if s.quoted], ids=str)
def test_a_quoted_snippet_is_what_the_file_says(snippet: Snippet) -> None:
    path, marker = (snippet.quoted or "").split()
    content = (CHECKOUT / path).read_text()
    marked = content.partition(f"# [START {marker}]\n")[2].partition(f"# [END {marker}]\n")[0]
    assert marked
    # Whoever pastes it needs another id than the example has, which Airflow may have loaded as well.
    assert snippet.text == marked.rstrip("\n").replace('DAG("example_', 'DAG("') + "\n"


def test_the_readmes_dags_do_what_it_says(root: Path, runs: Runs) -> None:
    write_images(root / "raw/images" / DAY, 12)
    images, previews = (snippet.text for snippet in page("README.md").snippets if snippet.quoted)
    first = runs.file("images", images, key=DAY)
    assert {task: first.state(task) for task in named_tasks(images)} == {
        "to_numpy": "success",
        "red_channel": "success",
    }
    second = runs.file("previews", previews, key=DAY)
    assert {task: second.state(task) for task in named_tasks(previews)} == {"wait": "success", "preview": "success"}
    assert len(list((root / "final/red_channel" / DAY).glob("*.npy"))) == 12
    assert len(list((root / "final/preview" / DAY).glob("*.png"))) == 12

    again = runs.file("images", images, key=DAY)
    assert again.output("to_numpy")["outcome"] == again.output("red_channel")["outcome"] == "unchanged"


def test_the_dags_of_the_guide_run(root: Path, runs: Runs) -> None:
    for folder in (f"raw/{DAY}", f"raw/images/{DAY}", "raw/images", f"raw/uploads/{DAY}", f"raw/told/{DAY}"):
        write_images(root / folder, 3)
    (root / "raw/uploads" / DAY / "_READY").touch()
    ran = []
    for snippet in page("docs/airflow.md").python():
        for dag_id, text in dags_in(snippet):
            run = runs.file(dag_id, snippet.text, key=None if dag_id == "decorated" else DAY)
            tasks = named_tasks(text)
            assert tasks
            ended = run.dag_run.get_task_instances()
            assert {task.task_id.rpartition(".")[2] for task in ended} == {*tasks}
            assert {task.state for task in ended} == {"success"}, dag_id
            ran.append(dag_id)
    assert ran == ["tokyo", "told", "arrays", "means", "uploads", "decorated"]
    assert len(list((root / "final/means" / DAY).glob("*.json"))) == 3


def test_the_guides_sites_run_each_by_itself(root: Path, runs: Runs) -> None:
    for site in ("berlin", "hamburg", "munich"):
        (root / "raw/sites" / site / DAY).mkdir(parents=True)
        curve = "s,bar,celsius\n0,1,20\n1,2,21\n" if site != "hamburg" else "s,bar\nno,curve\n"
        (root / "raw/sites" / site / DAY / "curve.csv").write_text(curve)
    (root / "raw/sites/of another day/2026-10-31").mkdir(parents=True)
    (sites,) = (snippet.text for snippet in page("docs/airflow.md").snippets if snippet.quoted)
    run = runs.file("sites", sites, key=DAY)
    assert run.output("list_sites") == ["berlin", "hamburg", "munich"]
    assert [run.state("each.curves", index) for index in range(3)] == ["success", "failed", "success"]
    assert sorted((root / "final/peaks").iterdir()) == [root / "final/peaks/berlin", root / "final/peaks/munich"]
    assert run.task("each.peaks", 2).rendered_map_index == f"munich, {DAY}"


def dags_in(snippet: Snippet) -> list[tuple[str, str]]:
    """Each DAG's id, and the text from there to the next."""
    starts = [*re.finditer(r'DAG\(\s*"(\w+)"', snippet.text)]
    ends = [*(found.start() for found in starts[1:]), len(snippet.text)]
    return [(found[1], snippet.text[found.start() : end]) for found, end in zip(starts, ends, strict=True)]


def named_tasks(text: str) -> list[str]:
    return re.findall(r'task_id="(\w+)"', text) + re.findall(r"@task(?:\.\w+\(.*\))?\n +def (\w+)", text)


def test_the_codec_of_the_guide_passes_the_suite_and_the_flawed_one_does_not(tmp_path: Path) -> None:
    classes = "\n".join(each.text for each in page("docs/functions.md").python() if "\nclass " in f"\n{each.text}")
    head, _, _ = classes.partition("\ndef middle")
    _, _, rest = classes.partition('source_codec=PointCodec(), codec="json")\n')
    framed = f"{head}\n{rest}"
    assert run_suite(tmp_path, framed) == 0
    assert run_suite(tmp_path, framed.replace("return FramedPointCodec()", "return PointCodec()")) == 1


def run_suite(folder: Path, text: str) -> int:
    path = folder / "test_documented.py"
    path.write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        folder,
        path,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
