"""Targets that must not, or cannot, be replaced; and what survives the swap where they can."""

from __future__ import annotations

import grp
import os
import stat
import struct
from pathlib import Path

import pytest

from airflow_dirops.core import errors, transform_directory
from tests import needs
from tests.core.children import NOBODY
from tests.core.conftest import Run
from tests.core.directories import (
    assert_whole,
    nothing_lost,
    orphans_of,
    retired_of,
    state_of,
    values_of,
    write_texts,
)
from tests.core.seed import shout


class TestRefused:
    @pytest.mark.parametrize(
        ("place", "why"),
        [
            ("texts", "it is the source"),
            ("texts/out", "lies inside the source"),
            (".", "lies inside it and would be replaced"),
            ("texts/../texts/deep/er", "lies inside the source"),
            ("texts/a.txt", "is a file; a target is a directory"),
            ("done/inner", "lies inside another target"),
            ("done/deep/inner", "lies inside another target"),
            ("_dirops/x", "reserved for manifests"),
            (".dirops/x", "reserved for manifests"),
        ],
    )
    def test_where_it_would_do_harm(self, run: Run, texts: Path, tmp_path: Path, place: str, why: str) -> None:
        run(target=tmp_path / "done")
        with nothing_lost(tmp_path), pytest.raises(errors.TargetRefused, match=why) as caught:
            run(target=f"{tmp_path}/{place}")
        assert str(tmp_path / place) in str(caught.value)

    def test_around_another_target(self, run: Run, target: Path) -> None:
        run()
        with nothing_lost(target.parent), pytest.raises(errors.TargetRefused, match="another target lies inside it"):
            run(target=target.parent)

    def test_through_a_link_into_the_source(self, run: Run, texts: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(texts)
        with nothing_lost(texts), pytest.raises(errors.TargetRefused, match="lies inside the source"):
            run(target=tmp_path / "link/out")

    def test_a_mount_point(self, run: Run) -> None:
        with pytest.raises(errors.TargetRefused, match="is a mount point"):
            run(target="/proc")

    def test_another_stages(self, run: Run, target: Path) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match="belongs to stage 'copy'") as caught:
            run(stage="other")
        assert str(caught.value).endswith("--stage=other")
        assert run(stage="other", may_replace={"other_stage"}).outcome in ("committed", "unchanged")
        assert run(stage="other", redo="all").outcome == "committed"
        assert orphans_of(target) == []


class TestNotOurs:
    @pytest.fixture
    def foreign(self, target: Path) -> Path:
        return write_texts(target, precious="thesis")

    def test_is_refused(self, run: Run, foreign: Path) -> None:
        with (
            nothing_lost(foreign),
            pytest.raises(errors.TargetRefused, match=r"dirops adopt .* --stage=copy$") as caught,
        ):
            run()
        assert str(foreign) in str(caught.value)

    def test_is_moved_aside_and_kept(self, run: Run, foreign: Path) -> None:
        before = {Path(path).name: state for path, state in state_of(foreign).items() if path.endswith(".txt")}
        run(may_replace={"unmanaged"})
        run(redo="all")
        (kept,) = [path for path in retired_of(foreign) if path.name.startswith("unmanaged-")]
        assert {Path(path).name: state for path, state in state_of(kept).items() if path.endswith(".txt")} == before
        assert values_of(foreign)["a"] == "alpha"
        assert orphans_of(foreign) == []

    def test_an_empty_directory_belongs_to_nobody(self, run: Run, target: Path) -> None:
        target.mkdir(parents=True)
        run()
        assert_whole(target)
        assert retired_of(target) == []

    def test_what_holds_targets_is_never_moved(self, run: Run, tmp_path: Path, texts: Path) -> None:
        run(target=tmp_path / "around/deep/inner")
        with nothing_lost(tmp_path / "around"), pytest.raises(errors.TargetRefused):
            run(target=tmp_path / "around", may_replace={"unmanaged"})


