"""Reading back: one snapshot, whole, whatever happens to the target meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from airflow_dirops.core import errors, open_snapshot, transform_directory
from tests import needs
from tests.core.conftest import Run
from tests.core.directories import assert_whole, retired_of, values_of, write_texts
from tests.core.seed import shout


class TestReading:
    def test_records_are_lazy(self, run: Run, target: Path) -> None:
        run()
        with open_snapshot(target) as snapshot:
            records = list(snapshot)
            (target / "b.txt").unlink()
            assert [record.key for record in records] == ["a", "b", "c"]
            assert records[0].value == records[0].value == "alpha"
            with pytest.raises(errors.SnapshotDamaged, match=r"b\.txt' is not what its manifest says"):
                _ = records[1].value

    def test_paths_open_the_file(self, run: Run, target: Path) -> None:
        run()
        with open_snapshot(target) as snapshot:
            assert [Path(record.path).read_text() for record in snapshot] == ["alpha", "beta", "gamma"]
            record = next(iter(snapshot))
            said = subprocess.run(["cat", record.path], capture_output=True, text=True, check=True).stdout
        assert said == "alpha"

    def test_pickles_only_on_request(self, run: Run, target: Path) -> None:
        run(codec="pickle")
        with open_snapshot(target) as snapshot:
            record = next(iter(snapshot))
            with pytest.raises(errors.UntrustedPickle, match=r"source_codec='pickle' \(codec='pickle' when reading\)"):
                _ = record.value
        assert values_of(target, codec="pickle")["a"] == "alpha"

    def test_it_can_be_read_twice(self, run: Run, target: Path) -> None:
        run()
        with open_snapshot(target) as snapshot:
            assert [record.key for record in snapshot] == [record.key for record in snapshot] == ["a", "b", "c"]
            assert len(snapshot) == 3


class TestWhileTheTargetIsReplaced:
    def test_a_reader_sees_one_snapshot(self, run: Run, texts: Path, target: Path) -> None:
        run()
        read = {}
        with open_snapshot(target, verify=True) as snapshot:
            for number, record in enumerate(snapshot):
                write_texts(texts, a=f"a{number}", b=f"b{number}", c=f"c{number}")
                run()
                read[record.key] = (record.value, Path(record.path).read_text())
        assert read == {key: (text, text) for key, text in (("a", "alpha"), ("b", "beta"), ("c", "gamma"))}
        assert values_of(target) == {"a": "a2", "b": "b2", "c": "c2"}

    def test_so_does_a_stage(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        first = run()
        rounds = iter(range(100))

        def replace(text: str, path: str) -> str:
            number = next(rounds)
            write_texts(texts, a=f"a{number}", b=f"b{number}", c=f"c{number}")
            run()
            assert Path(path).read_text() == text
            return text

        transform_directory(source=target, target=tmp_path / "final", transform=replace, codec="text", version="1")
        assert values_of(tmp_path / "final") == {"a": "alpha", "b": "beta", "c": "gamma"}
        with open_snapshot(tmp_path / "final") as snapshot:
            assert snapshot.manifest.source.snapshot == first.snapshot


class TestPinned:
    def test_it_outlives_its_replacement(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        pinned = run().to_dict()
        write_texts(texts, a="new")
        run()
        assert values_of(pinned) == {"a": "alpha", "b": "beta", "c": "gamma"}
        transform_directory(source=pinned, target=tmp_path / "final", transform=shout, codec="text")
        assert values_of(tmp_path / "final")["a"] == "ALPHA"
        assert values_of(target)["a"] == "new"

    def test_until_it_is_no_longer_kept(self, run: Run, target: Path, tmp_path: Path) -> None:
        pinned = run().to_dict()
        run(redo="all")
        (kept,) = retired_of(target)
        shutil.rmtree(kept)
        with pytest.raises(errors.SnapshotExpired, match="no longer kept; run the stage that made it") as caught:
            transform_directory(source=pinned, target=tmp_path / "final", transform=shout, codec="text")
        assert str(target) in str(caught.value)
        assert pinned["snapshot"] in str(caught.value)
        assert not (tmp_path / "final").exists()

    def test_through_a_link(self, run: Run, target: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(target)
        pinned = run(target=tmp_path / "link").to_dict()
        run(target=tmp_path / "link", redo="all")
        assert values_of(pinned)["a"] == "alpha"

    def test_a_target_that_is_gone(self, run: Run, target: Path) -> None:
        pinned = run().to_dict()
        shutil.rmtree(target)
        with pytest.raises(errors.SnapshotExpired):
            open_snapshot(pinned)


COPY = {"cp": ["cp", "-r"], "cp -a": ["cp", "-a"], "rsync": ["rsync", "-r"], "rsync -a": ["rsync", "-a"]}


@pytest.mark.parametrize("how", COPY)
def test_a_copy_is_readable_and_verifiable(run: Run, target: Path, tmp_path: Path, how: str) -> None:
    needs.program(COPY[how][0])
    run()
    copy = tmp_path / "elsewhere" / "copy"
    copy.parent.mkdir()
    subprocess.run([*COPY[how], f"{target}/", str(copy)], check=True)
    assert_whole(copy)
    assert values_of(copy) == values_of(target)
    os.utime(copy / "a.txt")
    assert run(target=copy).outcome == "unchanged"


def test_a_moved_target_is_readable(run: Run, target: Path, tmp_path: Path) -> None:
    run()
    target.rename(tmp_path / "moved")
    assert values_of(tmp_path / "moved")["a"] == "alpha"
