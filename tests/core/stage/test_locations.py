"""Paths as people write them: ``~`` expanded, text that was meant to be replaced refused at every door, never made."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core import errors, open_snapshot, read_directory, read_manifest, upkeep
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.stage.locations import checked_path
from tests.core.conftest import Run
from tests.core.directories import values_of, write_texts
from tests.core.seed import read_text


def test_a_path_longer_than_any_is_refused_at_once() -> None:
    for path in ("/" + "{x}" * 100_000, "~" + "a/" * 3_000):
        with pytest.raises(errors.ArgumentRefused, match="longer than a path can be"):
            checked_path("source", path)


LEFT_OVER = [
    ("$DATA/raw", "environment variable"),
    ("raw/${DAY}", "environment variable"),
    ("raw/$(date)", "environment variable"),
    ("%USERPROFILE%/raw", "environment variable"),
    ("raw/{day}", "placeholder"),
    ("raw/{day:%Y}/x", "placeholder"),
    ("raw/{{ ds }}", "template"),
    ("raw/{% if x %}", "template"),
    ("raw/%Y-%m-%d", "strftime"),
    ("raw/%Y%m%d", "strftime"),
    ("s3://bucket/raw", "mount what it names"),
    (Path("s3://bucket/raw"), "mount what it names"),
    ("file:///data/raw", "mount what it names"),
    ("C:\\data\\raw", "mount what it names"),
    ("raw/None", "empty value"),
    ("None", "empty value"),
    ("raw/NaT/x", "empty value"),
    ("raw/*", "a pattern: give the directory"),
    ("raw\n", "strip"),
    (" raw", "strip"),
    ("raw/<DagRun at 0x7f3a>", "text of an object"),
    ("~nobody-of-that-name/raw", "write the path in full"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("path", "why"), LEFT_OVER, ids=str)
@pytest.mark.parametrize(
    "door",
    [
        lambda path, raw: read_directory(source=path, target="out", read=read_text, codec="text"),
        lambda path, raw: read_directory(source=path, target="out", read=read_text, codec="text", empty="skip"),
        lambda path, raw: read_directory(source=raw, target=path, read=read_text, codec="text"),
        lambda path, raw: read_directory(source=raw, target=path, read=read_text, codec="text", dry_run=True),
        lambda path, raw: open_snapshot(path),
        lambda path, raw: open_snapshot({"target": os.fspath(path), "snapshot": new_id()}),
        lambda path, raw: read_manifest(path),
        lambda path, raw: upkeep.list_snapshots(path),
        lambda path, raw: upkeep.verify(path),
        lambda path, raw: upkeep.repair(path),
        lambda path, raw: upkeep.rollback(path),
        lambda path, raw: upkeep.clean(path),
        lambda path, raw: upkeep.accept_removal(path),
    ],
)
def test_is_refused_at_every_door(
    texts: Path, here: Path, door: Callable[[Any, Path], object], path: str, why: str
) -> None:
    with pytest.raises(errors.ArgumentRefused, match=why):
        door(path, texts)
    assert sorted(os.listdir(here)) == ["texts"]


@pytest.mark.parametrize(
    "name", ["$DATA", "{day}", "%Y-%m-%d", "None", "s3:", "day*", "last\n", "{{ ds }}", "${X}", "~x"]
)
def test_a_folder_that_is_really_called_so_will_do(texts: Path, here: Path, name: str) -> None:
    texts.rename(here / name)
    (here / "outer" / name).mkdir(parents=True)
    read_directory(source=f"./{name}", target=f"outer/{name}/out", read=read_text, codec="text")
    assert len(values_of(f"outer/{name}/out")) == 3


@pytest.mark.parametrize("path", ["50%discount/x", "100%", "a$", "set{}", "10:30/x", "img-%d5", "data %", "Nonesuch/x"])
def test_ordinary_names_are_ordinary(path: str, here: Path) -> None:
    assert checked_path("source", path) == str(here / path)


@given(st.text(st.characters(categories=["L", "N"], include_characters="-_. "), min_size=1).filter(str.strip))
def test_letters_and_digits_never_stand_for_something_else(name: str) -> None:
    if name.strip() == name and not name.startswith("~") and name not in ("None", "NaT", "nan"):
        assert checked_path("target", f"/data/{name}").startswith("/data")


class TestHome:
    @pytest.fixture
    def home(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HOME", str(here / "home"))
        write_texts(here / "home/raw", a="alpha")
        return here / "home"

    def test_is_expanded_everywhere(self, home: Path, here: Path) -> None:
        made = read_directory(source="~/raw", target="~/out", read=read_text, codec="text", stage="s")
        assert made.target == str(home / "out")
        assert values_of("~/out") == values_of(made.to_dict()) == {"a": "alpha"}
        assert read_manifest("~/out").snapshot == made.snapshot
        assert upkeep.verify("~/out").is_good
        assert [kept.manifest.snapshot for kept in upkeep.list_snapshots("~/out")] == [made.snapshot]
        read_directory(source=Path("~/raw"), target="~/out", read=read_text, codec="text", stage="s", redo="all")
        upkeep.rollback("~/out")
        upkeep.clean("~/out")
        assert not (here / "~").exists()

    def test_of_another_user(self) -> None:
        me = pwd.getpwuid(os.geteuid())
        assert checked_path("source", f"~{me.pw_name}/raw") == os.path.join(me.pw_dir, "raw")


class TestTheWorkingDirectory:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("options", [{}, {"durability": "process"}, {"on_error": "quarantine"}])
    def test_may_be_changed_by_a_function(self, texts: Path, here: Path, workers: int, options: dict[str, Any]) -> None:
        def read(path: str) -> str | None:
            text = read_text(path)
            os.chdir("/")
            return text

        made = read_directory(source="texts", target="out", read=read, codec="text", workers=workers, **options)
        assert values_of(made.to_dict()) == values_of(here / "out") == {"a": "alpha", "b": "beta", "c": "gamma"}
        os.chdir(here)
        assert sorted(os.listdir(here)) == [".dirops", "out", "texts"]

    def test_that_is_gone(self, run: Run, here: Path) -> None:
        (here / "gone").mkdir()
        os.chdir(here / "gone")
        (here / "gone").rmdir()
        with pytest.raises(errors.ArgumentRefused, match="the working directory is gone"):
            run(source="texts")


def test_two_dots_go_back_as_the_system_does(texts: Path, here: Path) -> None:
    (here / "deep/er").mkdir(parents=True)
    (here / "link").symlink_to("deep/er")
    texts.rename(here / "deep/texts")
    read_directory(source="link/../texts", target="out", read=read_text, codec="text")
    assert len(values_of("out")) == 3
