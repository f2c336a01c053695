"""What ``dirops`` says to do is done, as it says it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import transform_directory
from airflow_dirops.core.errors import TooManyFailures, TooManyRemoved
from tests.advice.conftest import Run
from tests.cli.calls import dirops, dirops_process


def said(*arguments: object, cwd: Path, **changes: str) -> str:
    call = dirops_process if "--read" in arguments else dirops
    done = call(*arguments, cwd=cwd, **changes)
    assert done.returncode == 2
    return done.stderr


def done(*arguments: object, cwd: Path, **changes: str) -> str:
    call = dirops_process if any(":" in str(argument) for argument in arguments) else dirops
    finished = call(*arguments, cwd=cwd, **changes)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_folder_of_targets_is_named_with_the_option(run: Run, target: Path) -> None:
    run()
    (option,) = re.findall(r"or add (--\w+)", said("verify", "out", cwd=target.parents[1]))
    assert str(target) in done("verify", "out", option, cwd=target.parents[1])


def test_a_template_gets_a_partition_or_the_folder_above(run: Run, target: Path) -> None:
    run(target=target / "2026-11-01")
    message = said("show", "out/target/{partition}", cwd=target.parents[1])
    (option,) = re.findall(r"name the folder above it with (--\w+)", message)
    assert "2026-11-01" in done("show", "out/target", option, cwd=target.parents[1])
    assert "put a partition in its place" in message
    done("show", "out/target/2026-11-01", cwd=target.parents[1])


def test_the_root_that_is_missing_is_set(run: Run, target: Path, tmp_path: Path) -> None:
    run()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    message = said("show", "out/target", cwd=elsewhere, AIRFLOW_HOME=str(elsewhere))
    variable, config = re.findall(r"\((\w+), or root in the section \[dirops\] of (\S+)\)", message)[0]
    assert "letters" in done("show", "out/target", cwd=elsewhere, **{variable: str(tmp_path)})
    Path(config).write_text(f"[dirops]\nroot = {tmp_path}\n")
    assert "letters" in done("show", "out/target", cwd=elsewhere, AIRFLOW_HOME=str(elsewhere))


def test_a_configuration_that_cannot_be_read_is_passed_by(run: Run, target: Path, tmp_path: Path) -> None:
    run()
    config = tmp_path / "airflow.cfg"
    config.write_text("root = no section\n")
    message = said("show", "out/other", cwd=tmp_path, AIRFLOW_CONFIG=str(config))
    (variable,) = re.findall(r"or set (\w+) instead", message)
    done("show", "out/target", cwd=tmp_path, AIRFLOW_CONFIG=str(config), **{variable: str(tmp_path)})


def test_a_number_that_is_none_is_mended_where_it_stands(run: Run, target: Path) -> None:
    run()
    message = said("clean", target, cwd=target.parent, AIRFLOW__DIROPS__KEEP_HOURS="a day")
    (variable,) = re.findall(r"\((\w+)\) is no number of 0 or more; mend it there", message)
    done("clean", target, cwd=target.parent, **{variable: "24"})


def test_what_plan_wants_to_know(run: Run, target: Path, tmp_path: Path) -> None:
    run()
    run(target=target.with_name("other"))
    (tmp_path / "functions.py").write_text("def count(records):\n    return str(len(list(records)))\n")
    joined: dict[str, Any] = {"source": [target, target.with_name("other")], "join": "inner", "codec": "text"}
    transform_directory(transform=lambda a, b: a + b, target=target.with_name("joined"), stage="joined", **joined)
    transform_directory(
        source=target, aggregate=lambda records: "", target=target.with_name("all"), stage="all", codec="text"
    )

    message = said("plan", "out/target", "out/joined", cwd=tmp_path)
    command = shlex.split(message.partition("name them all: ")[2])
    assert "3 carried" in done(*command[1:], cwd=tmp_path)

    message = said("plan", "out/target", "out/other", "fresh", cwd=tmp_path)
    option, *joins = re.findall(r"add (--join) (\w+), (\w+) or (\w+)", message)[0]
    for join in joins:
        assert "3 new" in done("plan", "out/target", "out/other", "fresh", option, join, cwd=tmp_path)

    message = said("plan", "fresh", cwd=tmp_path)
    assert "name the source in front of it" in message
    assert "3 new" in done("plan", "raw", "fresh", cwd=tmp_path)

    message = said("plan", "out/target", "out/all", "--read", "functions:count", cwd=tmp_path)
    (option,) = re.findall(r"add (--\w+) module:function", message)
    assert "3 code" in done("plan", "out/target", "out/all", option, "functions:count", cwd=tmp_path)
    assert "or leave --read out to look at the inputs only" in message
    assert "3 carried" in done("plan", "out/target", "out/all", cwd=tmp_path)

    message = said("plan", "out/target", "out/all", "--version", "1", cwd=tmp_path)
    for option in re.findall(r"(--(?:read|transform|aggregate))", message)[-1:]:
        done("plan", "out/target", "out/all", "--version", "1", option, "functions:count", cwd=tmp_path)

    message = said("plan", "out/all", "--params", "by=3", cwd=tmp_path)
    (written,) = re.findall(r"write it as in (--params .+)$", message.strip())
    done("plan", "out/all", *shlex.split(written), cwd=tmp_path)


def test_what_repair_cannot_restore_is_made_by_the_stage(run: Run, target: Path) -> None:
    run()
    (target / "a.txt").unlink()
    found = dirops("repair", target, cwd=target.parent)
    assert found.returncode == 1
    ((option, value),) = re.findall(r"run the stage with (\w+)='(\w+)' to make them again", found.stdout)
    run(**{option: value})
    done("verify", "--deep", target, cwd=target.parent)


@pytest.mark.parametrize("spelling", ["functions", "functions:nothing"])
def test_a_function_is_written_as_it_says(run: Run, target: Path, tmp_path: Path, spelling: str) -> None:
    run()
    (tmp_path / "functions.py").write_text("def count(records):\n    return str(len(list(records)))\n")
    message = said("plan", "raw", "fresh", "--read", spelling, cwd=tmp_path)
    assert "write it as module:function, seen from this directory" in message
    done("plan", "raw", "fresh", "--read", "functions:count", cwd=tmp_path)


def broken(path: str) -> str:
    raise ValueError("torn")


def command_in(message: str) -> list[str]:
    """The command that a message ends with."""
    return shlex.split(message.rpartition(": dirops ")[2])


def test_a_target_whose_first_try_failed_leads_to_what_failed(run: Run, target: Path, raw: Path) -> None:
    for number in range(2, 4):  # of several files, more than one
        (raw / f"{number}.txt").write_text("x")
    with pytest.raises(TooManyFailures) as failed:
        run(read=broken, on_error="quarantine", max_failures=1)
    message = said("show", target, cwd=target.parents[1])
    assert "the last try committed nothing: 5 inputs failed" in message
    found = dirops(*command_in(message), cwd=target.parents[1])
    assert found.returncode == 1
    assert "ValueError" in found.stdout
    (shown,) = re.findall(r"dirops (failures \S+)\. Mend", str(failed.value))
    assert "ValueError" in dirops(*shlex.split(shown), cwd=target.parents[1]).stdout
    whole = dirops(*shlex.split(shown), "a.txt", cwd=target.parents[1])
    assert "Traceback" in whole.stdout
    assert "set max_failures= higher" in str(failed.value)
    run(read=lambda path: "x" if path.endswith("a.txt") else broken(path), on_error="quarantine", max_failures=4)


def test_a_target_that_is_gone_is_brought_back(run: Run, raw: Path, target: Path) -> None:
    run()
    (raw / "a.txt").write_text("later")
    run()
    shutil.rmtree(target)
    message = said("show", target, cwd=target.parents[1])
    assert "1 that it had are kept" in message
    done(*command_in(message), cwd=target.parents[1])
    assert "letters" in done("show", target, cwd=target.parents[1])


def test_a_try_that_was_cut_off_goes_on(run: Run, target: Path) -> None:
    def stopped(path: str) -> str:
        if path.endswith("c.txt"):
            raise KeyboardInterrupt
        return "x"

    with pytest.raises(KeyboardInterrupt):
        run(read=stopped, version="1")
    message = said("show", target, cwd=target.parents[1])
    assert "run the stage again, it goes on from there" in message
    assert run(version="1").counts["reused"] == 2


def test_no_such_failure_lists_those_that_are(run: Run, target: Path) -> None:
    run(read=lambda path: broken(path) if path.endswith("b.txt") else "x", on_error="quarantine")
    message = said("failures", target, "a.txt", cwd=target.parents[1])
    (shown,) = re.findall(r"listed by: dirops (failures \S+)", message)
    assert "b.txt" in dirops(*shlex.split(shown), cwd=target.parents[1]).stdout
    assert "b.txt" in dirops("failures", "-r", "out", cwd=target.parents[1]).stdout


def test_a_large_removal_is_let_through_once(run: Run, raw: Path, target: Path) -> None:
    for number in range(30):
        (raw / f"{number:02}.txt").write_text("x")
    run()
    for number in range(30):
        (raw / f"{number:02}.txt").unlink()
    with pytest.raises(TooManyRemoved) as refused:
        run()
    (command,) = re.findall(r"dirops (accept-removal \S+?)[,;.)'\s]*(?:\s|$)", str(refused.value))
    done(*shlex.split(command), cwd=target.parents[1])
    assert run().outcome == "committed"
