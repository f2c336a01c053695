"""A person decides about inputs that failed; the next run does so, and its manifest says why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_dirops.core import (
    Outcome,
    accept_failures,
    errors,
    iter_plan,
    list_failures,
    open_snapshot,
    read_directory,
    replace_failure,
    retry_failures,
    status,
    verify,
)
from tests.text_files import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "raw", a="good", b="bad", c="bad", d="good")
    return tmp_path


class Read:
    """Fails on what is bad, and notes what it was called with."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, path: str) -> str:
        self.calls.append(Path(path).name)
        text = Path(path).read_text()
        if text.startswith("bad"):
            raise ValueError("it is bad")
        return text


def run(root: Path, read: Any, **options: Any) -> Outcome:
    return read_directory(
        source=root / "raw",
        target=root / "t",
        read=read,
        **{"codec": "text", "stage": "s", "version": "1", "on_error": "quarantine", "max_failures": 3, **options},
    )


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "t/_dirops" / name).read_text().splitlines()]


def test_what_is_accepted_is_skipped_with_its_reason_and_no_longer_red(root: Path) -> None:
    run(root, Read())
    assert status(root).counts == {"quarantined": 1}
    (decision,) = accept_failures(root / "t", ["b.txt"], reason="the camera was off")
    assert str(decision).startswith("accepted as skipped by ")
    assert [each.decided is not None for each in list_failures(root / "t").inputs] == [True, False]
    read = Read()
    outcome = run(root, read)
    assert (outcome.outcome, outcome.counts["quarantined"], outcome.counts["skipped"]) == ("committed", 1, 1)
    assert read.calls == ["c.txt"]
    (skipped,) = lines(root, "skipped.jsonl")
    assert skipped["path"] == "b.txt"
    assert skipped["accepted"]["reason"] == "the camera was off"
    assert skipped["accepted"]["user"]
    assert verify(root / "t", deep=True).is_good
    accept_failures(root / "t", reason="lost")
    assert run(root, Read()).counts["quarantined"] == 0
    assert status(root).counts == {"whole": 1}
    assert run(root, Read()).outcome == "unchanged"


def test_it_outlives_new_code_and_a_run_that_redoes_everything_but_not_a_new_file(root: Path) -> None:
    run(root, Read())
    accept_failures(root / "t", reason="lost")
    run(root, Read())
    for options in ({"version": "2"}, {"version": "2", "redo": "all"}, {"version": "2", "workers": 2, "redo": "all"}):
        outcome = run(root, Read(), **options)
        assert (outcome.outcome, outcome.counts["skipped"], outcome.counts["quarantined"]) == ("committed", 2, 0)
        assert [each["accepted"]["reason"] for each in lines(root, "skipped.jsonl")] == ["lost", "lost"]
    write(root / "raw", b="good by now")
    outcome = run(root, Read(), version="2")
    assert (outcome.counts["entries"], outcome.counts["skipped"]) == (3, 1)


def test_a_stage_that_never_committed_goes_on_without_what_was_accepted(root: Path) -> None:
    with pytest.raises(errors.InputError):
        run(root, Read(), on_error="fail", max_failures=None)
    with pytest.raises(errors.ArgumentRefused, match="tries all of them again"):
        retry_failures(root / "t", ["b.txt"])
    accept_failures(root / "t", ["b.txt"], reason="lost")
    with pytest.raises(errors.InputError):
        run(root, Read(), on_error="fail", max_failures=None)
    accept_failures(root / "t", ["c.txt"], reason="lost")
    outcome = run(root, Read(), on_error="fail", max_failures=None)
    assert (outcome.outcome, outcome.counts["entries"], outcome.counts["skipped"]) == ("committed", 2, 2)


def test_only_these_are_tried_again_and_the_others_stay_as_they_are(root: Path) -> None:
    run(root, Read())
    before = lines(root, "quarantine.jsonl")
    retry_failures(root / "t", ["c.txt"])
    read = Read()
    assert run(root, read).outcome == "unchanged"
    assert read.calls == ["c.txt"]
    read = Read()
    run(root, read)  # that was for once
    assert read.calls == ["b.txt", "c.txt"]
    retry_failures(root / "t", ["c.txt"])
    write(root / "raw", e="new")
    read = Read()
    outcome = run(root, read)
    assert (outcome.outcome, sorted(read.calls)) == ("committed", ["c.txt", "e.txt"])
    assert lines(root, "quarantine.jsonl")[0] == before[0]
    assert outcome.counts["quarantined"] == 2


