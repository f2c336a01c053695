"""Targets that are refused, snapshots that are damaged or gone: what the message says to do makes it work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Retention, open_snapshot, read_manifest, transform_directory, upkeep
from tests.advice.conftest import Run
from tests.core.children import as_nobody
from tests.core.conftest import public

__all__ = ["public"]

Refused = Callable[..., str]


def test_another_stages_target(run: Run, target: Path, refused: Refused) -> None:
    run()
    message = refused(run, stage="renamed")
    assert "choose another target" in message
    run(stage="renamed", target=target.with_name("another"))
    follow(message)
    run(stage="renamed")
    assert read_manifest(target).stage == "renamed"


def test_a_directory_that_no_stage_wrote(run: Run, target: Path, refused: Refused) -> None:
    target.mkdir(parents=True)
    (target / "mine.txt").write_text("by hand")
    message = refused(run)
    run(target=target.with_name("another"))
    follow(message)
    run()
    kept = list((target.parent / ".dirops" / target.name / "retired").glob("*/mine.txt"))
    assert [path.read_text() for path in kept] == ["by hand"]


def test_a_mount_point(run: Run, refused: Refused) -> None:
    shm = Path("/dev/shm")
    if not shm.is_mount() or not os.access(shm, os.W_OK):
        pytest.skip("/dev/shm is no mount point that can be written")
    assert "use a directory below it" in refused(run, target=shm)
    below = shm / f"dirops-advice-{os.getpid()}"
    try:
        run(target=below / "target")
    finally:
        subprocess.run(["rm", "-rf", below], check=True)


@pytest.mark.parametrize("inside", ["raw", "raw/below", "."])
def test_targets_that_would_eat_something(raw: Path, run: Run, tmp_path: Path, refused: Refused, inside: str) -> None:
    refused(run, target=tmp_path / inside)
    run(target=tmp_path / "beside")


def follow(message: str) -> None:
    """Type the command that a message ends with."""
    (command,) = re.findall(r"(dirops adopt .+)$", message)
    done = subprocess.run(
        [sys.executable, "-m", "airflow_dirops", *shlex.split(command)[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_damaged_header_is_rolled_back_or_made_again(run: Run, target: Path, refused: Refused) -> None:
    run()
    (target / "_dirops/manifest.json").write_text("{")
    message = refused(values, target=target)
    assert f"dirops rollback {target} ;" in message
    follow(message)
    run()
    assert values(target) == ["aaa", "bbb", "ccc"]


def spoil(path: Path) -> None:
    """Change a byte, and leave size and time as they were."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"?" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def values(target: Path, **options: Any) -> list[str]:
    with open_snapshot(target, **options) as snapshot:
        return [record.value for record in snapshot]


def test_a_file_that_was_changed_by_hand_is_made_again(run: Run, target: Path, refused: Refused) -> None:
    run()
    spoil(target / "a.txt")
    message = refused(values, target=target, verify=True)
    ((option, value),) = re.findall(r"run its stage with (\w+)=.(\w+)., or", message)
    run(**{option: value})
    assert values(target, verify=True) == ["aaa", "bbb", "ccc"]


def test_or_the_target_is_rolled_back(raw: Path, run: Run, target: Path, refused: Refused) -> None:
    run()
    (raw / "a.txt").write_text("later")
    run()
    (target / "a.txt").chmod(0o644)
    (target / "a.txt").write_text("?")
    assert "or roll the target back" in refused(values, target=target)
    upkeep.rollback(target)
    assert values(target, verify=True) == ["aaa", "bbb", "ccc"]


def test_a_snapshot_that_is_no_longer_kept(raw: Path, run: Run, target: Path, refused: Refused) -> None:
    pin = run().to_dict()
    (raw / "a.txt").write_text("later")
    gone = run(retention=Retention(0, 0)).to_dict()
    assert gone["snapshot"] != pin["snapshot"]
    options: dict[str, Any] = {"transform": str.upper, "codec": "text"}
    message = refused(transform_directory, source=pin, target=target.with_name("upper"), **options)
    assert "run the stage that made it again" in message
    transform_directory(source=run().to_dict(), target=target.with_name("upper"), **options)
    assert "read the current snapshot by path" in message
    transform_directory(source=target, target=target.with_name("other"), **options)
    assert "or keep snapshots for longer" in message
    (raw / "a.txt").write_text("later still")
    run(retention=Retention(1, 24))
    transform_directory(source=gone, target=target.with_name("third"), **options)


def test_a_manifest_of_the_future(run: Run, target: Path, refused: Refused) -> None:
    run()
    header = target / "_dirops/manifest.json"
    written = header.read_text()
    header.chmod(0o644)
    header.write_text(written.replace('"dirops/1"', '"dirops/2"'))
    assert "upgrade airflow-dirops here" in refused(read_manifest, target=target)
    header.write_text(written)  # as an upgraded version would read it
    read_manifest(target)


def test_a_target_nobody_may_write(run: Run, public: Path) -> None:
    folder = public / "out"
    folder.mkdir(mode=0o555)
    source = public / "raw"
    source.mkdir(mode=0o755)
    (source / "a.txt").write_text("a")
    message = as_nobody(lambda: run(source=source, target=folder / "target"))
    assert "give that user permission to write there" in message
    (path, user) = re.findall(r"the directory '(.+?)' is not writable for user (\d+)", message)[0]
    os.chown(path, int(user), -1)
    os.chmod(path, 0o755)
    assert "committed" in as_nobody(lambda: run(source=source, target=folder / "target"))
