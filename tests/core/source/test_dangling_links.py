"""Links whose content has not been fetched, or whose disk is not mounted: away is not gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, iter_plan, transform_directory
from tests.core.conftest import Run
from tests.core.directories import assert_whole, header_of, lines_of, nothing_lost, values_of, write_texts
from tests.core.seed import read_text

Break = Callable[[Path], None]


def to_nowhere(link: Path) -> None:
    link.symlink_to("/nowhere/x")


def to_itself(link: Path) -> None:
    link.symlink_to(link.name)


def round_and_round(link: Path) -> None:
    other = link.parent / ".other"
    other.symlink_to(link.name)
    link.symlink_to(other.name)


def through_a_file(link: Path) -> None:
    link.symlink_to(f"{__file__}/x")


def to_a_name_too_long(link: Path) -> None:
    link.symlink_to("x" * 300)


def read_or_nothing(path: str) -> str | None:
    """As functions do that mean well."""
    try:
        return read_text(path)
    except OSError:
        return None


WAYS = [to_nowhere, to_itself, round_and_round, through_a_file, to_a_name_too_long]


@pytest.fixture
def store(texts: Path, tmp_path: Path) -> Path:
    """What the texts are links to."""
    store = tmp_path / "store"
    store.mkdir()
    for path in list(texts.iterdir()):
        path.rename(store / path.name)
        path.symlink_to(store / path.name)
    return store


@pytest.mark.parametrize("break_link", WAYS)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("read", [read_text, read_or_nothing])
class TestEveryWay:
    def test_fails_and_says_where_it_points(
        self, run: Run, texts: Path, target: Path, break_link: Break, workers: int, read: Any
    ) -> None:
        run(read=read)
        break_link(texts / "d.txt")
        with (
            nothing_lost(target),
            pytest.raises(errors.DanglingLink, match="mount or fetch what they point to") as told,
        ):
            run(read=read, workers=workers)
        assert f"'{texts}/d.txt' points to '{os.readlink(texts / 'd.txt')}'" in str(told.value)

    def test_is_quarantined(
        self, run: Run, texts: Path, target: Path, break_link: Break, workers: int, read: Any
    ) -> None:
        break_link(texts / "d.txt")
        outcome = run(read=read, workers=workers, on_error="quarantine")
        assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (3, 1)
        (line,) = lines_of(target, "quarantine.jsonl")
        assert (line["path"], line["error"]) == ("d.txt", "DanglingLink")
        assert "mount or fetch what it points to" in line["message"]
        assert_whole(target)
        assert run(read=read, workers=workers, on_error="quarantine").outcome == "unchanged"


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"batch_size": 2}, {"file_retries": 1}, {"redo": "all"}])
def test_what_was_made_before_stays(run: Run, store: Path, texts: Path, target: Path, options: dict[str, Any]) -> None:
    def copied(**changes: Any) -> Outcome:
        return transform_directory(
            **{"source": texts, "target": target, "read": read_text, "codec": "text", "stage": "copy", **changes},
            transform=(lambda texts: texts) if "batch_size" in options else (lambda text: text),
        )

    copied(**options)
    (store / "b.txt").rename(store / "away")
    with nothing_lost(target), pytest.raises(errors.DanglingLink, match="1 of the inputs are links that lead nowhere"):
        copied(**options)
    assert copied(**options, on_error="quarantine").counts["quarantined"] == 1
    (store / "away").rename(store / "b.txt")
    assert copied(**options).counts["quarantined"] == 0
    assert values_of(target) == {"a": "alpha", "b": "beta", "c": "gamma"}


def test_the_whole_store_away(run: Run, store: Path, target: Path) -> None:
    """The advice of the message is followed in the end."""
    run()
    store.rename(store.parent / "unmounted")
    for on_error in ("fail", "quarantine"):
        with nothing_lost(target), pytest.raises((errors.DanglingLink, errors.TooManyFailures)):
            run(on_error=on_error)
    store.parent.joinpath("unmounted").rename(store)
    assert run().outcome == "unchanged"


def test_an_aggregate(texts: Path, store: Path, target: Path) -> None:
    def joined(records: Iterator[Any]) -> str:
        return ",".join(record.value for record in records)

    options: dict[str, Any] = {"source": texts, "target": target, "read": read_text, "codec": "text", "stage": "join"}
    transform_directory(**options, aggregate=joined)
    (store / "b.txt").unlink()
    with nothing_lost(target), pytest.raises(errors.DanglingLink):
        transform_directory(**options, aggregate=joined)
    transform_directory(**options, aggregate=joined, on_error="quarantine")
    assert values_of(target) == {"joined": "alpha,gamma"}


@pytest.mark.parametrize("join", ["inner", "outer", "strict"])
def test_joined_sources(texts: Path, store: Path, target: Path, tmp_path: Path, join: str) -> None:
    others = write_texts(tmp_path / "others", a="1", b="2", c="3")
    options: dict[str, Any] = {"source": [others, texts], "target": target, "read": read_text, "join": join}
    options |= {"codec": "text", "stage": "join", "transform": lambda one, other: one + other}
    transform_directory(**options)
    (store / "b.txt").unlink()
    with nothing_lost(target), pytest.raises(errors.DanglingLink, match=r"texts/b\.txt"):
        transform_directory(**options)
    assert transform_directory(**options, on_error="quarantine").counts["quarantined"] == 1
    assert values_of(target) == {"a": "1alpha", "c": "3gamma"}


def test_a_name_that_does_not_match_is_nothing_to_us(run: Run, texts: Path) -> None:
    to_nowhere(texts / "d.tmp")
    assert run(pattern="**/*.txt").outcome == "committed"


@pytest.mark.parametrize("break_link", WAYS)
def test_a_folder_may_hang_on_it(run: Run, texts: Path, tmp_path: Path, target: Path, break_link: Break) -> None:
    far = write_texts(tmp_path / "far", d="delta")
    (texts / "day").symlink_to(far)
    run(pattern="**/*.txt", follow_symlinks=True)
    (texts / "day").unlink()
    break_link(texts / "day")
    with nothing_lost(target), pytest.raises(errors.DanglingLink, match="/day"):
        run(pattern="**/*.txt", follow_symlinks=True)
    assert run(pattern="*.txt", follow_symlinks=True).outcome == "committed"


def test_a_hidden_one_is_passed_over(run: Run, texts: Path, target: Path) -> None:
    """As an editor makes them beside a file that it has open."""
    to_nowhere(texts / ".#a.txt")
    run()
    assert header_of(target)["counts"]["ignored"] == 1


def test_links_to_folders_that_are_not_followed_are_told(
    run: Run, texts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    far = write_texts(tmp_path / "far", d="delta")
    (texts / "day").symlink_to(far)
    for pattern in ("**/*.txt", "**/*"):
        caplog.clear()
        run(pattern=pattern)
        assert "1 links to directories" in caplog.text
        assert "'day'; set follow_symlinks=True" in caplog.text
    caplog.clear()
    run(pattern="**/*.txt", follow_symlinks=True)
    assert "links to directories" not in caplog.text


def test_a_plan_has_them(run: Run, store: Path, texts: Path, target: Path) -> None:
    run()
    (store / "b.txt").unlink()
    planned = iter_plan(source=texts, target=target, read=read_text, codec="text", stage="copy")
    assert {one.path: one.reason for one in planned} == {"a.txt": "carried", "b.txt": "changed", "c.txt": "carried"}


def test_one_that_breaks_after_the_listing(run: Run, store: Path, texts: Path) -> None:
    def read(path: str) -> str:
        (store / "c.txt").unlink(missing_ok=True)
        return read_text(path)

    with pytest.raises(errors.DanglingLink, match=r"store/c\.txt', and nothing is there"):
        run(read=read)
