"""A folder that is not there: nothing was made for its partition, or all of a share is away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, Partitions, errors, read_directory, transform_directory
from airflow_dirops.core.stage.partitions import before_partition
from tests.core.directories import assert_whole, values_of, write_texts
from tests.core.seed import read_text, shout

DAY = "2026/11/05"

Read = Callable[..., Outcome]


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """Where the days of October are, and none of November."""
    write_texts(tmp_path / "share" / "raw" / "2026/10/31", a="alpha", b="beta")
    return tmp_path / "share" / "raw"


@pytest.fixture
def read(tmp_path: Path, share: Path) -> Read:
    def of_a_day(day: str = DAY, tail: str = "", **options: Any) -> Outcome:
        given = {"partition": day, "empty": "skip", "stage": "texts", "codec": "text", **options}
        return read_directory(source=share / day / tail, target=tmp_path / "interim" / day, read=read_text, **given)

    return of_a_day


@pytest.mark.parametrize("day", ["2026/10/30", DAY, "2027/01/01", f"{DAY}/07", "2026-11-05", "2026/W45"])
@pytest.mark.parametrize("tail", ["", "left/raw"])
class TestNothingWasMadeForAPartition:
    def test_skips(self, read: Read, share: Path, day: str, tail: str) -> None:
        assert read("2026/10/31").outcome == "committed"
        assert read(day, tail).reason == f"there is no folder '{share / day / tail}'"

    def test_fails_and_says_what_would_skip_it(self, read: Read, share: Path, day: str, tail: str) -> None:
        with pytest.raises(errors.SourceMissing, match=rf"'{share}' is there, so .* set empty='skip'$"):
            read(day, tail, empty="fail")

    def test_commits_an_empty_snapshot(self, read: Read, tmp_path: Path, day: str, tail: str) -> None:
        assert read(day, tail, empty="commit").outcome == "committed"
        assert_whole(tmp_path / "interim" / day)


@pytest.mark.parametrize("empty", ["fail", "skip", "commit"])
class TestAShareThatIsAway:
    def test_with_its_folder(self, read: Read, share: Path, empty: str) -> None:
        share.rename(share.with_name("elsewhere"))
        with pytest.raises(errors.SourceMissing, match=rf"that is there is '{share.parent}'; .* want '{share}'"):
            read(empty=empty)

    def test_from_its_mount_point(self, read: Read, share: Path, tmp_path: Path, empty: str) -> None:
        """The folder is there, and as empty as a mount point is."""
        read("2026/10/31")
        shutil.rmtree(share / "2026")
        (share / ".nfs0001").touch()
        advice = rf"'{share}' is empty, though stage 'texts' has made '{tmp_path}/interim/2026/10/31' .* such as README"
        with pytest.raises(errors.SourceMissing, match=advice if empty != "fail" else "is there, so if this one"):
            read(empty=empty)
        (share / "README").touch()  # as it says
        if empty != "fail":
            assert read(empty=empty).outcome == ("skipped" if empty == "skip" else "committed")

    def test_from_below_a_link(self, read: Read, share: Path, empty: str) -> None:
        (share / "2027").symlink_to("/nowhere/at/all")
        with pytest.raises(errors.SourceMissing, match=rf"'{share}/2027' is a link to '/nowhere/at/all'"):
            read("2027/01/01", empty=empty)

    def test_or_a_file_lies_in_its_place(self, read: Read, share: Path, empty: str) -> None:
        (share / "2027").touch()
        with pytest.raises(errors.SourceMissing, match=rf"'{share}/2027' is a file"):
            read("2027/01/01", empty=empty)


def test_nothing_was_there_yet(read: Read, share: Path) -> None:
    """The folder of a new camera: it is empty, and no stage has ever read a file of it."""
    shutil.rmtree(share / "2026")
    assert read().outcome == "skipped"
    read(empty="commit")
    assert read("2026/11/06").outcome == "skipped"


def test_another_stages_targets_prove_nothing(read: Read, share: Path, tmp_path: Path) -> None:
    read("2026/10/31", stage="other")
    shutil.rmtree(share / "2026")
    (tmp_path / "interim" / "2026/10/31/_dirops/manifest.json").chmod(0o600)
    assert read().outcome == "skipped"
    (tmp_path / "interim" / "2026/10/31/_dirops/manifest.json").write_bytes(b"{")
    assert read().outcome == "skipped"


def test_a_nested_folder_without_a_partition_says_how_to_name_it(share: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"target": tmp_path / "t", "read": read_text, "codec": "text", "empty": "skip"}
    with pytest.raises(errors.SourceMissing, match=r"want '.*/2026/11', .* partition='2026/11/05' in a script"):
        read_directory(source=share / DAY, **options)
    assert read_directory(source=share / DAY, partition=DAY, **options).outcome == "skipped"


class TestARollUp:
    @pytest.fixture
    def roll_up(self, read: Read, tmp_path: Path) -> Read:
        read("2026/10/31")

        def of_days(*days: str, **options: Any) -> Outcome:
            source = Partitions(tmp_path / "interim" / "{partition}", days or (DAY, "2026/11/06"), "allow")
            given = {"target": tmp_path / "week", "transform": shout, "codec": "text", "empty": "skip", **options}
            return transform_directory(source=source, **given)

        return of_days

    def test_of_a_month_without_days(self, roll_up: Read) -> None:
        assert roll_up().outcome == "skipped"
        assert roll_up("2026/10/31", DAY).counts["inputs"] == 2

    def test_of_a_share_that_is_away(self, roll_up: Read, tmp_path: Path) -> None:
        roll_up("2026/10/31")
        (tmp_path / "interim").rename(tmp_path / "elsewhere")
        with pytest.raises(errors.SourceMissing, match=rf"'{tmp_path}/interim', where they lie, is not"):
            roll_up()
        (tmp_path / "interim").mkdir()
        with pytest.raises(errors.SourceMissing, match=rf"'{tmp_path}/interim' is empty, though"):
            roll_up()
        assert len(values_of(tmp_path / "week")) == 2

    def test_of_a_year_behind_a_link_that_leads_nowhere(self, roll_up: Read, tmp_path: Path) -> None:
        (tmp_path / "interim" / "2027").symlink_to("/nowhere/at/all")
        with pytest.raises(errors.SourceMissing, match="is a link to '/nowhere/at/all'"):
            roll_up("2026/10/31", "2027/01/01")


@pytest.mark.parametrize(
    ("path", "partition", "before"),
    [
        ("/data/raw/2026/11/05", "2026/11/05", "/data/raw"),
        ("/data/raw/2026/11/05/left", "2026/11/05", "/data/raw"),
        ("/data/raw/day=2026-11-05/left", "2026-11-05", "/data/raw"),
        ("/data/raw/2026-11-05", None, "/data/raw"),
        ("/data/raw/left", "2026-11-05", "/data/raw"),
        ("/data/raw/raw", "raw", "/data/raw"),
        ("/data/raw/camera10/left", "camera1", "/data/raw/camera10"),
        ("/2026-11-05", "2026-11-05", "/"),
        ("/data/a.b/x", "a?b", "/data/a.b"),
    ],
)
def test_what_a_partitions_name_has_no_part_in(path: str, partition: str | None, before: str) -> None:
    assert before_partition(path, partition) == before
