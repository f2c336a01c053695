"""``dirops failures``: over many days, by what went wrong; and a decision about each file, or each group."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from airflow_dirops.core import Outcome, group_failures, read_directory
from tests.cli.calls import dirops, parsed
from tests.text_files import write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def refuse(path: str) -> str:
    text = Path(path).read_text()
    if text == "bad":
        raise ValueError("it is bad")
    if text == "odd":
        raise LookupError("what is this?")
    return text


def run(root: Path, day: str) -> Outcome:
    return read_directory(
        source=root / "raw" / day,
        target=root / "t" / day,
        read=refuse,
        codec="text",
        stage="s",
        partition=day,
        version="1",
        on_error="quarantine",
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for day in DAYS:
        write(tmp_path / "raw" / day, a="good", b="bad", c="odd" if day == DAYS[0] else "bad")
        run(tmp_path, day)
    return tmp_path


def test_failures_that_are_alike_are_counted_over_all_days(root: Path) -> None:
    done = dirops("failures", "t", "-r", cwd=root)
    assert done.returncode == 1
    assert "3 targets, 3 with failures" in done.stdout
    one, other = group_failures(sorted((root / "t").glob("2026*"))).groups
    assert (one.error, one.count, len(one.targets), other.error, other.count) == ("ValueError", 5, 3, "LookupError", 1)
    assert one.targets[0].paths == ("b.txt",)
    assert one.id in done.stdout
    found = parsed("failures", "t", "-r", cwd=root)
    assert {group["id"] for each in found for group in each["result"]["groups"]} == {one.id, other.id}


def test_targets_without_failures_are_only_counted(root: Path) -> None:
    write(root / "raw" / "2026-11-09", a="good")
    run(root, "2026-11-09")
    shutil.rmtree(root / "t" / DAYS[1])
    done = dirops("failures", "t", "-r", cwd=root)
    assert (done.returncode, done.stderr) == (1, "")
    assert "4 targets, 2 with failures" in done.stdout
    assert f"t/{DAYS[0]}: 2 inputs failed in" in done.stdout
    assert "2026-11-09: " not in done.stdout
    assert f"{DAYS[1]}: " not in done.stdout
    assert "2026-11-09: 0 inputs failed in" in dirops("failures", "t/2026-11-09", cwd=root).stdout
    for day in (DAYS[0], DAYS[2]):
        shutil.rmtree(root / "t" / day)
    assert dirops("failures", "t", "-r", cwd=root).returncode == 0


def test_a_group_of_many_days_is_accepted_at_once(root: Path) -> None:
    one, other = group_failures(sorted((root / "t").glob("2026*"))).groups
    done = dirops("failures", "t", "-r", "--group", one.id, "--accept", "the camera was off", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "accepted as skipped by" in done.stdout
    outcomes = [run(root, day) for day in DAYS]
    assert [each.counts["quarantined"] for each in outcomes] == [1, 0, 0]
    assert dirops("failures", "t", "-r", cwd=root).returncode == 1
    dirops("failures", "t", "-r", "--group", other.id, "--accept", "the camera was off", cwd=root)
    assert dirops("failures", "t", "-r", cwd=root).returncode == 0  # decided, for the next run
    run(root, DAYS[0])
    assert dirops("status", "t", cwd=root).returncode == 0


def test_one_file_is_replaced_or_tried_again(root: Path) -> None:
    (root / "by-hand.txt").write_text("by hand")
    target = root / "t" / DAYS[0]
    done = dirops(
        "failures", target, "b.txt", "--replace-with", root / "by-hand.txt", "--reason", "from paper", cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert run(root, DAYS[0]).counts["entries"] == 2
    assert (target / "b.txt").read_text() == "by hand"
    found = parsed("failures", target, "b.txt", "--retry", cwd=root)
    assert found[0]["decision"].startswith("to be tried again by ")
    assert run(root, DAYS[0]).counts["entries"] == 1


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--accept", "why"], "name the FILE"),
        (["b.txt", "--accept", "why", "--retry"], "take one"),
        (["b.txt", "--accept", " "], "say why"),
        (["b.txt", "--replace-with", "nowhere.txt", "--reason", "r"], "there is no file"),
        (["a.txt", "--accept", "why"], "has failed"),
    ],
)
def test_what_cannot_be_decided_says_so(root: Path, typed: list[str], message: str) -> None:
    done = dirops("failures", root / "t" / DAYS[0], *typed, cwd=root)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (root / "t/.dirops" / DAYS[0] / "triage.jsonl").exists()


def test_hostile_failures_are_cut_and_cannot_steer_a_terminal(root: Path) -> None:
    """Whoever writes into a target by hand may write anything; the digest of its list must fit, and it does."""
    target = root / "t" / DAYS[1]
    list_, header = target / "_dirops/quarantine.jsonl", target / "_dirops/manifest.json"
    lines = [json.loads(line) for line in list_.read_text().splitlines()]
    for line in lines:
        line |= dict.fromkeys(("error", "message", "traceback", "place", "kind"), "\x1b[2J<script>" + "x" * 2000000)
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    made = json.loads(header.read_bytes())
    made["lists"]["quarantine.jsonl"] |= {"bytes": len(content), "digest": sha256(content).hexdigest()}
    for path, text in ((list_, content), (header, json.dumps(made).encode())):
        path.chmod(0o644)
        path.write_bytes(text)
    for typed in ([target], [target, "b.txt"], ["t", "-r"], [target, "--json"]):
        done = dirops("failures", *typed, cwd=root)
        assert done.returncode == 1
        assert "\x1b" not in done.stdout
        assert len(done.stdout) < 300_000
