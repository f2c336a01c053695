"""``dirops plan``: what a stage would do, from a terminal or for a program."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Partitions, errors, read_directory, read_manifest, transform_directory
from tests.cli.calls import dirops_process

READ = """
def read(path):
    with open(path) as file:
        return file.read()

def other(path):
    return "other"

number = 1
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A source and a target that a function of ``functions.py`` made, and what has changed since."""
    (tmp_path / "functions.py").write_text(READ)
    (tmp_path / "raw").mkdir()
    for name in "abc":
        (tmp_path / f"raw/{name}.txt").write_text(name)
    namespace: dict[str, Any] = {}
    exec(compile(READ, tmp_path / "functions.py", "exec"), namespace)
    read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=namespace["read"], codec="text", version="1")
    (tmp_path / "raw/b.txt").unlink()
    (tmp_path / "raw/d.txt").write_text("d")
    return tmp_path


def plan(place: Path, *options: str, source: str = "raw") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_dirops", "plan", source, "out", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, env=environment)


def parsed(place: Path, *options: str, **changes: str) -> dict[str, Any]:
    return dict(json.loads(plan(place, "--json", *options, **changes).stdout))


def test_a_table_and_a_summary(place: Path) -> None:
    done = plan(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:4] == ["carried  a.txt", "removed  b.txt", "carried  c.txt", "new      d.txt"]
    assert "2 carried, 1 new, 1 removed" in done.stdout
    assert "not looked at: no --read, --transform or --aggregate" in done.stdout


def test_json(place: Path) -> None:
    found = parsed(place)
    assert found["inputs"][1] == {"reason": "removed", "path": "b.txt"}
    assert found["counts"] == {"carried": 2, "new": 1, "removed": 1}
    assert parsed(place, "--pattern", "*.png")["counts"] == {"removed": 3}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param(["--read", "functions:read", "--version", "1"], "carried", id="the same version"),
        pytest.param(["--read", "functions:other", "--version", "2"], "code", id="another version"),
        pytest.param(["--read", "functions:other"], "code", id="other code"),
        pytest.param(["--read", "functions:read", "--version", "1", "--codec", "json"], "code", id="another codec"),
    ],
)
def test_code_is_compared_where_a_function_is_named(place: Path, options: list[str], reason: str) -> None:
    found = parsed(place, *options)
    assert found["code"] == "compared"
    assert found["inputs"][0] == {"reason": reason, "path": "a.txt"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--read", "functions:nothing"], "has no attribute 'nothing'"),
        (["--read", "nowhere:read"], "No module named 'nowhere'"),
        (["--transform", "functions"], "module:function"),
        (["--read", "functions:number"], "is a int, not a function"),
        (["--version", "1"], "--version stands for the code"),
    ],
)
def test_functions_that_are_none(place: Path, options: list[str], message: str) -> None:
    done = plan(place, *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_an_error_is_one_document(place: Path) -> None:
    assert parsed(place, source="nowhere")["error"] == "source-missing"


def test_an_empty_plan_is_a_document_too(place: Path) -> None:
    (place / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "airflow_dirops", "plan", "empty", "fresh", "--json"],
        cwd=place,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["inputs"] == []
    assert not (place / "fresh").exists()


TOGETHER = """
def count(records):
    return str(len(list(records)))

def sum_up(records):
    return "".join(record.value for record in records)

def both(one, other):
    return one + other

def upper(value, *, params):
    return value.upper()

class Codec:
    name, suffix = "points", ".points"

    def encode(self, value, file):
        file.write(value.encode())

    def decode(self, file):
        return file.read().decode()

codec = Codec()
"""


@pytest.fixture
def stages(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Targets that were made of others: of all records, of two sources, with params, and with a codec of one's own."""
    (place / "together.py").write_text(TOGETHER)
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "together", raising=False)
    made = import_module("together")
    joined: dict[str, Any] = {"source": ["out", "raised"], "codec": "text"}
    upper: dict[str, Any] = {"transform": made.upper, "params": {"by": 1}}
    transform_directory(source="out", target="counted", aggregate=made.count, codec="text", stage="dag.count")
    transform_directory(source="out", target="raised", **upper, codec="text", stage="dag.upper")
    transform_directory(target="joined", transform=made.both, join="inner", **joined)
    transform_directory(target="gathered", aggregate=made.count, join="outer", **joined)
    read_directory(source="raw", target="pointed", read=contents, codec=made.codec, stage="dag.own")
    return place