class TestSurvivesTheSwap:
    def test_a_link(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        disk = tmp_path / "big-disk"
        disk.mkdir()
        target.parent.mkdir()
        target.symlink_to(disk / "real")
        for text in ("one", "two"):
            write_texts(texts, a=text)
            run()
            assert target.is_symlink()
            assert os.readlink(target) == str(disk / "real")
            assert values_of(target)["a"] == text
        assert sorted(os.listdir(target.parent)) == ["target"]
        assert orphans_of(disk / "real") == []

    @pytest.mark.parametrize("mode", [0o700, 0o750, 0o775, 0o2770, 0o2755, 0o1777])
    def test_its_mode(self, run: Run, target: Path, mode: int) -> None:
        run()
        target.chmod(mode)
        run(redo="all")
        assert stat.S_IMODE(target.stat().st_mode) == mode
        run(redo="all")
        assert stat.S_IMODE(target.stat().st_mode) == mode

    def test_the_umask_decides_without_one(self, run: Run, target: Path) -> None:
        before = os.umask(0o027)
        try:
            run()
        finally:
            os.umask(before)
        assert stat.S_IMODE(target.stat().st_mode) == 0o750
        assert stat.S_IMODE((target / "a.txt").stat().st_mode) == 0o440

    def test_its_group(self, run: Run, target: Path) -> None:
        needs.root("to give a directory to another group")
        run()
        group = next(entry.gr_gid for entry in grp.getgrall() if entry.gr_gid not in (0, NOBODY))
        os.chown(target, -1, group)
        target.chmod(0o2750)
        run(redo="all")
        status = target.stat()
        assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (group, 0o2750)
        # The set-group-id bit hands the group on, as it would to files made there by hand.
        assert (target / "a.txt").stat().st_gid == group

    @pytest.mark.parametrize("name", ["system.posix_acl_access", "system.posix_acl_default"])
    def test_its_access_list(self, run: Run, target: Path, name: str) -> None:
        run()
        try:
            os.setxattr(target, name, ACCESS_LIST)
        except OSError:
            pytest.skip("this file system has no access lists")
        mode = stat.S_IMODE(target.stat().st_mode)
        run(redo="all")
        assert os.getxattr(target, name) == ACCESS_LIST
        assert stat.S_IMODE(target.stat().st_mode) == mode


# acl(5) as the kernel stores it: version 2, then tag, permissions and id; user 1000 may read.
ACCESS_LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, who)
    for tag, permissions, who in [
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 5, 1000),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 5, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    ]
)


class TestKeys:
    """Names that a function makes up."""

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            ("", "it is empty"),
            ("../x", "'..' is not allowed"),
            ("a/../../x", "'..' is not allowed"),
            ("/etc/x", "it is absolute"),
            ("a//b", "'' is not allowed"),
            ("./a", "'.' is not allowed"),
            ("a/", "'' is not allowed"),
            ("_dirops/manifest", "'_dirops' is reserved"),
            ("a/.dirops/x", "'.dirops' is reserved"),
            ("n\0l", "NUL"),
            ("x" * 252, "longer than 255 bytes"),
            ("é" * 126, "longer than 255 bytes"),
            (f"{'d' * 250}/" * 13 + "x", "longer than 3072 bytes"),
            ("d/" * 255 + "x", "more than 255 parts"),
            ("\ud800", "no file name can hold"),
            ("...", "as '....txt' it would be read back as '....txt'"),
            (7, "it is a int"),
            (None, "it is a NoneType"),
            (b"a", "it is a bytes"),
        ],
    )
    def test_that_cannot_name_a_file(self, run: Run, texts: Path, target: Path, key: object, why: str) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.KeyRefused, match=why) as caught:
            run(read=lambda path: ((name, "text") for name in ["fine", key]), pattern="a.txt")
        assert "from 'a.txt'" in str(caught.value)
        assert run().outcome == "unchanged"
        assert orphans_of(target) == []

    @pytest.mark.parametrize("key", ["x" * 251, "é" * 125 + "x", "d/" * 254 + "x", ".hidden", "a b\n", "...x"])
    def test_that_just_can(self, run: Run, target: Path, key: str) -> None:
        run(read=lambda path: ((name, "text") for name in [key]), pattern="a.txt")
        assert values_of(target) == {key: "text"}
        assert_whole(target)

    def test_are_reported_together(self, run: Run, target: Path) -> None:
        with pytest.raises(errors.KeyRefused, match="3 records of stage copy") as caught:
            run(read=lambda path: ((f"../{path[-5]}", "text") for _ in "1"))
        assert len(caught.value.findings) == 3
        assert not target.exists()

    def test_are_reported_also_where_failures_are_quarantined(self, run: Run, target: Path) -> None:
        with pytest.raises(errors.KeyRefused, match="nothing was committed"):
            run(read=lambda path: (("../x", "text") for _ in "1"), on_error="quarantine")
        assert not target.exists()

    def test_one_below_a_file(self, run: Run, target: Path) -> None:
        with pytest.raises(errors.KeyRefused, match="needs a directory where another key made a file"):
            run(read=lambda path: ((name, "text") for name in ["a", "a.txt/b"]), pattern="a.txt")
        assert not target.exists()


