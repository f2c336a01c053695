"""Processes that the user's function leaves running: whatever they have inherited, the next try goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from airflow_dirops.core.places.directory.holder import Holder, boot_id
from airflow_dirops.core.upkeep import clean
from tests import needs
from tests.core.children import ROOT, as_nobody, run_python
from tests.core.directories import assert_whole, control_of, orphans_of, write_texts

STAGE = """
import ctypes, os, signal, sys, time
from pathlib import Path
from airflow_dirops.core import open_snapshot, read_directory

here, workers, owner = Path(sys.argv[1]), int(sys.argv[2]), os.getpid()

def leave_running(fork):
    if fork() == 0:
        (here / f"left-{os.getpid()}").touch()
        time.sleep(600)
    while not list(here.glob("left-*")):
        time.sleep(0.01)

def read(path):
    text = Path(path).read_text()
    armed = {how: (here / how).exists() for how in ("kill", "kill-c", "fail", "commit")}
    if text == "deadly" and any(armed.values()):
        leave_running(ctypes.CDLL(None).fork if armed["kill-c"] else os.fork)
        if armed["kill"] or armed["kill-c"]:
            os.kill(owner, signal.SIGKILL)
            time.sleep(600)
        if armed["fail"]:
            raise ValueError("as wished")
    return text

def run():
    return read_directory(source=here / "texts", target=here / "out/target", read=read, codec="text", stage="copy",
                          workers=workers, version="1", durability="process")

if (here / "fail").exists():
    try:
        run()
    except Exception as error:
        print(type(error).__name__, end=" ")
    (here / "fail").unlink()
outcome = run()
print(outcome.outcome, outcome.counts["computed"] + outcome.counts["reused"], outcome.counts["reused"] > 0)
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "stage.py").write_text(STAGE)
    write_texts(tmp_path / "texts", **{f"t{number:02}": f"text {number}" for number in range(20)})
    write_texts(tmp_path / "texts", t15="deadly")
    yield tmp_path
    for process in left_running(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def left_running(here: Path) -> list[int]:
    return [int(path.name.removeprefix("left-")) for path in here.glob("left-*")]


def kill(here: Path, workers: int, how: str = "kill") -> None:
    (here / how).touch()
    assert run_python(here / "stage.py", here, workers, check=False).returncode == -signal.SIGKILL
    (here / how).unlink()


def run(here: Path, workers: int) -> str:
    return run_python(here / "stage.py", here, workers).stdout.strip()


def test_a_child_of_a_killed_process_does_not_block_the_next_try(here: Path) -> None:
    kill(here, 1)
    assert all(Path(f"/proc/{process}").exists() for process in left_running(here))
    assert run(here, 1) == "committed 20 True"
    assert orphans_of(here / "out/target") == []
    assert_whole(here / "out/target")


def test_nor_does_one_that_python_knows_nothing_of(here: Path) -> None:
    kill(here, 1, "kill-c")
    assert run(here, 1) == "committed 20 True"
    assert orphans_of(here / "out/target") == []


def test_nor_does_a_child_of_a_killed_worker(here: Path) -> None:
    kill(here, 2)
    assert run(here, 2) == "committed 20 True"
    assert orphans_of(here / "out/target") == []


def test_nor_does_a_child_of_a_process_that_lives_on(here: Path) -> None:
    (here / "fail").touch()
    assert run(here, 1) == "RecordFailed committed 20 True"
    assert orphans_of(here / "out/target") == []


def test_a_committed_run_may_leave_one_running(here: Path) -> None:
    (here / "commit").touch()
    assert run(here, 1) == "committed 20 False"
    (here / "commit").unlink()
    assert orphans_of(here / "out/target") == []
    assert run(here, 1).startswith("unchanged")


def test_clean_takes_what_such_a_child_holds(here: Path) -> None:
    kill(here, 1)
    (orphan,) = orphans_of(here / "out/target")
    assert clean(here / "out/target").orphans == [orphan]
    assert orphans_of(here / "out/target") == []


def test_who_cannot_be_seen_from_here_may_live(here: Path) -> None:
    """In another container the same id is nobody's, or somebody else's."""
    kill(here, 1)
    (alive,) = control_of(here / "out/target").glob("attempts/*/alive")
    needs.success(["unshare", "--pid", "--fork", "true"], "the right to make a PID namespace")
    script = f"from airflow_dirops.core.upkeep import clean; print(clean({str(here / 'out/target')!r}).orphans)"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert alive.exists()


class TestHolder:
    def test_this_process_is_there(self) -> None:
        holder = Holder.this_process()
        assert holder is not None
        assert not holder.is_gone

    def test_a_process_that_ended_is_gone_before_anyone_waits_for_it(self) -> None:
        ends, child = os.pipe()
        process = os.fork()
        if process == 0:
            holder = Holder.this_process()
            assert holder is not None
            holder_file = os.memfd_create("holder")
            holder.write(holder_file)
            os.write(child, os.pread(holder_file, 4096, 0))
            os._exit(0)
        os.close(child)
        with open(ends, "rb") as answer, open(os.memfd_create("holder"), "r+b", buffering=0) as copy:
            copy.write(answer.read())
            holder = Holder.read(copy.fileno())
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        assert holder is not None
        assert holder.is_gone
        os.waitpid(process, 0)
        assert holder.is_gone

    def test_one_of_another_user_with_its_id_is_not_it(self) -> None:
        init = Holder(boot=boot_id(), pid_namespace=os.stat("/proc/self/ns/pid").st_ino, process=1, started=0)
        started = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
        later = msgspec.structs.replace(init, started=started + 1)
        assert as_nobody(lambda: later.is_gone) == "True"
        assert as_nobody(lambda: msgspec.structs.replace(init, started=started).is_gone) == "False"

    def test_another_process_with_its_id_is_not_it(self) -> None:
        holder = Holder.this_process()
        assert holder is not None
        assert Holder(
            boot=holder.boot, pid_namespace=holder.pid_namespace, process=os.getpid(), started=holder.started - 1
        ).is_gone
        for elsewhere in ({"boot": "another"}, {"pid_namespace": 1}):
            members = {name: getattr(holder, name) for name in holder.__struct_fields__}
            assert not Holder(**members | {"started": 1} | elsewhere).is_gone
