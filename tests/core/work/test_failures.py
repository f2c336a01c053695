"""A bad day is seen whole: every input is tried, nothing is published, and what failed can be looked at."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory, transform_directory, upkeep
from airflow_dirops.core.messages.shown import is_shown
from airflow_dirops.core.work.quarantine import MOST_FAILURES
from tests.core.children import ROOT
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, header_of, lines_of, nothing_lost, orphans_of, values_of

Read = Callable[[str], str]


def make(directory: Path, count: int) -> Path:
    directory.mkdir()
    for number in range(count):
        (directory / f"{number:04}.txt").write_text("good" if number % 3 else "bad")
    return directory


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make(tmp_path / "days", 30)


def strict(path: str) -> str:
    text = Path(path).read_text()
    if text == "bad":
        raise ValueError(f"cannot identify image file {path}")
    if text == "worse":
        raise KeyError("no header")
    return text


def counted(notes: Path, read: Read) -> Read:
    def read_and_note(path: str) -> str:
        with notes.open("a") as file:
            file.write(Path(path).name + "\n")
        return read(path)

    return read_and_note


def stage(source: Path, target: Path, **options: Any) -> Any:
    defaults = {"read": strict, "codec": "text", "on_error": "quarantine", "max_failures": 2, "stage": "days"}
    return read_directory(source=source, target=target, **{**defaults, **options})


def dirops(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_dirops", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("workers", [1, 2])
class TestOverTheBudget:
    def test_every_input_is_tried_and_nothing_published(
        self, source: Path, target: Path, tmp_path: Path, workers: int
    ) -> None:
        (source / "0001.txt").write_text("worse")
        notes = tmp_path / "notes"
        with pytest.raises(errors.TooManyFailures) as caught:
            stage(source, target, read=counted(notes, strict), workers=workers)
        assert len(notes.read_text().splitlines()) == 30
        assert not target.exists()
        message = str(caught.value)
        assert "11 of 30 inputs of stage days failed, and max_failures=2 allows 2" in message
        assert f"10 × ValueError [record-failed]: cannot identify image file {source}/00… ({__file__}, line " in message
        assert "in strict), such as '00" in message
        assert "1 × KeyError [record-failed]: 'no header'" in message
        assert "not tried" not in message

    def test_what_one_line_of_code_raises_for_two_reasons_is_told_apart(
        self, source: Path, target: Path, workers: int
    ) -> None:
        def read(path: str) -> str:
            number = int(Path(path).stem)
            raise ValueError("file is cut short" if number % 3 else f"cannot identify {path}")

        with pytest.raises(errors.TooManyFailures) as caught:
            stage(source, target, read=read, workers=workers)
        assert "20 × ValueError [record-failed]: file is cut short (" in str(caught.value)
        assert f"10 × ValueError [record-failed]: cannot identify {source}/00… (" in str(caught.value)

    def test_messages_that_begin_with_each_files_name_are_one_line(
        self, source: Path, target: Path, workers: int
    ) -> None:
        def read(path: str) -> str:
            raise ValueError(f"{path}: cut short")

        with pytest.raises(errors.TooManyFailures, match=rf"30 × ValueError \[record-failed\]: {source}/00… \("):
            stage(source, target, read=read, workers=workers)

    def test_messages_that_are_all_different_are_few_lines(self, source: Path, target: Path, workers: int) -> None:
        def read(path: str) -> str:
            raise ValueError(chr(ord("a") + int(Path(path).stem) % 26) * 3)

        with pytest.raises(errors.TooManyFailures) as caught:
            stage(source, target, read=read, workers=workers)
        assert str(caught.value).count("× ValueError") == 11

    def test_its_command_shows_them(self, source: Path, target: Path, workers: int) -> None:
        with pytest.raises(errors.TooManyFailures) as caught:
            stage(source, target, workers=workers)
        advice = str(caught.value).partition("with its traceback: ")[2].partition(". Mend")[0]
        program, *arguments = shlex.split(advice)
        assert program == "dirops"
        found = dirops(*arguments)
        assert found.returncode == 1, found.stderr
        assert "10 inputs failed in a try that has committed nothing" in found.stdout
        assert "0027.txt" in found.stdout
        one = dirops(*arguments, source / "0027.txt")
        assert 'raise ValueError(f"cannot identify image file {path}")' in one.stdout
        assert dirops(*arguments, "0001.txt").returncode == 2
        document = json.loads(dirops(*arguments, "--json").stdout)
        assert len(document["inputs"]) == 10
        assert document["groups"][0]["count"] == 10

    def test_the_next_try_does_only_what_failed(self, source: Path, target: Path, tmp_path: Path, workers: int) -> None:
        with pytest.raises(errors.TooManyFailures):
            stage(source, target, workers=workers, version="1")
        for number in (0, 3, 6, 9, 12, 15, 18, 21):
            (source / f"{number:04}.txt").write_text("mended")
        notes = tmp_path / "notes"
        outcome = stage(source, target, read=counted(notes, strict), workers=workers, version="1")
        assert sorted(notes.read_text().splitlines()) == [f"{number:04}.txt" for number in range(0, 30, 3)]
        assert (outcome.counts["computed"], outcome.counts["reused"], outcome.counts["quarantined"]) == (8, 20, 2)
        assert_whole(target)
        found = upkeep.list_failures(target)
        assert (found.snapshot, found.attempt) == (outcome.snapshot, None)
        assert [one.path for one in found.inputs] == ["0024.txt", "0027.txt"]
        assert orphans_of(target) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_they_are_counted_by_kind(tmp_path: Path, target: Path, workers: int) -> None:
    source = make(tmp_path / "days", 9)
    (source / "away.txt").symlink_to("/nowhere/at/all")

    def read(path: str) -> Any:
        if path.endswith("4.txt"):
            os.kill(os.getpid(), signal.SIGKILL)
        return object() if path.endswith("5.txt") else strict(path)

    if workers == 1:
        (source / "0004.txt").unlink()
    stage(source, target, read=read, workers=workers, max_failures=9)
    kinds = {line["path"]: (line["error"], line["kind"]) for line in lines_of(target, "quarantine.jsonl")}
    died = {"0004.txt": ("WorkerDied", "record-failed")} if workers == 2 else {}
    assert kinds == {
        **{f"000{number}.txt": ("ValueError", "record-failed") for number in (0, 3, 6)},
        **died,
        "0005.txt": ("EncodeError", "encode-error"),
        "away.txt": ("DanglingLink", "dangling-link"),
    }
    document = json.loads(dirops("failures", target, "--json").stdout)
    assert {one["path"]: (one["error"], one["kind"]) for one in document["inputs"]} == kinds
    counted = Counter[str]()
    for group in document["groups"]:
        counted[group["kind"]] += group["count"]
    assert counted == Counter(kind for _, kind in kinds.values())
    assert "encode-error" in dirops("failures", target).stdout
    assert re.search(r"kind +dangling-link", dirops("failures", target, "away.txt").stdout)


def test_a_list_of_an_older_version_has_no_kinds_and_is_read(tmp_path: Path) -> None:
    target = tmp_path / "words"
    shutil.copytree(ROOT / "tests/core/format/formats/dirops-1", target)
    (found,) = upkeep.list_failures(target).inputs
    assert (found.error, found.kind) == ("ValueError", "")
    assert dirops("failures", target).returncode == 1


def test_a_higher_budget_is_a_way_on(source: Path, target: Path) -> None:
    with pytest.raises(errors.TooManyFailures, match="or set max_failures= higher, for one run as 'How many may fail'"):
        stage(source, target)
    assert stage(source, target, max_failures=10).counts["quarantined"] == 10


def test_after_very_many_it_stops_and_says_so(tmp_path: Path, target: Path) -> None:
    source = make(tmp_path / "many", 1_200)
    for path in source.iterdir():
        path.write_text("bad")
    with pytest.raises(errors.TooManyFailures, match="it stopped there, and 200 inputs were not tried"):
        stage(source, target, durability="process")
    assert len(upkeep.list_failures(target).inputs) == MOST_FAILURES


def test_more_than_that_are_tried_where_they_are_allowed(tmp_path: Path, target: Path) -> None:
    source = make(tmp_path / "many", 1_100)
    for path in source.iterdir():
        path.write_text("bad")
    outcome = stage(source, target, durability="process", max_failures="100%")
    assert outcome.counts["quarantined"] == 1_100


def test_when_all_fail_the_budget_is_told_in_words(source: Path, target: Path) -> None:
    for path in source.iterdir():
        path.write_text("bad")
    with pytest.raises(errors.TooManyFailures, match=r"every input .* 30 of 30"):
        stage(source, target, max_failures=None)


def test_a_percentage(source: Path, target: Path) -> None:
    with pytest.raises(errors.TooManyFailures, match=r"10 of 30 .* max_failures='10%' allows 3"):
        stage(source, target, max_failures="10%")


def test_with_retries_each_counts_once(source: Path, target: Path) -> None:
    with pytest.raises(errors.TooManyFailures, match="10 of 30"):
        stage(source, target, file_retries=2)
    assert {one.tries for one in upkeep.list_failures(target).inputs} == {3}


def test_of_a_stage_that_ends_at_the_first_failure_that_one_is_shown(source: Path, target: Path) -> None:
    with pytest.raises(errors.RecordFailed):
        stage(source, target, on_error="fail", max_failures=None)
    (one,) = upkeep.list_failures(target).inputs
    assert (one.path, one.error, one.tries) == ("0000.txt", "ValueError", 1)
    assert one.place.endswith("in strict")


class TestInAnAggregate:
    @staticmethod
    def total(records: Iterator[Any]) -> str:
        return " ".join([record.value for record in records])

    def test_all_are_tried(self, source: Path, target: Path) -> None:
        with pytest.raises(errors.TooManyFailures, match="10 of 30"):
            transform_directory(
                source=source,
                target=target,
                read=strict,
                aggregate=self.total,
                codec="text",
                on_error="quarantine",
                max_failures=3,
            )
        assert not target.exists()
        assert len(upkeep.list_failures(target).inputs) == 10

    def test_a_function_that_has_too_little_to_go_on_with_is_not_blamed(self, source: Path, target: Path) -> None:
        def fussy(records: Iterator[Any]) -> str:
            if len(list(records)) < 25:
                raise ZeroDivisionError("too few")
            return "x"

        options: Any = {"source": source, "target": target, "read": strict, "aggregate": fussy, "codec": "text"}
        with pytest.raises(errors.TooManyFailures, match="10 of 30"):
            transform_directory(**options, on_error="quarantine", max_failures=3)
        with pytest.raises(errors.RecordFailed, match="too few"):
            transform_directory(**options, on_error="quarantine", max_failures=12)


class TestWhichFailures:
    def test_those_of_the_newest_try_come_before_those_of_the_snapshot(self, source: Path, target: Path) -> None:
        stage(source, target, max_failures=10)
        assert len(upkeep.list_failures(target).inputs) == 10
        (source / "0001.txt").write_text("bad")
        with nothing_lost(target), pytest.raises(errors.TooManyFailures):
            stage(source, target, max_failures=10)
        found = upkeep.list_failures(target)
        assert len(found.inputs) == 11
        assert found.snapshot is None
        assert found.attempt in orphans_of(target)
        assert found.began.startswith("20")

    def test_after_a_success_the_failed_try_is_forgotten(self, run: Run, target: Path) -> None:
        def refuse(path: str) -> str:
            raise ValueError("x")

        run()
        with pytest.raises(errors.TooManyFailures):
            run(read=refuse, on_error="quarantine")
        assert len(upkeep.list_failures(target).inputs) == 3
        assert run().outcome == "unchanged"
        found = upkeep.list_failures(target)
        assert (found.inputs, found.snapshot) == ([], header_of(target)["snapshot"])
        assert dirops("failures", target).returncode == 0

    def test_where_nothing_ever_ran(self, tmp_path: Path) -> None:
        with pytest.raises(errors.ManifestMissing, match="no try that failed"):
            upkeep.list_failures(tmp_path / "nowhere")

    def test_what_lies_about_is_passed_over(self, source: Path, target: Path) -> None:
        with pytest.raises(errors.TooManyFailures):
            stage(source, target)
        attempts = control_of(target) / "attempts"
        (attempts / ".DS_Store").write_text("x")
        (attempts / "zzz").mkdir()
        (attempts / "ffffffff-ffff-7fff-bfff-ffffffffffff").mkdir()
        assert len(upkeep.list_failures(target).inputs) == 10


def test_names_that_are_not_utf8(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "names"
    source.mkdir()
    with open(bytes(source) + b"/caf\xe9.txt", "w") as file:
        file.write("bad")
    with pytest.raises(errors.TooManyFailures) as caught:
        stage(source, target, max_failures=0)
    assert is_shown(str(caught.value))
    (one,) = upkeep.list_failures(target, "caf\udce9.txt").inputs
    assert one.path == "caf\udce9.txt"
    for arguments in ([], ["--json"], [b"caf\xe9.txt"], ["caf\\udce9.txt"], ["caf\\xe9.txt"]):
        command = [sys.executable, "-m", "airflow_dirops", "failures", target, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
        assert done.returncode == 1, done.stderr
        assert b"caf\\" in done.stdout


class TestTheEndOfTheLog:
    def test_says_how_many_were_set_aside_and_how_to_see_them(
        self, source: Path, target: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        for _ in range(2):  # the second time, nothing new
            caplog.clear()
            stage(source, target, max_failures=10)
            last = caplog.messages[-1]
            assert last == f"10 of 30 inputs were set aside, since they failed; which and why: dirops failures {target}"
            assert sum("dirops failures" in message for message in caplog.messages) == 1
        assert dirops(*shlex.split(last.partition(": dirops ")[2])).returncode == 1

    def test_says_nothing_of_it_on_a_good_day(self, run: Run, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        run()
        assert caplog.messages[-1].startswith("stage copy committed in ")
        assert "set aside" not in caplog.text


def test_what_failed_is_in_the_manifest_with_its_place(source: Path, target: Path) -> None:
    stage(source, target, max_failures=10)
    assert {line["place"].rpartition(", in ")[2] for line in lines_of(target, "quarantine.jsonl")} == {"strict"}
    assert len(values_of(target)) == 20
