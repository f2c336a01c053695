"""What somebody else did to the files of an attempt while it was at work is found before anything is published."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from airflow_dirops.core.staging.journal import Journal, JournalLine
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, nothing_lost, orphans_of, values_of, write_texts
from tests.core.seed import read_text

Disturb = Callable[[Path], None]


def add_entry(tree: Path) -> None:
    (tree / "stray.txt").write_text("nobody's")


def add_hidden(tree: Path) -> None:
    (tree / ".DS_Store").write_text("nobody's")


def add_below(tree: Path) -> None:
    write_texts(tree / "deep/er", stray="nobody's")


def add_link(tree: Path) -> None:
    (tree / "stray.txt").symlink_to("/etc/hostname")


def add_fifo(tree: Path) -> None:
    os.mkfifo(tree / "stray.txt")


def add_list(tree: Path) -> None:
    write_texts(tree / "_dirops", files="{}")


def add_link_for_lists(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "_dirops").symlink_to("elsewhere")


def alter_carried(tree: Path) -> None:
    (tree / "b.txt").unlink()
    (tree / "b.txt").write_text("BETA")


def remove_carried(tree: Path) -> None:
    (tree / "b.txt").unlink()


def put_a_copy_in_its_place(tree: Path) -> None:
    tree.rename(tree.with_name("moved"))
    shutil.copytree(tree.with_name("moved"), tree)


def remove_all(tree: Path) -> None:
    shutil.rmtree(tree)


def swap_one_for_another(tree: Path) -> None:
    (tree / "b.txt").rename(tree / "stray.txt")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("durability", ["full", "process"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "disturb",
    [
        add_entry,
        add_hidden,
        add_below,
        add_link,
        add_fifo,
        add_list,
        add_link_for_lists,
        alter_carried,
        remove_carried,
        put_a_copy_in_its_place,
        remove_all,
        swap_one_for_another,
    ],
)
def test_a_disturbed_tree_is_not_published(
    run: Run, texts: Path, target: Path, disturb: Disturb, workers: int, durability: Any
) -> None:
    options: dict[str, Any] = {"version": "1", "durability": durability}
    run(**options)
    write_texts(texts, d="delta")

    def read(path: str) -> str:
        (attempt,) = (control_of(target) / "attempts").iterdir()
        while (attempt / "journal.jsonl").read_bytes().count(b"\n") < 3:
            pass
        disturb(attempt / "tree")
        return Path(path).read_text()

    with nothing_lost(target), pytest.raises(errors.TransientError) as caught:
        run(read=read, workers=workers, **options)
    if disturb is not remove_all:  # nothing can be written there, and the file system says so first
        assert isinstance(caught.value, errors.StagingChanged)
        assert "find what cleans up or writes there, then try again" in str(caught.value)
    # As the message says, once nobody writes there.
    assert run(**options).outcome == "committed"
    assert_whole(target)
    assert values_of(target) == {"a": "alpha", "b": "beta", "c": "gamma", "d": "delta"}
    assert orphans_of(target) == []


def test_says_what_is_not_its_own(run: Run, target: Path) -> None:
    def read(path: str) -> str:
        (attempt,) = (control_of(target) / "attempts").iterdir()
        for number in range(9):
            (attempt / f"tree/stray{number}").touch()
        return Path(path).read_text()

    with pytest.raises(errors.StagingChanged, match=r"12 files, and 3 .* make 'stray0', .* and 4 more[.]"):
        run(read=read)


def test_an_aggregate_publishes_nothing_else_either(run: Run, target: Path) -> None:
    run()
    total = target.with_name("total")

    def aggregate(records: Any) -> str:
        (attempt,) = (control_of(total) / "attempts").iterdir()
        add_entry(attempt / "tree")
        return "".join(record.value for record in records)

    options: dict[str, Any] = {"source": target, "target": total, "codec": "text", "stage": "total"}
    with pytest.raises(errors.StagingChanged, match=r"stray\.txt"):
        transform_directory(aggregate=aggregate, **options)
    assert not total.exists()


def test_files_of_the_base_that_were_touched_are_compared_by_digest(run: Run, texts: Path, target: Path) -> None:
    """A copied target has files that are newer than its header; they are what it says, so they are kept."""
    run()
    os.utime(target / "b.txt")
    write_texts(texts, d="delta")
    assert run().counts["carried"] == 3
    assert_whole(target)


def end_at_a_block(run: Path) -> None:
    """As by something that cuts long files off: what is left can be read."""
    content, end = run.read_bytes(), 0
    while end < len(content) // 2:
        end += 4 + int.from_bytes(content[end : end + 4])
    os.truncate(run, end)


def garble(run: Path) -> None:
    content = run.read_bytes()
    run.write_bytes(content[: len(content) // 2] + os.urandom(len(content) - len(content) // 2))


def cut_off(run: Path) -> None:
    os.truncate(run, run.stat().st_size - 1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("disturb", [end_at_a_block, garble, cut_off])
def test_inputs_that_wait_on_disk(tmp_path: Path, target: Path, disturb: Disturb) -> None:
    """Thousands of names do not wait in memory: if their file is altered no input is lost unseen."""
    source = tmp_path / "many"
    source.mkdir()
    for number in range(8_000):
        (source / f"{number:06}{'n' * 180}.txt").touch()
    disturbed = []

    def read(path: str) -> str:
        if not disturbed:
            (runs,) = (control_of(target) / "attempts").glob("*/sort")
            disturbed.extend(sorted(runs.iterdir()))
            for found in disturbed:
                disturb(found)
        return ""

    options: dict[str, Any] = {"source": source, "target": target, "codec": "text", "durability": "process"}
    with pytest.raises(errors.StagingChanged, match="sort/"):
        read_directory(read=read, version="1", **options)
    assert disturbed
    assert not target.exists()
    assert read_directory(read=lambda _: "", version="1", **options).counts["entries"] == 8_000


@pytest.mark.parametrize("instead", [b"0", b"f"], ids=["another digest", "and another"])
def test_a_line_of_the_journal_that_says_something_else(run: Run, texts: Path, target: Path, instead: bytes) -> None:
    """As many lines of the same length, each of which can be read, of files that are as they were."""
    run(version="1")
    write_texts(texts, d="delta", e="epsilon")

    def read(path: str) -> str:
        if path.endswith("e.txt"):
            (journal,) = (control_of(target) / "attempts").glob("*/journal.jsonl")
            while (content := journal.read_bytes()).count(b"\n") < 4:
                pass
            at = content.rindex(b'"digest":"') + len(b'"digest":"')
            with journal.open("r+b") as file:
                file.seek(at)
                file.write(instead * 64)
        return Path(path).read_text()

    with nothing_lost(target), pytest.raises(errors.StagingChanged, match="what is there is not what was written"):
        run(read=read, version="1")


def test_an_input_that_never_reached_the_journal(run: Run, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_one(journal: Journal, *lines: JournalLine) -> None:
        append(journal, *(line for line in lines if line.input.path != "b.txt"))

    append = Journal.append
    monkeypatch.setattr(Journal, "append", lose_one)
    # With or without its file.
    for read in (read_text, lambda path: None if path.endswith("b.txt") else "x"):
        with pytest.raises(errors.StagingChanged, match="2 inputs are through, and 3 were planned"):
            run(read=read)
    assert not target.exists()
