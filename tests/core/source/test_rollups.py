"""Several partitions of one target, read as one source."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_dirops.cli.main import app
from airflow_dirops.core import (
    Partitions,
    errors,
    iter_plan,
    open_snapshot,
    read_directory,
    read_manifest,
    transform_directory,
)
from tests.core.directories import assert_whole, lines_of, values_of, write_texts

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def read_text(path: str) -> str:
    return Path(path).read_text()


def shout(text: str, key: str) -> str:
    return f"{key}: {text.upper()}"


def count(records: Iterator[Any]) -> str:
    return " ".join(f"{record.key}={record.value}" for record in records)


class World:
    """A target with a partition for each day."""

    def __init__(self, home: Path) -> None:
        self.raw, self.interim, self.target = home / "raw", home / "interim", home / "week"

    def make(self, *days: str, **texts: str) -> None:
        for day in days:
            write_texts(self.raw / day, **(texts or {"img_1": f"one of {day}", "img_2": "two"}))
            target = self.interim / day
            read_directory(source=self.raw / day, target=target, read=read_text, codec="text", stage="to_text")

    def roll_up(self, *names: str, missing: Any = "fail", target: Path | None = None, **options: Any) -> Any:
        source = Partitions(self.interim / "{partition}", names or DAYS, missing)
        functions = {"transform": shout} if "aggregate" not in options else {}
        return transform_directory(
            **{"source": source, "target": target or self.target, "codec": "text", **functions, **options}
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.make(*DAYS)
    return world


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_name_of_two_partitions_is_two_keys(world: World, workers: int) -> None:
    outcome = world.roll_up(DAYS[2], DAYS[0], workers=workers)
    assert outcome.counts["computed"] == 4
    assert values_of(world.target) == {
        f"{day}/{name}": f"{day}/{name}: {text}".upper().replace("IMG", "img", 1)
        for day in (DAYS[0], DAYS[2])
        for name, text in (("img_1", f"one of {day}"), ("img_2", "two"))
    }
    assert_whole(world.target)


def test_the_manifest_says_which_partitions_there_were(world: World) -> None:
    outcome = world.roll_up(*DAYS, "2026-11-04", missing="allow")
    manifest = read_manifest(world.target)
    assert (outcome.missing, manifest.missing, manifest.summary()["missing"]) == (["2026-11-04"],) * 3
    assert "  partitions  3 of 4, missing 2026-11-04\n" in CliRunner().invoke(app, ["show", str(world.target)]).stdout
    assert [(each.partition, each.snapshot) for each in manifest.partitions] == [
        *((day, read_manifest(world.interim / day).snapshot) for day in DAYS),
        ("2026-11-04", None),
    ]
    assert {each.stage for each in manifest.partitions if each.snapshot} == {"to_text"}
    assert (manifest.source.location, manifest.sources) == ("interim/{partition}", ())
    (line,) = (line for line in lines_of(world.target, "files.jsonl") if line["path"] == "2026-11-02/img_1.txt")
    assert [each["path"] for each in line["inputs"]] == ["2026-11-02/img_1.txt"]


def test_a_partition_more_or_changed_computes_no_other(world: World) -> None:
    assert world.roll_up(*DAYS[:2]).missing == []
    assert "  partitions  2 of 2\n" in CliRunner().invoke(app, ["show", str(world.target)]).stdout
    assert world.roll_up(*DAYS[:2]).outcome == "unchanged"
    more = world.roll_up(*DAYS)
    assert (more.counts["computed"], more.counts["carried"]) == (2, 4)
    world.make(DAYS[1], img_1="other", img_2="two")
    changed = world.roll_up(*DAYS)
    assert (changed.counts["computed"], changed.counts["carried"]) == (1, 5)
    moved_on = world.roll_up(*DAYS[1:])
    assert (moved_on.counts["computed"], moved_on.counts["carried"]) == (0, 4)
    assert [record.key.partition("/")[0] for record in open_snapshot(world.target)] == [DAYS[1]] * 2 + [DAYS[2]] * 2


def test_an_aggregate_is_made_of_all_partitions_or_not_at_all(world: World) -> None:
    assert world.roll_up(*DAYS[:2], aggregate=count).counts["inputs"] == 4
    assert world.roll_up(*DAYS[:2], aggregate=count).outcome == "unchanged"
    assert world.roll_up(aggregate=count).counts["computed"] == 6
    assert values_of(world.target)["count"].split("=")[0] == "2026-11-01/img_1"


def test_what_is_missing_fails_and_says_what_to_do(world: World, tmp_path: Path) -> None:
    with pytest.raises(errors.SourceMissing, match="1 of the 4 partitions") as caught:
        world.roll_up(*DAYS, "2026-11-04")
    assert str(world.interim / "2026-11-04") in str(caught.value)
    assert "missing='allow'" in str(caught.value)
    assert not world.target.exists()
    assert world.roll_up(*DAYS, "2026-11-04", missing="allow").counts["inputs"] == 6
    shutil.rmtree(world.interim)
    with pytest.raises(errors.SourceMissing, match="3 of the 3") as caught:
        world.roll_up(missing="allow", target=tmp_path / "other")
    assert "missing='allow'" not in str(caught.value)  # which would not help
    world.interim.mkdir()
    assert world.roll_up(missing="allow", stage="new", target=tmp_path / "new", empty="skip").outcome == "skipped"


def test_folders_that_no_stage_wrote_are_told_and_can_be_read_first(world: World) -> None:
    write_texts(world.interim / "2026-11-04", img_1="by hand")
    with pytest.raises(errors.ArgumentRefused, match="no stage committed") as caught:
        world.roll_up(*DAYS, "2026-11-04", missing="allow")
    assert str(world.interim / "2026-11-04") in str(caught.value)
    shutil.move(world.interim / "2026-11-04", world.raw / "2026-11-04")
    world.make("2026-11-04", img_1="by hand")
    assert world.roll_up(*DAYS, "2026-11-04").counts["inputs"] == 7


def test_a_link_to_what_is_away_is_not_a_partition_that_may_be_missing(world: World, tmp_path: Path) -> None:
    (world.interim / "2026-11-04").symlink_to(tmp_path / "away")
    with pytest.raises(errors.SourceMissing, match="mount that, or remove"):
        world.roll_up(*DAYS, "2026-11-04", missing="allow")
    (world.interim / "2026-11-04").unlink()
    assert world.roll_up(*DAYS, "2026-11-04", missing="allow").counts["inputs"] == 6


@pytest.mark.parametrize(
    ("path", "names", "message"),
    [
        ("interim/{partition}", (), "not one of them"),
        ("interim/{partition}", "2026-11-01", r"such as \['2026-11-01'\]"),
        ("interim/all", DAYS, "has no {partition} in it"),
        ("interim/{partition}", ("../raw", "a"), "not allowed"),
        ("interim/{partition}", ("", "a"), "empty"),
        ("interim/{partition}", ("_dirops",), "reserved"),
        ("interim/{partition}", ("a", "a"), "there twice"),
        ("interim/{partition}", ("a", "a.b", "a/b"), "'a/b' lies in 'a'"),
        ("interim/{partition}", [f"{number}" for number in range(751)], "in two steps"),
        ("interim/{partition}/{{ params.x }}", ("a",), "a template"),
    ],
)
def test_what_no_run_could_use_is_refused(path: str, names: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        Partitions(path, names)


def test_partitions_are_joined_before_they_are_rolled_up(world: World) -> None:
    both = [Partitions(world.interim / "{partition}", DAYS), world.interim / DAYS[0]]
    with pytest.raises(errors.ArgumentRefused, match="join those of each partition"):
        transform_directory(source=both, target=world.target, transform=shout, join="inner")  # type: ignore[arg-type]


def test_names_nested_and_of_any_order_stay_sorted(tmp_path: Path) -> None:
    world = World(tmp_path)
    names = ("2026/11/02", "2026-x/a", "2026/10", "2026!", "2026.b", "ü/n")
    world.make(*names, img_1="x", **{"img.2": "y"})
    assert world.roll_up(*names).counts["entries"] == 12
    assert_whole(world.target)
    assert world.roll_up(*reversed(names)).outcome == "unchanged"


def test_a_plan_names_each_input_with_its_partition(world: World) -> None:
    source = Partitions(world.interim / "{partition}", DAYS[:2])
    planned = iter_plan(source=source, target=world.target, transform=shout, codec="text")
    assert [(each.path, each.reason) for each in planned][:2] == [
        ("2026-11-01/img_1.txt", "new"),
        ("2026-11-01/img_2.txt", "new"),
    ]


def test_a_snapshot_that_is_replaced_meanwhile_is_read_to_its_end(world: World) -> None:
    def replacing(text: str) -> str:
        if text.startswith("one of 2026-11-01"):
            world.make(DAYS[2], img_1="later", img_2="later")
        return text

    world.roll_up(transform=replacing)
    assert values_of(world.target)["2026-11-03/img_1"] == "one of 2026-11-03"
    assert world.roll_up(transform=replacing).counts["computed"] == 2


def test_a_partition_in_which_nothing_matches_empties_nothing_else(world: World) -> None:
    with pytest.raises(errors.SourceEmpty, match=r"interim/\{partition\}' matches"):
        world.roll_up(pattern="**/*.png")


def test_a_record_asked_for_by_name_has_the_key_of_the_roll_up(world: World) -> None:
    def described(text: str, record: Any, path: str) -> str:
        return f"{record.key} {record.value == text} {Path(record.path).read_text() == Path(path).read_text()}"

    world.roll_up(transform=described)
    assert values_of(world.target)["2026-11-02/img_2"] == "2026-11-02/img_2 True True"
