"""A held snapshot on the page: in the grid, before it is decided, and in the history after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from airflow_dirops.core import publish, reject
from tests.core.directories import write_texts
from tests.web.conftest import Browser, commit

Open = Callable[..., Browser]
TARGET = "interim/texts"


def test_it_leads_from_the_grid_to_what_is_held_beside_what_is_there(browser: Open, root: Path) -> None:
    raw = write_texts(root / "raw", a="alpha", b="beta")
    there = commit(root, TARGET)
    write_texts(raw, a="changed")
    held = commit(root, TARGET, publish="hold")

    home = browser().open("")
    assert f"{TARGET} H held" in home.text
    (link,) = {link for link in home.links("snapshot") if str(held.snapshot) in link}
    page = browser().open(link)
    assert page.status == 200, page.text
    for said in ("H held", "is not published, and nobody reads it", f"dirops publish {root}/{TARGET} --snapshot="):
        assert said in page.text
    (sheet,) = {each for each in page.links("sheet") if str(held.snapshot) in each}
    (diff,) = {each for each in page.links("diff") if str(held.snapshot) in each}
    assert browser().open(sheet).html.count("<figure") == 2
    compared = browser().open(diff)
    assert "0 added 0 removed 1 changed 1 the same" in compared.text
    assert str(there.snapshot) in compared.html
    current = browser().open("snapshot", target=TARGET)
    assert f"Snapshot {str(held.snapshot)[:13]}" in current.text


def test_the_first_one_of_a_target_can_be_looked_at(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha")
    held = str(commit(root, TARGET, publish="hold").snapshot)
    for page in ("snapshot", "files", "sheet", "failures", "diff", "history", "progress"):
        opened = browser().open(page, target=TARGET, snapshot=held)
        assert opened.status == 200, (page, opened.text)
        assert "H held" in opened.text


def test_decisions_are_in_the_history(browser: Open, root: Path) -> None:
    raw = write_texts(root / "raw", a="alpha")
    commit(root, TARGET, publish="hold")
    publish(root / TARGET, reason="<b>sharp</b>")
    write_texts(raw, a="changed")
    commit(root, TARGET, publish="hold")
    reject(root / TARGET, reason="<script>blurred</script>")
    page = browser().open("history", target=TARGET)
    assert "<b>sharp</b>" in page.text
    assert "<script>blurred</script>" in page.text
    assert "<script>blurred" not in page.html
    assert "<b>sharp" not in page.html
    assert "published by" in browser().open("snapshot", target=TARGET).text


def test_what_another_dag_holds_is_not_shown(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha")
    held = str(commit(root, TARGET, dag_id="secret", publish="hold").snapshot)
    assert browser("narrow").open("snapshot", target=TARGET, snapshot=held).status == 404
    assert held not in browser("narrow").open("").html
