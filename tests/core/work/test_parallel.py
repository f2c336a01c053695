"""Stages with several workers: the same result as with one, and a file that kills its worker costs that file only."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.directories import assert_whole, lines_of, orphans_of, values_of

FILES = 120
# What may differ between two runs that do the same.
OF_THE_RUN = {"snapshot", "created", "attempt", "seconds"}


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    for number in range(FILES):
        path = tmp_path / "numbers" / f"{number % 7}" / f"n{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    return tmp_path / "numbers"


def read_number(path: str) -> Any:
    number = int(Path(path).read_text())
    if number % 10 == 0:
        return None
    if number % 10 == 1:
        raise ValueError(f"{number} is odd")
    return np.full((8, 8), number)


def halves(value: Any, *, key: str) -> Iterator[tuple[str, Any]]:
    yield f"{key}-left", value[:, :4]
    yield f"{key}-right", value[:, 4:]


def all_files(target: Path) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@pytest.mark.parametrize("durability", ["full", "process"])
def test_the_result_is_the_same_for_any_number_of_workers(numbers: Path, tmp_path: Path, durability: Any) -> None:
    seen = []
    for workers in (1, 2, 5, "auto"):
        first, last = tmp_path / f"{workers}" / "interim", tmp_path / f"{workers}" / "final"
        options: Any = {"workers": workers, "durability": durability}
        read_directory(source=numbers, target=first, read=read_number, on_error="quarantine", **options)
        transform_directory(source=first, target=last, transform=halves, **options)
        found = [all_files(first), all_files(last)]
        for files in found:
            header = json.loads(files.pop("_dirops/manifest.json"))
            for name in OF_THE_RUN | {"source"}:
                del header[name]
            files["header"] = json.dumps(header).encode()
        # Frames differ in a process that was forked for it; what failed and why does not.
        quarantine = [json.loads(line) for line in found[0].pop("_dirops/quarantine.jsonl").splitlines()]
        found[0]["quarantine"] = json.dumps([{**line, "traceback": ""} for line in quarantine]).encode()
        found[0]["header"] = b"its lists hold the digest of those frames"
        assert all("in read_number" in line["traceback"] for line in quarantine)
        seen.append(found)
    assert all(found == seen[0] for found in seen[1:])
    assert len(seen[0][1]) == 2 * 96 + 4


def killer(how: Callable[[], object]) -> Callable[[str], Any]:
    def read(path: str) -> Any:
        if path.endswith(("n017.txt", "n093.txt")):
            how()
        return np.array(int(Path(path).read_text()))

    return read


DEATHS = {
    "a segfault": (lambda: ctypes.string_at(0), "WorkerDied", "worker process killed by SIGSEGV"),
    "an exit": (lambda: os._exit(3), "WorkerDied", "worker process ended with exit code 3"),
    "a kill": (
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        "WorkerDied",
        "worker process killed by SIGKILL, perhaps for want of memory",
    ),
    "a hang": (lambda: time.sleep(600), "TimedOut", "timed out after 0.5 s"),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_file_that_kills_its_worker_costs_that_file_only(numbers: Path, target: Path, death: str) -> None:
    how, error, message = DEATHS[death]
    outcome = read_directory(
        source=numbers, target=target, read=killer(how), workers=2, file_timeout=0.5, on_error="quarantine"
    )
    assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (FILES - 2, 2)
    found = [
        (line["path"], line["error"], line["message"], line.get("tries", 1))
        for line in lines_of(target, "quarantine.jsonl")
    ]
    assert found == [("2/n093.txt", error, message, 1), ("3/n017.txt", error, message, 1)]
    assert_whole(target)
    assert orphans_of(target) == []


def test_without_a_quarantine_it_is_named(numbers: Path, target: Path) -> None:
    with pytest.raises(errors.RecordFailed, match=r"'.*/3/n017.txt' .*killed by SIGSEGV"):
        read_directory(
            source=numbers, target=target, read=killer(lambda: ctypes.string_at(0)), workers=2, pattern="3/*"
        )
    assert not target.exists()


def test_a_time_limit_holds_for_one_worker_too(numbers: Path, target: Path) -> None:
    with pytest.raises(errors.RecordFailed, match=r"n017\.txt' .*: timed out after 0\.2 s"):
        read_directory(
            source=numbers, target=target, read=killer(lambda: time.sleep(60)), file_timeout=0.2, pattern="3/*"
        )


def test_what_a_dead_worker_had_half_written_is_not_committed(numbers: Path, target: Path) -> None:
    def parts(path: str) -> Iterator[tuple[str, Any]]:
        stem = Path(path).stem
        yield f"{stem}-a", np.zeros(3)
        if stem == "n017":
            os._exit(1)
        yield f"{stem}-b", np.zeros(3)

    outcome = read_directory(source=numbers, target=target, read=parts, workers=2, on_error="quarantine")
    assert outcome.counts["entries"] == 2 * (FILES - 1)
    assert not (target / "n017-a.npy").exists()
    assert_whole(target)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_fails_is_tried_again_after_the_others(
    numbers: Path, target: Path, tmp_path: Path, workers: int
) -> None:
    log = tmp_path / "log"

    def flaky(path: str) -> Any:
        with open(log, "a") as file:
            file.write(Path(path).stem + "\n")
        if path.endswith("n017.txt") and log.read_text().count("n017") < 3:
            raise OSError("the mount is asleep")
        if path.endswith("n018.txt"):
            raise ValueError("never")
        return np.zeros(1)

    outcome = read_directory(
        source=numbers, target=target, read=flaky, workers=workers, file_retries=2, on_error="quarantine"
    )
    assert (outcome.counts["computed"], outcome.counts["quarantined"]) == (FILES - 1, 1)
    (line,) = lines_of(target, "quarantine.jsonl")
    assert (line["path"], line["tries"]) == ("4/n018.txt", 3)
    calls = log.read_text().split()
    assert sorted(calls[-4:]) == ["n017", "n017", "n018", "n018"]
    assert len(calls) == FILES + 4


def test_a_retry_in_a_new_worker_writes_the_very_same_names(numbers: Path, target: Path, tmp_path: Path) -> None:
    def dies_once(path: str) -> Iterator[tuple[str, Any]]:
        stem = Path(path).stem
        yield f"{stem}-a", np.zeros(3)
        if stem == "n017" and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        yield f"{stem}-b", np.zeros(3)

    outcome = read_directory(source=numbers, target=target, read=dies_once, workers=2, file_retries=1)
    assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (2 * FILES, 0)
    assert_whole(target)


@pytest.mark.parametrize("workers", [1, 2])
def test_names_that_are_not_utf8_travel(target: Path, tmp_path: Path, workers: int) -> None:
    source = tmp_path / "odd"
    source.mkdir()
    for name in (b"\xff\n.txt", "☃ snow.txt".encode(), b"bad\xfe.txt"):
        with open(os.fsencode(source) + b"/" + name, "w") as file:
            file.write("x")

    def read(path: str) -> str:
        if "bad" in path:
            raise ValueError(path)
        return "x"

    read_directory(source=source, target=target, read=read, codec="text", workers=workers, on_error="quarantine")
    assert sorted(os.listdir(os.fsencode(target))) == [b"_dirops", "☃ snow.txt".encode(), b"\xff\n.txt"]
    assert lines_of(target, "quarantine.jsonl")[0]["path_b64"] == "YmFk/i50eHQ="


@pytest.mark.parametrize(
    "option",
    [
        {"workers": 0},
        {"workers": "many"},
        {"workers": True},
        {"file_retries": -1},
        {"file_timeout": 0},
        {"workers": 1.5},
    ],
)
def test_numbers_that_make_no_sense_are_refused(numbers: Path, target: Path, option: dict[str, Any]) -> None:
    with pytest.raises(errors.ArgumentRefused, match=next(iter(option))):
        read_directory(source=numbers, target=target, read=read_number, **option)


STOPPED = """
import os, signal, sys, time
from airflow_dirops.core import read_directory
from airflow_dirops.core.errors import Stopped

def stop(*_):
    raise Stopped("asked to")

def read(path):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(60)

signal.signal(signal.SIGTERM, stop)
read_directory(source=sys.argv[1], target=sys.argv[2], read=read, workers=2)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_stage(numbers: Path, target: Path, sent: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED, numbers, target], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(sent)
        assert parent.wait(20) != 0
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    outcome = read_directory(source=numbers, target=target, read=read_number, on_error="quarantine")
    assert outcome.outcome == "committed"
    assert len(values_of(target)) == FILES * 8 // 10