class TestCollisions:
    @pytest.fixture
    def rivals(self, tmp_path: Path) -> Path:
        source = tmp_path / "rivals"
        source.mkdir()
        for name in ("img_1.png", "img_1.json", "img_2.png", "img_3.json", "img_3.png", "img_0.png", "img_9.png"):
            (source / name).write_text(name)
        return source

    def test_are_reported_together_before_anything_else_is_computed(
        self, run: Run, rivals: Path, target: Path, tmp_path: Path
    ) -> None:
        run()
        seen = tmp_path / "seen"

        def read(path: str) -> str:
            with open(seen, "a") as file:
                file.write(Path(path).name + "\n")
            return path

        with nothing_lost(target), pytest.raises(errors.KeyRefused, match="2 records of stage copy") as caught:
            run(source=rivals, read=read)
        assert seen.read_text().split() == ["img_1.json", "img_1.png", "img_3.json", "img_3.png"]
        findings = "\n".join(caught.value.findings)
        for pair in (("img_1.json", "img_1.png"), ("img_3.json", "img_3.png")):
            (line,) = [line for line in findings.splitlines() if repr(pair[0]) in line]
            assert repr(pair[1]) in line
        assert run().outcome == "unchanged"
        assert orphans_of(target) == []

    def test_are_none_where_one_of_them_gives_nothing(self, run: Run, rivals: Path, target: Path) -> None:
        run(source=rivals, read=lambda path: path[-9:] if path.endswith(".png") else None)
        assert list(values_of(target)) == ["img_0", "img_1", "img_2", "img_3", "img_9"]
        assert_whole(target)

    def test_with_what_is_carried_over(self, run: Run, texts: Path, target: Path) -> None:
        run(read=lambda path: path[-1:], version="1")
        (texts / "b.json").write_text("new")
        with nothing_lost(target), pytest.raises(errors.KeyRefused, match=r"1 records of stage copy") as caught:
            run(read=lambda path: path[-1:], version="1")
        (finding,) = caught.value.findings
        assert "'b.json'" in finding
        assert "'b.txt'" in finding

    def test_between_generators(self, run: Run, target: Path) -> None:
        with pytest.raises(errors.KeyRefused, match="2 records of stage copy") as caught:
            run(read=lambda path: ((name, "text") for name in [f"own/{path[-5]}", "same"]))
        assert all("from 'a.txt'" in finding for finding in caught.value.findings)
        assert not target.exists()


def test_a_partition_that_was_a_stages_is_no_reason_to_lose_it(run: Run, target: Path, tmp_path: Path) -> None:
    """A stage that reads one target and is told to write another one that exists."""
    run()
    other = tmp_path / "out" / "other"
    run(target=other, stage="elsewhere")
    with nothing_lost(other), pytest.raises(errors.TargetRefused, match="belongs to stage 'elsewhere'"):
        transform_directory(source=target, target=other, transform=shout, codec="text")
