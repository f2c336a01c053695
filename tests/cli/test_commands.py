"""The ``dirops`` command, as a person and as a program uses it."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from airflow_dirops.cli.main import app
from airflow_dirops.core import read_directory
from airflow_dirops.core.format.runs import new_id


@pytest.fixture
def target(tmp_path):
    source, target = tmp_path / "raw", tmp_path / "out"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.txt").write_text("x" * number)
        read_directory(source=source, target=target, read=read_text, codec="text", stage="letters")
    return target


def read_text(path):
    with open(path) as file:
        return file.read()


def dirops(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


def parsed(*arguments):
    code, output = dirops(*arguments, "--json")
    return code, json.loads(output)


def test_show_tells_what_is_there(target):
    code, text = dirops("show", target)
    assert code == 0
    assert "letters" in text
    assert "3 entries" in text
    assert parsed("show", target)[1]["counts"]["entries"] == 3


def test_log_lists_what_is_kept_with_the_current_one_first(target):
    code, rows = parsed("log", target)
    assert code == 0
    assert [row["files"] for row in rows] == [3, 2, 1]
    assert [row["current"] for row in rows] == [True, False, False]
    assert rows[0]["snapshot"] in dirops("log", target)[1]


def test_verify_exits_with_1_when_it_finds_something(target):
    assert dirops("verify", target, "--deep")[0] == 0
    (target / "1.txt").unlink()
    code, found = parsed("verify", target)
    assert code == 1
    assert found["findings"] == [{"path": "1.txt", "problem": "missing", "detail": "1 bytes were committed"}]
    assert "missing" in dirops("verify", target)[1]


def test_repair_restores_and_says_what(target):
    (target / "1.txt").unlink()
    code, repaired = parsed("repair", target)
    assert (code, repaired["restored"]) == (0, ["1.txt"])
    assert dirops("verify", target, "--deep")[0] == 0


def test_repair_exits_with_1_when_the_stage_must_run(target):
    (target / "2.txt").unlink()
    code, text = dirops("repair", target)
    assert code == 1
    assert "redo='damaged'" in text


def test_rollback_and_clean(target):
    before = parsed("log", target)[1]
    assert parsed("rollback", target)[1]["restored"] == before[1]["snapshot"]
    assert parsed("rollback", target, "--snapshot", before[2]["snapshot"])[1]["counts"]["entries"] == 1
    code, cleaned = parsed("clean", target, "--keep-snapshots", "0", "--keep-hours", "0")
    assert code == 0
    assert {row["snapshot"] for row in before} < set(cleaned["snapshots"])


def test_clean_says_when_something_stays(target):
    assert dirops("clean", target)[1].splitlines()[0].strip() == f"{target} is clean"
    mine = target.parent / ".dirops" / target.name / "attempts" / new_id()
    (mine / "alive").mkdir(parents=True)
    code, text = dirops("clean", target)
    assert code == 0
    assert f"{target} is clean, but for what stays" in " ".join(text.split())
    assert mine.name in "".join(text.split())


def test_the_log_marks_what_is_current_and_who_brought_it_back(target):
    _, (last, before, _) = parsed("log", target)
    dirops("rollback", target)
    rows = parsed("log", target)[1]
    assert [row["current"] for row in rows] == [True, False, False, False]
    assert [row["snapshot"] for row in rows[1:3]] == [last["snapshot"], before["snapshot"]]
    assert rows[0]["made by"].startswith(f"rollback of {before['snapshot']} by {getpass.getuser()} on ")
    assert [row["made by"] for row in rows[1:]] == [None] * 3
    assert rows[0]["created"] > last["created"]
    assert f"rollback of {before['snapshot']}" in dirops("show", target)[1]


def test_rollback_to_what_is_there_says_so(target):
    _, (last, *_) = parsed("log", target)
    assert "nothing was done" in dirops("rollback", target, "--snapshot", last["snapshot"])[1]


def test_an_error_says_what_and_exits_with_2(tmp_path):
    code, text = dirops("show", tmp_path)
    assert code == 2
    assert "has no manifest" in text
    assert parsed("show", tmp_path) == (
        2,
        {"error": "manifest-missing", "message": parsed("show", tmp_path)[1]["message"]},
    )


def test_names_that_are_not_utf_8_are_shown_with_escapes(target):
    name = os.fsdecode(b"caf\xe9")
    (target / name).write_text("stray")
    code, found = parsed("verify", target)
    assert code == 1
    assert found["findings"][0]["path"] == "caf\\xe9"
    assert "caf\\xe9" in dirops("verify", target)[1]


def test_the_command_starts_without_airflow(target):
    code = f"import sys; sys.modules['airflow'] = None; sys.argv = ['dirops', 'show', {str(target)!r}]; "
    code += "from airflow_dirops.cli.main import app; app()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "letters" in done.stdout
