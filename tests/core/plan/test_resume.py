"""A run that was killed: the target is as before, and the next run does the rest."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from airflow_dirops.core import open_snapshot
from tests.core.children import run_python
from tests.core.directories import assert_whole, control_of, nothing_lost, orphans_of, values_of, write_texts

STAGE = """
import os, signal, sys
from pathlib import Path
from airflow_dirops.core import read_directory

here, durability, full = Path(sys.argv[1]), sys.argv[2], len(sys.argv) > 3

def read(path):
    with open(here / "calls", "a") as calls:
        calls.write(os.path.basename(path) + "\\n")
    text = Path(path).read_text()
    if text == "deadly" and (here / "armed").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return None if text == "skip" else text

if __name__ == "__main__":
    outcome = read_directory(source=here / "texts", target=here / "out/target", read=read, codec="text",
                             stage="copy", durability=durability, redo="all" if full else "needed")
    print(outcome.outcome, outcome.counts["computed"], outcome.counts["reused"], outcome.counts["carried"])
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "stage.py").write_text(STAGE)
    write_texts(tmp_path / "texts", **{f"t{number}": f"text {number}" for number in range(10)})
    write_texts(tmp_path / "texts", t3="skip", t7="deadly")
    return tmp_path


def run(here: Path, *arguments: str) -> str:
    return run_python(here / "stage.py", here, *(arguments or ("process",))).stdout.strip()


def kill(here: Path, durability: str = "process") -> None:
    (here / "armed").touch()
    done = run_python(here / "stage.py", here, durability, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (here / "armed").unlink()


def calls(here: Path) -> list[str]:
    return (here / "calls").read_text().split()


class TestKilled:
    def test_the_next_run_goes_on_from_there(self, here: Path) -> None:
        target = here / "out/target"
        kill(here)
        assert not target.exists()
        assert len(orphans_of(target)) == 1
        assert run(here) == "committed 3 7 0"
        assert calls(here) == [f"t{number}.txt" for number in [*range(8), 7, 8, 9]]
        assert "t3" not in values_of(target)
        assert len(values_of(target)) == 9
        assert_whole(target)
        assert orphans_of(target) == []

    def test_also_where_every_file_is_made_durable_first(self, here: Path) -> None:
        kill(here, "full")
        outcome, computed, reused, _ = run(here, "full").split()
        assert (outcome, int(computed) + int(reused)) == ("committed", 10)
        assert int(computed) >= 3
        assert_whole(here / "out/target")

    def test_again_and_again(self, here: Path) -> None:
        kill(here)
        kill(here)
        assert len(orphans_of(here / "out/target")) == 2
        assert calls(here).count("t0.txt") == 1
        assert run(here) == "committed 3 7 0"
        assert orphans_of(here / "out/target") == []

    def test_the_target_is_untouched_and_what_was_there_is_carried(self, here: Path) -> None:
        target = here / "out/target"
        run(here)
        write_texts(here / "texts", t1="new", t5="new", t7="deadly", t9="new")
        os.utime(here / "texts/t7.txt", ns=(1, 1))
        with nothing_lost(target):
            kill(here)
        assert run(here) == "committed 2 2 6"
        assert values_of(target)["t5"] == "new"
        assert_whole(target)


class TestNotReused:
    """What a dead attempt finished, and what is no longer so."""

    def test_inputs_that_changed_since(self, here: Path) -> None:
        kill(here)
        write_texts(here / "texts", t1="other text")
        (here / "texts/t2.txt").unlink()
        assert run(here) == "committed 4 5 0"
        found = values_of(here / "out/target")
        assert found["t1"] == "other text"
        assert "t2" not in found

    def test_work_of_other_code(self, here: Path) -> None:
        kill(here)
        (here / "stage.py").write_text(STAGE.replace("else text\n", "else text + '!'\n"))
        assert run(here) == "committed 10 0 0"
        assert set(map(len, values_of(here / "out/target").values())) == {7}
        assert orphans_of(here / "out/target") == []

    def test_where_everything_is_asked_for_anew(self, here: Path) -> None:
        kill(here)
        assert run(here, "process", "full") == "committed 10 0 0"

    @pytest.mark.parametrize("damage", ["touched", "cut", "replaced", "gone"])
    def test_files_that_were_changed_since(self, here: Path, damage: str) -> None:
        kill(here)
        (file,) = (control_of(here / "out/target") / "attempts").glob("*/tree/t1.txt")
        match damage:
            case "touched":
                os.utime(file)
            case "cut":
                os.truncate(file, 2)
            case "replaced":
                file.unlink()
                file.write_text("tExt 1")
            case "gone":
                file.unlink()
        assert run(here) == "committed 4 6 0"
        assert values_of(here / "out/target")["t1"] == "text 1"
        assert_whole(here / "out/target")

    def test_a_line_that_the_crash_cut_off(self, here: Path) -> None:
        kill(here)
        (journal,) = (control_of(here / "out/target") / "attempts").glob("*/journal.jsonl")
        journal.write_bytes(journal.read_bytes()[:-9])
        assert run(here) == "committed 4 6 0"
        assert_whole(here / "out/target")

    def test_files_after_a_reboot_unless_their_bytes_are_right(self, here: Path) -> None:
        kill(here)
        (attempt,) = (control_of(here / "out/target") / "attempts").iterdir()
        owner = (attempt / "owner.json").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert boot in owner
        (attempt / "owner.json").write_text(owner.replace(boot, "an earlier boot"))
        # As a power loss leaves it: the name and the size, without the bytes.
        status = (attempt / "tree/t1.txt").stat()
        (attempt / "tree/t1.txt").chmod(0o644)
        (attempt / "tree/t1.txt").write_bytes(bytes(6))
        os.utime(attempt / "tree/t1.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
        assert run(here) == "committed 4 6 0"
        assert values_of(here / "out/target")["t1"] == "text 1"


def test_a_failure_is_resumed_likewise(here: Path) -> None:
    (here / "texts/t7.txt").write_bytes(b"\xff")  # not UTF-8
    failed = run_python(here / "stage.py", here, "process", check=False)
    assert "RecordFailed: read failed on" in failed.stderr
    write_texts(here / "texts", t7="mended")
    assert run(here) == "committed 3 7 0"
    with open_snapshot(here / "out/target") as snapshot:
        assert len(snapshot) == 9
