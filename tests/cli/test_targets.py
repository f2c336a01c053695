"""What a person types or pastes finds the targets that are meant, one or many."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import pytest
from typer.testing import CliRunner

from airflow_dirops.cli.main import app
from airflow_dirops.core import errors, read_directory, transform_directory
from tests.cli.calls import dirops, parsed

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
ROOT = "AIRFLOW__DIROPS__ROOT"


def make(target: Path, files: int = 1) -> Path:
    raw = target.parent / f".raw-{target.name}"
    raw.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (raw / f"{number}.txt").write_text("x" * (number + 1))
    read_directory(source=raw, target=target, read=lambda path: Path(path).read_text(), codec="text", stage="letters")
    return target


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for day in DAYS:
        make(tmp_path / "data/interim/letters" / day)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "data"


@pytest.fixture
def elsewhere(data: Path) -> Path:
    return data.with_name("elsewhere")


PASTED = "interim/letters/2026-11-01"


def test_a_path_of_a_dag_is_below_the_root_of_the_environment(data: Path, elsewhere: Path) -> None:
    done = dirops("show", PASTED, cwd=elsewhere, **{ROOT: str(data)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(data / PASTED)


@pytest.mark.parametrize("variable", ["AIRFLOW_HOME", "AIRFLOW_CONFIG"])
def test_a_path_of_a_dag_is_below_the_root_of_airflow_cfg(data: Path, elsewhere: Path, variable: str) -> None:
    config = elsewhere / "airflow.cfg"
    config.write_text("[core]\nunit_test_mode = False\n[dirops]\nroot = $ABOVE/data\n")
    place = {"AIRFLOW_HOME": elsewhere, "AIRFLOW_CONFIG": config}[variable]
    done = dirops("show", PASTED, cwd=elsewhere, **{variable: str(place), "ABOVE": str(data.parent)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(data / PASTED)


def test_the_settings_are_those_that_airflow_finds(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.configuration import AirflowSDKConfigParser, initialize_config

    from airflow_dirops.cli.settings import setting

    (elsewhere / "airflow.cfg").write_text("[dirops]\nroot = ~/a%%b\nroot_cmd = echo no\nkeep_hours =\n")
    monkeypatch.setenv("AIRFLOW_CONFIG", str(elsewhere / "airflow.cfg"))
    for value in (None, "", "/e", "~/e", "$HOME/x"):
        if value is None:
            monkeypatch.delenv(ROOT, raising=False)
        else:
            monkeypatch.setenv(ROOT, value)
        monkeypatch.setenv(f"{ROOT}_CMD", "echo /no")
        conf: AirflowSDKConfigParser = initialize_config()
        for option in ("root", "keep_hours"):
            found = setting(option)
            assert (found.value if found else None) == (conf.get("dirops", option, fallback=None) or None)


def test_clean_keeps_for_as_long_as_the_settings_say(data: Path) -> None:
    target = data / PASTED
    make(target, files=2)
    assert parsed("clean", target, cwd=data, AIRFLOW__DIROPS__KEEP_SNAPSHOTS="0")["snapshots"] == []
    done = dirops("clean", target, cwd=data, AIRFLOW__DIROPS__KEEP_HOURS="soon")
    assert done.returncode == 2
    assert "keep_hours='soon' (AIRFLOW__DIROPS__KEEP_HOURS) is no number" in done.stderr
    done = dirops("clean", target, cwd=data, AIRFLOW__DIROPS__KEEP_SNAPSHOTS="-1")
    assert "keep_snapshots='-1' (AIRFLOW__DIROPS__KEEP_SNAPSHOTS) is no number of 0 or more" in done.stderr
    settings = {"AIRFLOW__DIROPS__KEEP_SNAPSHOTS": "0", "AIRFLOW__DIROPS__KEEP_HOURS": "0"}
    assert len(parsed("clean", target, cwd=data, **settings)["snapshots"]) == 1


def test_of_two_the_one_below_the_working_directory_is_taken_and_that_is_said(data: Path, elsewhere: Path) -> None:
    here = make(elsewhere / PASTED)
    done = dirops("show", PASTED, cwd=elsewhere, **{ROOT: str(data)})
    assert done.stdout.splitlines()[0] == str(here)
    assert f"this is {str(here)!r}; {str(data / PASTED)!r} is a target too" in done.stderr


def test_a_folder_that_happens_to_be_here_does_not_hide_a_target(data: Path, elsewhere: Path) -> None:
    (elsewhere / PASTED).mkdir(parents=True)
    done = dirops("show", PASTED, cwd=elsewhere, **{ROOT: str(data)})
    assert done.stdout.splitlines()[0] == str(data / PASTED)


def test_nothing_found_says_where_it_looked(data: Path, elsewhere: Path) -> None:
    done = dirops("show", "interim/nothing", cwd=elsewhere, **{ROOT: str(data)})
    assert done.returncode == 2
    for part in (str(elsewhere / "interim/nothing"), str(data / "interim/nothing"), ROOT, str(data / "interim")):
        assert part in done.stderr
    done = dirops("show", "interim/nothing", cwd=elsewhere)
    assert f"there is no [dirops] root here to look below ({ROOT}" in done.stderr


@pytest.mark.parametrize("command", ["show", "log", "verify", "repair", "rollback", "clean"])
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("interim/letters", "it holds 3 targets: name one, or add --recursive"),
        ("bare", "no stage committed it, nor anything below it"),
        ("bare/file", "is a file; a target is a directory"),
        ("interim/letters/{partition}", "is a template"),
        ("file:///data", "is a URL"),
        ("", "names nothing"),
    ],
)
def test_no_command_takes_what_is_no_target(
    data: Path, command: str, typed: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "bare").mkdir()
    (data / "bare/file").touch()
    monkeypatch.chdir(data)
    done = CliRunner().invoke(app, [command, typed])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["show", "log", "verify", "repair", "clean"])
def test_a_folder_stands_for_its_targets(data: Path, command: str) -> None:
    found = parsed(command, "interim", "-r", cwd=data)
    assert [each["target"] for each in found] == [str(data / "interim/letters" / day) for day in DAYS]
    assert all(each["result"] for each in found)
    text = dirops(command, "interim", "--recursive", cwd=data).stdout
    assert all(str(data / "interim/letters" / day) in text for day in DAYS)


def test_the_exit_code_is_the_worst_and_the_rest_is_done(data: Path) -> None:
    first, second, third = (data / "interim/letters" / day for day in DAYS)
    (first / "0.txt").unlink()
    assert dirops("verify", second, first, third, cwd=data).returncode == 1
    done = dirops("verify", "nowhere", first, third, cwd=data)
    assert done.returncode == 2
    assert done.stderr.startswith("nowhere: manifest-missing: ")
    found = parsed("verify", "nowhere", first, third, cwd=data)
    assert [each["target"] for each in found] == ["nowhere", str(first), str(third)]
    assert found[0]["error"] == "manifest-missing"
    assert [each["result"]["is_good"] for each in found[1:]] == [False, True]


def test_a_folder_without_targets_is_an_error(data: Path) -> None:
    (data / "bare/deeper").mkdir(parents=True)
    done = dirops("clean", "bare", "-r", cwd=data)
    assert done.returncode == 2
    assert "holds no target, at no depth" in done.stderr


def test_a_target_that_is_gone_is_found_by_what_it_left(data: Path) -> None:
    target = data / "interim/letters" / DAYS[1]
    make(target, files=2)
    shutil.rmtree(target)
    found = parsed("log", "interim", "-r", cwd=data)
    assert [each["target"] for each in found] == [str(data / "interim/letters" / day) for day in (DAYS[1], *DAYS[::2])]
    assert dirops("rollback", target, cwd=data).returncode == 0
    assert (target / "0.txt").exists()


def test_links_in_circles_and_nowhere_hidden_folders_and_linked_targets(data: Path, elsewhere: Path) -> None:
    (data / "circle").symlink_to("circle")
    (data / "round").symlink_to(data)
    (data / "nowhere").symlink_to("missing")
    (data / "again").symlink_to(data / "interim/letters" / DAYS[0])
    make(data / ".hidden/target")
    big = make(elsewhere / "disk/target")
    (data / "linked").symlink_to(big)
    found = [each["target"] for each in parsed("show", data, "-r", cwd=data)]
    assert found == [*(str(data / "interim/letters" / day) for day in DAYS), str(data / "linked")]


def test_deep_trees() -> None:
    place = Path(mkdtemp(prefix="dirops-deep-"))  # not among pytest's own, which it removes by recursion
    target = make(place / "data/target")
    deep = place / "data/deep"
    deep.mkdir()
    descriptor = os.open(deep, os.O_RDONLY)
    try:
        for _ in range(1100):  # deeper than Python recurses, and than a path may be long
            os.mkdir("abc", dir_fd=descriptor)
            inner = os.open("abc", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        found = parsed("show", "data", "-r", cwd=place)
    finally:
        os.close(descriptor)
        subprocess.run(["rm", "-rf", place], check=True)
    assert found[1]["target"] == str(target)
    assert found[0]["error"] == "storage-error"
    assert "File name too long" in found[0]["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_told_of(data: Path) -> None:
    (data / "closed").mkdir(mode=0)
    found = parsed("show", data, "-r", cwd=data)
    assert found[0]["target"] == str(data / "closed")
    assert found[0]["error"] == "storage-error"
    assert len(found) == 1 + len(DAYS)


def test_names_that_are_not_utf_8_or_would_steer_a_terminal(data: Path) -> None:
    for name in (b"caf\xe9", b"\x1b[31mred", b"[red]a"):
        make(data / "odd" / os.fsdecode(name))
    done = dirops("verify", "odd", "-r", cwd=data)
    assert done.returncode == 0, done.stderr
    assert "caf\\xe9: 1 file" in done.stdout
    assert "\\x1b[31mred: 1 file" in done.stdout
    assert "[red]a: 1 file" in done.stdout
    assert len(json.loads(dirops("verify", "odd", "-r", "--json", cwd=data).stdout)) == 3


@pytest.mark.parametrize("command", ["clean", "rollback", "repair", "accept-removal", "adopt"])
@pytest.mark.parametrize("part", [".dirops/a/retired/{kept}", "a/_dirops", ".dirops/a/retired", ".dirops"])
def test_nothing_is_done_to_what_is_a_part_of_a_target(tmp_path: Path, command: str, part: str) -> None:
    """What a stage keeps has a manifest, and is no target: it gets no control directory of its own."""
    make(tmp_path / "a")
    make(tmp_path / "a", files=2)
    (kept,) = os.listdir(tmp_path / ".dirops/a/retired")
    before = sorted(tmp_path.rglob("*"))
    done = dirops(command, part.format(kept=kept), cwd=tmp_path)
    assert done.returncode == 2
    if command != "adopt":
        means = "name one of the targets beside it" if part == ".dirops" else f"name the target itself, '{tmp_path}/a'"
        assert means in done.stderr
    if command == "clean":
        assert dirops(command, "--recursive", part.format(kept=kept), cwd=tmp_path).returncode == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_replaced_snapshot_can_be_looked_at(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "a", files=2)
    (kept,) = (tmp_path / ".dirops/a/retired").iterdir()
    assert parsed("show", kept, cwd=tmp_path)["counts"]["entries"] == 1
    assert dirops("verify", "--deep", kept, cwd=tmp_path).returncode == 0


@pytest.fixture
def with_holes(data: Path) -> Path:
    """Beside three days one without a folder and one without a file, for which the stage was skipped."""
    (data / "empty").mkdir()
    for source, day in (("empty", "2026-11-04"), ("nothing", "2026-11-05")):
        _skipped(data, source, day)
    return data


def _skipped(data: Path, source: str, day: str) -> None:
    target = data / "interim/letters" / day
    outcome = read_directory(
        source=data / source, target=target, partition=day, read=len, codec="json", stage="letters", empty="skip"
    )
    assert outcome.outcome == "skipped"


@pytest.mark.parametrize("command", ["verify", "show", "log", "failures", "repair", "clean"])
def test_days_that_were_skipped_are_no_targets(with_holes: Path, command: str) -> None:
    done = dirops(command, "--recursive", "interim", cwd=with_holes)
    assert (done.returncode, done.stderr) == (0, "")
    # Of those without failures only the number is told.
    assert f"{len(DAYS)} targets" in done.stdout if command == "failures" else all(day in done.stdout for day in DAYS)
    assert "2026-11-04" not in done.stdout
    assert "2026-11-05" not in done.stdout


def test_a_chain_with_days_that_were_skipped(with_holes: Path) -> None:
    done = dirops("chain", "interim", cwd=with_holes)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_day_that_was_skipped_and_is_asked_for_says_so(with_holes: Path) -> None:
    done = dirops("verify", "interim/letters/2026-11-04", cwd=with_holes)
    assert done.returncode == 2
    assert "published nothing, as one does that is skipped" in done.stderr


def test_what_reads_a_day_that_was_skipped_is_skipped_as_its_error_says(with_holes: Path) -> None:
    def read(empty: Literal["fail", "skip"]) -> str:
        return transform_directory(
            source=with_holes / "interim/letters/2026-11-04",
            target=with_holes / "final/2026-11-04",
            partition="2026-11-04",
            transform=str.upper,
            codec="text",
            empty=empty,
        ).outcome

    with pytest.raises(errors.SourceMissing, match="with empty='skip', what reads this is skipped as well"):
        read("fail")
    assert read("skip") == "skipped"


@pytest.mark.parametrize(
    "left",
    ["attempts/01a21e2b-4a53-7d72-924d-2b94e64108a9/", "retired/x/", "removing/x/", "other.txt", "fence.json"],
)
def test_a_skipped_day_with_more_beside_it_is_looked_at(with_holes: Path, left: str) -> None:
    path = with_holes / "interim/letters/.dirops/2026-11-04" / left
    path.mkdir() if left.endswith("/") else path.write_text("no fence")
    done = dirops("verify", "--recursive", "interim", cwd=with_holes)
    assert done.returncode == 2
    assert "2026-11-04" in done.stderr


def test_a_day_that_was_skipped_after_it_had_been_made_is_missed(with_holes: Path) -> None:
    """Its first snapshot is deleted, with nothing kept, and the next run skips it: it was there once."""
    shutil.rmtree(with_holes / PASTED)
    _skipped(with_holes, "nothing", PASTED.rpartition("/")[2])
    done = dirops("verify", "--recursive", "interim", cwd=with_holes)
    assert done.returncode == 2
    assert f"there is no snapshot at '{with_holes / PASTED}'" in done.stderr
