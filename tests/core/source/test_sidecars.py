"""Files of one folder that belong together: a header and its data, an image and what is noted beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, read_directory, transform_directory
from tests.core.conftest import Run
from tests.core.directories import lines_of, nothing_lost, values_of


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    directory = tmp_path / "pairs"
    directory.mkdir()
    for number in range(3):
        (directory / f"s{number}.hdr").write_text(f"h{number}")
        (directory / f"s{number}.dat").write_text(f"d{number}")
    return directory


def both(path: str) -> str | None:
    if not path.endswith(".dat"):
        return None
    header = Path(path[:-3] + "hdr")
    return Path(path).read_text() + (header.read_text() if header.exists() else "")


def plain(path: str) -> str:
    return Path(path).read_text()


@pytest.mark.parametrize("pattern", ["**/*.dat", "**/*"])
@pytest.mark.parametrize("workers", [1, 2])
class TestWhatLiesBeside:
    @pytest.fixture
    def made(self, run: Run, pairs: Path, pattern: str, workers: int) -> Run:
        def made(**changes: Any) -> Outcome:
            return run(**{"source": pairs, "read": both, "pattern": pattern, "workers": workers, **changes})

        assert made().counts["entries"] == 3
        assert made().outcome == "unchanged"
        return made

    def test_changes(self, made: Run, pairs: Path, target: Path) -> None:
        (pairs / "s1.hdr").write_text("changed")
        assert made().outcome == "committed"
        assert values_of(target) == {"s0": "d0h0", "s1": "d1changed", "s2": "d2h2"}
        assert made().outcome == "unchanged"

    def test_appears(self, made: Run, pairs: Path) -> None:
        (pairs / "s1.xmp").write_text("note")
        assert made().counts["computed"] >= 1
        assert made().outcome == "unchanged"

    def test_goes(self, made: Run, pairs: Path, target: Path) -> None:
        (pairs / "s1.hdr").unlink()
        made()
        assert values_of(target)["s1"] == "d1"
        assert made().outcome == "unchanged"

    def test_a_hidden_one_is_nothing_to_us(self, made: Run, pairs: Path) -> None:
        (pairs / ".s1.hdr").write_text("x")
        assert made().outcome == "unchanged"

    def test_what_failed_is_not_forgotten(self, made: Run, pairs: Path) -> None:
        def fails(path: str) -> str | None:
            if path.endswith("s1.dat"):
                raise ValueError(path)
            return both(path)

        made(read=fails, on_error="quarantine")
        assert made(read=fails, on_error="quarantine").outcome == "unchanged"
        (pairs / "s1.hdr").write_text("changed")
        assert made(read=fails, on_error="quarantine").outcome == "committed"


def test_only_the_record_that_it_belongs_to_is_made_again(run: Run, pairs: Path) -> None:
    run(source=pairs, read=both, pattern="*.dat")
    (pairs / "s1.hdr").write_text("changed")
    outcome = run(source=pairs, read=both, pattern="*.dat")
    assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 2)


def test_it_is_not_read_by_itself(run: Run, pairs: Path, target: Path) -> None:
    outcome = run(source=pairs, read=both, pattern="*.dat")
    assert outcome.counts["inputs"] == 3
    assert [line["inputs"][0]["path"] for line in lines_of(target)] == ["s0.dat", "s1.dat", "s2.dat"]


def test_where_nothing_shares_a_key_nothing_is_recorded(run: Run, texts: Path, target: Path) -> None:
    (texts / "other.md").touch()
    run(pattern="*.txt")
    assert all("beside" not in line["inputs"][0] for line in lines_of(target))


@pytest.mark.parametrize("count", [40])
@pytest.mark.parametrize("suffix", ["{:04}", "part{}"])
def test_a_series_does_not_belong_together(run: Run, tmp_path: Path, target: Path, suffix: str, count: int) -> None:
    """A scanner names all its files ``frame.0001`` and so on."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(count):
        (raw / f"frame.{suffix.format(number)}").write_text(str(number))

    def read(path: str) -> Iterator[tuple[str, str]]:
        yield os.path.basename(path).replace(".", "-"), plain(path)

    assert run(source=raw, read=read).counts["entries"] == count
    (raw / f"frame.{suffix.format(1)}").write_text("changed")
    assert run(source=raw, read=read).counts["computed"] == 1
    assert values_of(target)[f"frame-{suffix.format(1)}"] == "changed"


def test_an_aggregate(pairs: Path, target: Path) -> None:
    def joined(records: Iterator[Any]) -> str:
        return ",".join(record.value for record in records)

    options: dict[str, Any] = {"source": pairs, "target": target, "read": both, "pattern": "*.dat", "codec": "text"}
    transform_directory(**options, aggregate=joined)
    assert transform_directory(**options, aggregate=joined).outcome == "unchanged"
    (pairs / "s1.hdr").write_text("changed")
    transform_directory(**options, aggregate=joined)
    assert values_of(target) == {"joined": "d0h0,d1changed,d2h2"}


