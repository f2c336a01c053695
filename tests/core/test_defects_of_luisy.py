"""The seven defects of luisy's directory outputs, which a stage must not have; they are numbered as they were found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dirops.core import (
    errors,
    iter_plan,
    list_snapshots,
    open_snapshot,
    read_directory,
    read_manifest,
    transform_directory,
    verify,
)
from tests.text_files import read_text, values, write


def read_upper(path: str) -> str:
    return Path(path).read_text().upper()


def test_1_two_stages_have_their_own_function_and_pattern(tmp_path: Path) -> None:
    """There, the reader and the regex of the directory defined last were used for all."""
    write(tmp_path / "raw", a1="a", b1="b")
    plain = {"source": tmp_path / "raw", "codec": "text"}
    read_directory(target=tmp_path / "a", read=read_text, pattern="a*", **plain)
    read_directory(target=tmp_path / "b", read=read_upper, pattern="b*", **plain)
    read_directory(target=tmp_path / "a2", read=read_text, pattern="a*", **plain)
    assert (values(tmp_path / "a"), values(tmp_path / "b")) == ({"a1": "a"}, {"b1": "B"})
    assert values(tmp_path / "a2") == {"a1": "a"}


def test_2_names_that_collide_leave_nothing_behind(tmp_path: Path) -> None:
    """There, the second file was put over the first, and then the run failed with half of its output in place."""
    write(tmp_path / "raw", **{"a.1": "1", "a.2": "2"})

    def first_part(path: str) -> Iterator[tuple[str, str]]:
        yield Path(path).name.partition(".")[0], Path(path).read_text()

    with pytest.raises(errors.KeyRefused, match=r"'a.txt' is made already, from 'a.1.txt'"):
        read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=first_part, codec="text")
    assert not (tmp_path / "out").exists()


def test_3_a_new_raw_file_is_noticed(tmp_path: Path) -> None:
    """There, only code was compared, and a stage was complete whatever its input became."""
    stage = {"source": tmp_path / "raw", "target": tmp_path / "out", "read": read_text, "codec": "text"}
    write(tmp_path / "raw", a="a")
    read_directory(**stage)
    write(tmp_path / "raw", late="late")
    assert dict(iter_plan(**stage)) == {"a.txt": "carried", "late.txt": "new"}
    assert read_directory(**stage).counts["computed"] == 1
    assert values(tmp_path / "out") == {"a": "a", "late": "late"}


def test_4_a_result_that_somebody_deleted_is_made_again(tmp_path: Path) -> None:
    """There, the stage was complete as long as its list was there."""
    stage = {"source": tmp_path / "raw", "target": tmp_path / "out", "read": read_text, "codec": "text"}
    write(tmp_path / "raw", a="a", b="b")
    read_directory(**stage)
    (tmp_path / "out").chmod(0o755)
    (tmp_path / "out/a.txt").unlink()
    assert not verify(tmp_path / "out").is_good
    assert dict(iter_plan(**stage)) == {"a.txt": "missing", "b.txt": "carried"}
    assert read_directory(**stage).outcome == "committed"
    assert verify(tmp_path / "out", deep=True).is_good


def test_5_no_file_of_the_run_before_stays_behind(tmp_path: Path) -> None:
    """There, a changed function removed the list and left the files."""
    write(tmp_path / "raw", a="a", b="b")
    target = tmp_path / "out"
    read_directory(source=tmp_path / "raw", target=target, read=read_text, codec="text", stage="s")
    only_a = {"source": tmp_path / "raw", "target": target, "codec": "text", "stage": "s", "pattern": "a*"}
    read_directory(read=read_upper, **only_a)
    assert sorted(path.name for path in target.iterdir()) == ["_dirops", "a.txt"]
    assert len(list_snapshots(target)) == 2


def test_6_an_empty_or_wrong_folder_is_no_success(tmp_path: Path) -> None:
    """There, it was complete and gave nothing; folders in it were given to the function, in any order."""
    (tmp_path / "raw").mkdir()
    stage = {"target": tmp_path / "out", "read": read_text, "codec": "text"}
    with pytest.raises(errors.SourceEmpty):
        read_directory(source=tmp_path / "raw", **stage)
    with pytest.raises(errors.SourceMissing):
        read_directory(source=tmp_path / "wrong", **stage)
    write(tmp_path / "raw/folder", b="b")
    write(tmp_path / "raw", c="c", a="a")
    read_directory(source=tmp_path / "raw", **stage)
    assert list(values(tmp_path / "out")) == ["a", "c", "folder/b"]


def test_7_a_chain_that_is_moved_works_where_it_is_then(tmp_path: Path) -> None:
    """There, the list lay among the data and held absolute paths."""
    before, after = tmp_path / "before", tmp_path / "after"
    write(before / "raw", a="a")
    read_directory(source=before / "raw", target=before / "one", read=read_text, codec="text", stage="one")
    transform_directory(source=before / "one", target=before / "two", transform=str.upper, codec="text", stage="two")
    with open_snapshot(before / "one") as snapshot:
        assert [entry.path for entry in snapshot.iter_entries()] == ["a.txt"]  # the list is none of the data
    shutil.move(before, after)
    assert str(tmp_path) not in (after / "two/_dirops/manifest.json").read_text()
    assert read_manifest(after / "two").source.location == "one"
    again = transform_directory(
        source=after / "one", target=after / "two", transform=str.upper, codec="text", stage="two"
    )
    assert again.outcome == "unchanged"
    assert values(after / "two") == {"a": "A"}