def test_what_was_accepted_can_be_tried_again(root: Path) -> None:
    run(root, Read())
    accept_failures(root / "t", reason="lost")
    run(root, Read())
    retry_failures(root / "t", ["b.txt"])
    read = Read()
    outcome = run(root, read)
    assert read.calls == ["b.txt"]
    assert outcome.counts["quarantined"] == 1
    (skipped,) = lines(root, "skipped.jsonl")
    assert (skipped["path"], skipped["accepted"]["reason"]) == ("c.txt", "lost")


def test_a_file_stands_for_what_an_input_would_have_given(root: Path) -> None:
    run(root, Read())
    (root / "by-hand.txt").write_text("by hand")
    replace_failure(root / "t", "b.txt", root / "by-hand.txt", reason="typed from paper")
    (root / "by-hand.txt").unlink()
    outcome = run(root, Read())
    assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (3, 1)
    assert {record.key: record.value for record in open_snapshot(root / "t")}["b"] == "by hand"
    assert [each.get("replaced", {}).get("reason") for each in lines(root, "files.jsonl")] == [
        None,
        "typed from paper",
        None,
    ]
    assert verify(root / "t", deep=True).is_good
    run(root, Read(), version="2")
    assert {record.key: record.value for record in open_snapshot(root / "t")}["b"] == "by hand"
    assert lines(root, "files.jsonl")[1]["replaced"]["reason"] == "typed from paper"
    assert [*(root / ".dirops/t/replacements").iterdir()]
    retry_failures(root / "t", ["b.txt"])
    assert not [*(root / ".dirops/t/replacements").iterdir()]
    run(root, Read(), version="2")
    assert [each["path"] for each in lines(root, "quarantine.jsonl")] == ["b.txt", "c.txt"]


def test_a_replacement_must_be_of_the_codec(root: Path) -> None:
    run(root, lambda path: 1 / (Path(path).name not in ("b.txt", "c.txt")), codec="npy")
    (root / "wrong.npy").write_text("no array")
    with pytest.raises(errors.ArgumentRefused, match="cannot read"):
        replace_failure(root / "t", "b.txt", root / "wrong.npy", reason="r")
    with pytest.raises(errors.SourceMissing):
        replace_failure(root / "t", "b.txt", root / "nowhere.npy", reason="r")
    np.save(root / "right.npy", np.ones(3))
    replace_failure(root / "t", "b.txt", root / "right.npy", reason="r")
    run(root, lambda path: 1 / (Path(path).name not in ("b.txt", "c.txt")), codec="npy", workers=2)
    assert {record.key: record.value.tolist() for record in open_snapshot(root / "t")}["b"] == [1, 1, 1]


def test_what_cannot_be_decided(root: Path) -> None:
    run(root, Read())
    with pytest.raises(errors.ArgumentRefused, match=r"no input 'a\.txt' has failed"):
        accept_failures(root / "t", ["a.txt"], reason="r")
    with pytest.raises(errors.ArgumentRefused, match="say why"):
        accept_failures(root / "t", ["b.txt"], reason=" ")
    with pytest.raises(errors.ManifestMissing):
        accept_failures(root / "raw", ["b.txt"], reason="r")
    assert not (root / ".dirops/t/triage.jsonl").exists()


def test_names_that_are_no_text_and_reasons_that_steer_terminals(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / name).write_text("bad")
    write(tmp_path / "raw", a="good")
    run(tmp_path, Read())
    (decision,) = accept_failures(tmp_path / "t", [name], reason="\x1b[2J" + "x" * 1_500)
    assert "\x1b" not in decision.note.reason
    assert len(decision.note.reason) < 1_200
    assert run(tmp_path, Read()).counts["skipped"] == 1


def test_a_damaged_document_hinders_no_run_and_is_put_aside(root: Path) -> None:
    run(root, Read())
    accept_failures(root / "t", ["b.txt"], reason="lost")
    document = root / ".dirops/t/triage.jsonl"
    document.write_text('{"path": "../../etc/passwd"}\n')
    read = Read()
    assert run(root, read).outcome == "unchanged"
    assert read.calls == ["b.txt", "c.txt"]
    accept_failures(root / "t", ["b.txt"], reason="lost")
    assert [path.name for path in (root / ".dirops/t").glob("triage.jsonl.unreadable-*")]
    assert run(root, Read()).counts["skipped"] == 1


def test_the_plan_looks_at_decisions_too(root: Path) -> None:
    run(root, Read())
    retry_failures(root / "t", ["c.txt"])
    planned = iter_plan(source=root / "raw", target=root / "t", stage="s")
    assert {each.path: each.reason for each in planned} == {
        "a.txt": "carried",
        "b.txt": "carried",
        "c.txt": "retry",
        "d.txt": "carried",
    }