def contents(path: str) -> str:
    return Path(path).read_text()


def counts(place: Path, *arguments: str) -> dict[str, int]:
    done = run(place, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return dict(json.loads(done.stdout)["counts"])


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return dirops_process("plan", *arguments, cwd=place)


COUNT, BOTH = ("--aggregate", "together:count"), ("--transform", "together:both")


@pytest.mark.parametrize(
    "arguments",
    [
        ("counted",),
        ("out", "counted"),
        ("out", "counted", *COUNT),
        ("counted", *COUNT),
        ("joined",),
        ("joined", *BOTH),
        ("out", "raised", "joined"),
        ("out", "raised", "joined", "--join", "inner", *BOTH),
        ("gathered",),
        ("gathered", *COUNT),
        ("raised", "--transform", "together:upper", "--params", '{"by": 1}'),
        ("pointed",),
    ],
)
def test_what_is_unchanged_is_carried_over_whatever_made_it(stages: Path, arguments: tuple[str, ...]) -> None:
    assert counts(stages, *arguments) == {"carried": 3}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("counted", "--aggregate", "together:sum_up"), "code"),
        (("counted", *COUNT, "--stage", "dag.other"), "new"),
        (("counted", *COUNT, "--redo", "all"), "redo"),
        (("joined", "--transform", "together:both", "--version", "2"), "code"),
        (("raised", "--transform", "together:upper", "--params", '{"by": 2}'), "code"),
        (("pointed", "--read", "functions:read", "--codec", "together:codec"), "code"),
    ],
)
def test_what_would_run_of_them(stages: Path, arguments: tuple[str, ...], reason: str) -> None:
    assert counts(stages, *arguments) == {reason: 3}


