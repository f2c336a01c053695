"""A source and a target that are one directory by other names: links, mounts, and the ways of ``/proc``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dirops.core import errors
from airflow_dirops.core.disk.identity import Mounts
from tests.core.conftest import Run
from tests.core.directories import control_of, nothing_lost, values_of, write_texts


class TestLinksInTheSource:
    """With ``follow_symlinks=True``."""

    @pytest.mark.parametrize("leads_to", ["out/target", "out", "."])
    def test_to_the_target(self, run: Run, texts: Path, target: Path, tmp_path: Path, leads_to: str) -> None:
        run()
        (texts / "link").symlink_to(tmp_path / leads_to)
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match="would read what this one makes"):
            run(follow_symlinks=True)
        assert run().outcome == "unchanged"

    @pytest.mark.parametrize("whose", ["target", "other"])
    def test_to_a_control_directory(self, run: Run, texts: Path, tmp_path: Path, whose: str) -> None:
        for name in ("target", "other"):
            run(target=tmp_path / "out" / name)
            run(target=tmp_path / "out" / name, redo="all")
        (texts / "link").symlink_to(control_of(tmp_path / "out" / whose) / "retired")
        assert run(follow_symlinks=True).outcome == "unchanged"
        assert set(values_of(tmp_path / "out/target")) == {"a", "b", "c"}


class TestOtherNames:
    @pytest.mark.parametrize("source", ["out/target", "out", ".", "link", "link-out", "out/.dirops/target/retired"])
    def test_a_source_that_is_or_holds_the_target(self, run: Run, target: Path, tmp_path: Path, source: str) -> None:
        run()
        (tmp_path / "link").symlink_to(target)
        (tmp_path / "link-out").symlink_to(target.parent)
        with nothing_lost(target), pytest.raises(errors.TargetRefused):
            run(source=tmp_path / source)

    @pytest.mark.parametrize("prefix", ["/proc/self/cwd", "/proc/self/root{}"])
    def test_through_proc(
        self, run: Run, texts: Path, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        before = prefix.format(tmp_path)
        for target in (f"{before}/texts", f"{before}/texts/out"):
            with nothing_lost(texts), pytest.raises(errors.TargetRefused, match="the source"):
                run(target=target)


def test_bind_mounts(tmp_path: Path) -> None:
    """In a mount namespace of its own, where one may be made."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a mount namespace")
    write_texts(tmp_path / "data/raw", a="alpha")
    write_texts(tmp_path / "data/out/deep", b="beta")
    for name in ("bind", "deep", "data/raw/inner"):
        (tmp_path / name).mkdir()
    script = f"""
set -e
cd {tmp_path}
mount --bind data bind
mount --bind data/out/deep deep
exec {sys.executable} - <<'END'
from airflow_dirops.core import errors, read_directory
from airflow_dirops.core.places.directory.preflight import check_target
from pathlib import Path
import subprocess
for target, source in [
    ("bind/raw", "data/raw"), ("data/raw", "bind/raw"), ("bind/raw/out", "data/raw"), ("data/raw/out", "bind/raw"),
    ("bind/raw/not/yet", "data/raw"), ("data/out", "bind/out/deep"), ("data/out", "deep"), ("deep", "data/out"),
]:
    try:
        check_target(target, [Path(source)])
    except errors.TargetRefused as error:
        continue
    raise SystemExit(f"{{target}} from {{source}}")
check_target("bind/new", [Path("data/raw")])
subprocess.run(["mount", "--bind", "data/out", "data/raw/inner"], check=True)
for target in ("data/out", "bind/out", "data/out/deep/er"):
    try:
        check_target(target, [Path("data/raw")])
    except errors.TargetRefused as error:
        assert "mounted inside the source" in str(error), error
        continue
    raise SystemExit(target)
END
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("path", "expected"), [("/proc", True), ("/", True), ("/proc/self", False), ("/tmp/x", False)])
def test_mount_points(path: str, expected: bool) -> None:
    assert Mounts().is_point(Path(path)) is expected


def test_a_directory_in_other_letters(run: Run, public: Path) -> None:
    """Where a file system takes them for one: ext4 and tmpfs can, if a folder asks for it."""
    folder = public / "folded"
    folder.mkdir()
    subprocess.run(["chattr", "+F", os.fspath(folder)], capture_output=True, check=False)
    write_texts(folder / "raw", a="alpha")
    if not (folder / "RAW").exists():
        pytest.skip("needs a file system that folds case")
    with pytest.raises(errors.TargetRefused, match="it is the source"):
        run(source=folder / "raw", target=folder / "RAW")
