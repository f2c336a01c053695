"""Which files a stage sees, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import errors
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.source.listing import Listing
from airflow_dirops.core.stage.patterns import Selection
from tests.core.conftest import Run
from tests.core.directories import header_of, lines_of, path_in, values_of


def make(directory: Path, *paths: str) -> Path:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(path)
    return directory


def listed(directory: Path, pattern: str = "**/*", **options: bool) -> list[str]:
    return sorted(item.path for item in walk_of(directory, pattern, **options))


def walk_of(directory: Path, pattern: str = "**/*", **options: bool) -> Listing:
    return Listing(directory, Selection(pattern), **options)


PATHS = ("a.png", "b.jpg", "c.txt", "x/a.png", "x/y/b.png", "x/y/z/c.jpg", "[odd].png", "x/new\nline.png", "end.png\n")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*", [*PATHS]),
        ("**", [*PATHS]),
        ("*", ["a.png", "b.jpg", "c.txt", "[odd].png", "end.png\n"]),
        ("*.png", ["a.png", "[odd].png"]),
        ("**/*.png", ["a.png", "x/a.png", "x/y/b.png", "[odd].png", "x/new\nline.png"]),
        ("*/*.png", ["x/a.png", "x/new\nline.png"]),
        ("x/**/*.{png,jpg}", ["x/a.png", "x/y/b.png", "x/y/z/c.jpg", "x/new\nline.png"]),
        ("{x/y,nowhere}/*.png", ["x/y/b.png"]),
        ("[ab].*", ["a.png", "b.jpg"]),
        ("?.png", ["a.png"]),
        (r"\[odd\].png", ["[odd].png"]),
        ("A.PNG", []),
        ("x", []),
        ("*.png\n", ["end.png\n"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    assert listed(make(tmp_path, *PATHS), pattern) == sorted(expected)


@pytest.mark.parametrize("pattern", ["", "/etc/*", "../*", "x/../../*", None, 7, b"*"])
def test_patterns_that_leave_the_source(run: Run, target: Path, pattern: object) -> None:
    with pytest.raises(errors.ArgumentRefused, match="glob relative to it"):
        run(pattern=pattern)
    assert not target.exists()


def test_a_pattern_without_stars_walks_no_further_than_it_reaches(tmp_path: Path) -> None:
    (make(tmp_path, "a.png", "x/b.png", "x/locked/c.png") / "x/locked").rename(tmp_path / "x/gone")
    walk = walk_of(tmp_path, "x/*.png")
    assert [item.path for item in walk] == ["x/b.png"]
    os.rename(tmp_path / "x/gone", tmp_path / "x/.gone")
    assert [item.path for item in walk] == ["x/b.png"]
    assert walk.ignored == 1


def test_hidden_and_own_names_are_passed_over_and_counted(run: Run, texts: Path, target: Path) -> None:
    make(texts, ".hidden.txt", ".git/x.txt", "sub/_dirops/x.txt", "sub/.dirops/y.txt", "_dirops/z.txt")
    make(texts, "_DSC0001.txt", "_folder/_x.txt", "a.dirops.txt")
    (texts / "pipe.txt").touch()
    os.remove(texts / "pipe.txt")
    os.mkfifo(texts / "pipe.txt")
    run()
    assert set(values_of(target)) == {"a", "b", "c", "_DSC0001", "_folder/_x", "a.dirops"}
    assert header_of(target)["counts"]["ignored"] == 6


class TestLinks:
    def test_to_files_are_followed(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        (tmp_path / "far.txt").write_text("far away")
        (texts / "link.txt").symlink_to(tmp_path / "far.txt")
        run()
        assert values_of(target)["link"] == "far away"
        assert not (target / "link.txt").is_symlink()
        (tmp_path / "far.txt").write_text("farther away")
        assert run().counts["computed"] == 1
        assert values_of(target)["link"] == "farther away"

    def test_to_directories_only_on_request(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        make(tmp_path / "far", "d.txt", "deep/e.txt")
        (texts / "link").symlink_to(tmp_path / "far")
        run()
        assert set(values_of(target)) == {"a", "b", "c"}
        run(follow_symlinks=True)
        assert set(values_of(target)) == {"a", "b", "c", "link/d", "link/deep/e"}

    def test_loops_end(self, tmp_path: Path) -> None:
        make(tmp_path, "a/1", "b/2")
        (tmp_path / "a/up").symlink_to("..")
        (tmp_path / "a/here").symlink_to(".")
        (tmp_path / "a/b").symlink_to("../b")
        (tmp_path / "b/a").symlink_to("../a")
        assert listed(tmp_path, follow_symlinks=True) == ["a/1", "a/b/2", "b/2", "b/a/1"]

    def test_the_source_itself_may_be_one(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(texts)
        run(source=tmp_path / "link")
        assert set(values_of(target)) == {"a", "b", "c"}


def test_a_folder_deeper_than_recursion(tmp_path: Path) -> None:
    depth, here = 1200, os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert listed(tmp_path) == ["d/" * depth + "x"]
    _remove_from_below(tmp_path, depth)


def _remove_from_below(directory: Path, depth: int) -> None:
    os.unlink(f"{directory}/{'d/' * depth}x")
    for level in range(depth, 0, -1):
        os.rmdir(f"{directory}/{'d/' * level}")


class TestOrder:
    def test_is_bytewise_by_key(self, run: Run, tmp_path: Path, target: Path) -> None:
        names = [
            "b.txt",
            "B.txt",
            "a-.txt",
            "a.txt",
            "a.b.txt",
            "a/z.txt",
            "é.txt",
            "z.txt",
            "10.txt",
            "9.txt",
            "Ω.txt",
        ]
        make(tmp_path / "names", *names)
        with open(os.fsencode(tmp_path / "names") + b"/\xff.txt", "w") as file:
            file.write("x")
        seen: list[str] = []
        run(source=tmp_path / "names", read=lambda path: seen.append(path) or "text", version="1")
        relative = [os.fsencode(os.path.relpath(path, tmp_path / "names")) for path in seen]
        assert relative == [os.fsencode(name) for name in [*sorted(names, key=lambda n: n[:-4].encode()), "\udcff.txt"]]
        assert [path_in(line) for line in lines_of(target)] == relative

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(keys=st.lists(st.binary(max_size=6), max_size=400), bound=st.integers(1, 6000))
    def test_any_keys_in_any_number_of_runs(
        self, tmp_path_factory: pytest.TempPathFactory, keys: list[bytes], bound: int
    ) -> None:
        sorter = Sorter(tmp_path_factory.mktemp("sort") / "runs", "run", max_in_memory=bound)
        for number, key in enumerate(keys):
            sorter.add(key, b"%d" % number)
        expected = sorted(((key, b"%d" % number) for number, key in enumerate(keys)), key=lambda line: line[0])
        assert len(sorter) == len(keys)
        assert list(sorter) == expected
        assert list(sorter) == expected

    def test_more_runs_than_may_be_open_at_once(self, tmp_path: Path) -> None:
        sorter = Sorter(tmp_path / "runs", "run", max_in_memory=500)
        for number in range(1000):
            sorter.add(b"%03d" % (number * 7 % 1000), b"")
        assert [key for key, _ in sorter] == [b"%03d" % number for number in range(1000)]
        assert len(os.listdir(tmp_path / "runs")) < 128

    def test_more_names_than_fit_in_memory(
        self, run: Run, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(tmp_path / "many", *(f"{number * 37 % 100}.txt" for number in range(100)))
        monkeypatch.setattr(Sorter.__init__, "__defaults__", (1000,))
        run(source=tmp_path / "many", durability="process")
        assert list(values_of(target)) == sorted(str(number) for number in range(100))
        (tmp_path / "many/5.txt").unlink()
        (tmp_path / "many/50.txt").write_text("changed")
        outcome = run(source=tmp_path / "many", durability="process")
        assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 98)
        assert run(source=tmp_path / "many").outcome == "unchanged"


def test_a_file_is_sorted_by_its_key_and_not_by_its_suffix(run: Run, tmp_path: Path, target: Path) -> None:
    make(tmp_path / "s", "a.z", "a-1.b", "ab.c")
    run(source=tmp_path / "s", read=lambda path: "text")
    assert list(values_of(target)) == ["a", "a-1", "ab"]