class TestAPatternForEachSource:
    def joined(self, pairs: Path, target: Path, pattern: Any, **changes: Any) -> Outcome:
        return transform_directory(
            **{"source": [pairs, pairs], "join": "inner", **changes},
            target=target,
            read=plain,
            transform=lambda *values: "".join(values),
            codec="text",
            pattern=pattern,
            stage="s",
        )

    def test_joins_one_folder_with_itself(self, pairs: Path, target: Path) -> None:
        self.joined(pairs, target, ["**/*.hdr", "**/*.dat"])
        assert values_of(target) == {"s0": "h0d0", "s1": "h1d1", "s2": "h2d2"}
        for name in ("s1.hdr", "s2.dat"):
            (pairs / name).write_text("changed")
            assert self.joined(pairs, target, ("**/*.hdr", "**/*.dat")).counts["computed"] == 1
        assert self.joined(pairs, target, ["**/*.hdr", "**/*.dat"]).outcome == "unchanged"

    def test_is_what_the_message_advises(self, pairs: Path, target: Path) -> None:
        with pytest.raises(errors.KeyRefused, match="give a pattern for each source") as told:
            self.joined(pairs, target, "**/*")
        first, second = re.findall(r"'(\*\*/\*\.\w+)'", str(told.value))
        assert self.joined(pairs, target, [first, second]).counts["entries"] == 3

    @pytest.mark.parametrize("pattern", [[], ["*.hdr"], ["*.hdr", "*.dat", "*.txt"]])
    def test_as_many_as_sources(self, pairs: Path, target: Path, pattern: list[str]) -> None:
        with pytest.raises(errors.ArgumentRefused, match="patterns for 2 sources"):
            self.joined(pairs, target, pattern)


@pytest.mark.parametrize(
    ("patterns", "one"),
    [
        (["**/*.hdr", "**/*.dat"], "**/*.{hdr,dat}"),
        (("*.hdr", "s0.dat"), "{*.hdr,s0.dat}"),
        (["**/s1.*", "**/*.hdr"], "**/{s1.*,*.hdr}"),
        (["*.hdr"], "*.hdr"),
        (["{s0,s1}.hdr", "{s0,s1}.dat"], "{{s0,s1}.hdr,{s0,s1}.dat}"),
    ],
)
def test_several_patterns_of_one_source_are_one(pairs: Path, tmp_path: Path, patterns: Any, one: str) -> None:
    def read(path: str) -> Iterator[tuple[str, str]]:
        yield os.path.basename(path).replace(".", "-"), plain(path)

    def names(pattern: Any) -> set[str]:
        target = tmp_path / f"out-{len(os.listdir(tmp_path))}"
        read_directory(source=pairs, target=target, read=read, codec="text", pattern=pattern)
        return set(values_of(target))

    with pytest.raises(errors.ArgumentRefused, match="is a list, which is for joined sources") as told:
        names(patterns)
    assert f"write pattern={one!r}" in str(told.value)
    assert names(one) == set().union(*map(names, patterns))


@pytest.mark.parametrize("pattern", [None, 7, b"*", {"*.hdr"}, [], [7]])
def test_no_pattern(run: Run, pattern: Any) -> None:
    with pytest.raises(errors.ArgumentRefused, match="pattern"):
        run(pattern=pattern)


def test_refused_keys_say_how_many_and_how_to_keep_both(tmp_path: Path, target: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(30):
        (raw / f"i{number:02}.jpg").write_text("j")
        (raw / f"i{number:02}.png").write_text("p")
    with pytest.raises(errors.KeyRefused, match="at least 20 records") as told:
        read_directory(source=raw, target=target, read=plain, codec="text")
    assert not target.exists()
    (advice,) = re.findall(r"(def read\(path, \*, key\): yield .*), value;", str(told.value))
    made: dict[str, Any] = {"plain": plain}
    exec(f"{advice}, plain(path)", made)
    assert read_directory(source=raw, target=target, read=made["read"], codec="text").counts["entries"] == 60
    assert {"i00_jpg", "i00_png"} <= set(values_of(target))


def test_a_budget_without_a_quarantine(run: Run, target: Path) -> None:
    run()
    with (
        nothing_lost(target),
        pytest.raises(errors.ArgumentRefused, match="max_failures= is for on_error='quarantine'"),
    ):
        run(max_failures=3)
    assert run(max_failures=3, on_error="quarantine").outcome == "unchanged"