def test_what_changed_in_a_source_runs_in_all_that_was_made_of_it(stages: Path) -> None:
    (stages / "raw/a.txt").write_text("aaa")
    read_directory(source="raw", target="out", read=contents, codec="text", stage="read")
    for target, expected in {
        "raised": {"carried": 1, "changed": 1, "new": 1, "removed": 1},
        "joined": {"carried": 1, "changed": 1, "removed": 1},
        "counted": {"changed": 3},
        "gathered": {"changed": 4},
    }.items():
        assert counts(stages, target) == expected, target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("out", "fresh", "--aggregate", "together:nothing"), "has no attribute 'nothing'"),
        (("out", "raised", "fresh"), "2 sources are matched by key; add --join inner, outer or strict"),
        (("fresh",), "'fresh' has no manifest that says what it is made from; name the source in front of it"),
        (("out", "counted", "--read", "functions:read"), "add --aggregate module:function"),
        (("raised", "--params", "by=1"), "is no JSON object"),
        (("pointed", "--read", "functions:read"), "there is no codec 'points'"),
    ],
)
def test_what_cannot_be_planned(stages: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(stages, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_one_source_of_a_joined_target_is_told_the_whole_command(stages: Path) -> None:
    done = run(stages, "out", "joined")
    assert done.returncode == 2
    advice = shlex.split(done.stderr.partition("name them all: dirops plan ")[2])
    assert counts(stages, *advice) == {"carried": 3}


def test_a_pattern_for_each_source(stages: Path) -> None:
    (stages / "pairs").mkdir()
    for name in ("a.hdr", "a.dat", "b.hdr", "b.dat", "c.txt"):
        (stages / "pairs" / name).write_text(name)
    each = ("--pattern", "**/*.hdr", "--pattern", "**/*.dat")
    assert counts(stages, "pairs", "pairs", "of_pairs", "--join", "inner", *each) == {"new": 2}
    assert counts(stages, "pairs", "pairs", "of_pairs", "--join", "outer", "--pattern", "**/*.txt") == {"new": 1}
    refused = run(stages, "pairs", "pairs", "of_pairs", "--join", "inner", *each, "--pattern", "x")
    assert (refused.returncode, "3 patterns for 2 sources" in refused.stderr) == (2, True)
    assert "a list, which is for joined sources" in run(stages, "pairs", "of_pairs", *each).stderr


class TestWhatARunWouldRefuse:
    """A plan says what the run would say, and takes what would make it go through."""

    @pytest.fixture
    def shrunk(self, place: Path) -> Path:
        for number in range(20):
            (place / f"raw/{number}.txt").write_text("x")
        self.run(place)
        for number in range(12):
            (place / f"raw/{number}.txt").unlink()
        return place

    @staticmethod
    def run(place: Path, **options: Any) -> Any:
        return read_directory(
            source=place / "raw",
            target=place / "out",
            codec="text",
            read=lambda path: Path(path).read_text(),
            version="1",
            stage=read_manifest(place / "out").stage,
            **options,
        )

    def test_results_that_would_go(self, shrunk: Path) -> None:
        with pytest.raises(errors.TooManyRemoved) as refused:
            self.run(shrunk)
        message = str(refused.value).replace(str(shrunk) + "/", "")
        (told,) = parsed(shrunk)["refused"]
        assert told.replace(str(shrunk) + "/", "") == message
        assert message in plan(shrunk).stdout.replace(str(shrunk) + "/", "")
        assert "refused" not in parsed(shrunk, "--max-removed", "100%")
        for bound, is_refused in (("50%", True), ("12", False), ("11", True), ("60%", False)):
            assert ("refused" in parsed(shrunk, "--max-removed", bound)) == is_refused
        assert parsed(shrunk, "--max-removed", "half")["error"] == "argument-refused"
        assert plan(shrunk).returncode == 0

    def test_until_somebody_lets_it_through(self, shrunk: Path) -> None:
        (told,) = parsed(shrunk)["refused"]
        command = shlex.split(told.rpartition("or run: ")[2])
        assert dirops_process(*command[1:], cwd=shrunk).returncode == 0
        assert "refused" not in parsed(shrunk)
        assert self.run(shrunk).outcome == "committed"

    def test_inputs_that_cannot_be_opened(self, place: Path) -> None:
        (place / "raw/away.txt").symlink_to(place / "nowhere")
        (told,) = parsed(place)["refused"]
        with pytest.raises(errors.DanglingLink) as refused:
            self.run(place)
        assert told.splitlines()[0] == str(refused.value).splitlines()[0]
        assert "refused" not in parsed(place, "--on-error", "quarantine")

    def test_a_source_without_a_match(self, place: Path) -> None:
        (told,) = parsed(place, "--pattern", "*.png")["refused"]
        with pytest.raises(errors.SourceEmpty) as refused:
            self.run(place, pattern="*.png")
        assert (
            told.splitlines()[0].partition("matches")[2] == str(refused.value).splitlines()[0].partition("matches")[2]
        )
        for choice in ("skip", "commit"):
            assert "refused" not in parsed(place, "--pattern", "*.png", "--empty", choice)


def test_a_roll_up_is_planned_for_the_partitions_it_was_made_of(tmp_path: Path) -> None:
    def make(day: str) -> None:
        (tmp_path / "raw" / day).mkdir(parents=True)
        (tmp_path / "raw" / day / "a.txt").write_text(day)
        text = {"read": lambda path: Path(path).read_text(), "codec": "text", "stage": "to_text"}
        read_directory(source=tmp_path / "raw" / day, target=tmp_path / "interim" / day, **text)  # type: ignore[arg-type]

    make("2026-11-01")
    asked = Partitions(tmp_path / "interim/{partition}", ("2026-11-01", "2026-11-02"), "allow")
    transform_directory(source=asked, target=tmp_path / "week", transform=str.upper, codec="text")
    make("2026-11-02")
    found = json.loads(dirops_process("plan", "--json", "week", cwd=tmp_path).stdout)
    assert found["inputs"] == [
        {"reason": "carried", "path": "2026-11-01/a.txt"},
        {"reason": "new", "path": "2026-11-02/a.txt"},
    ]
    refused = dirops_process("plan", "interim/2026-11-01", "week", cwd=tmp_path)
    assert "name it alone" in refused.stderr
