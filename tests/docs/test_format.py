"""``docs/format.md`` against what is really written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import (
    Attempt,
    LogicalRun,
    Partitions,
    Stage,
    accept_failures,
    cut,
    read_directory,
    replace_failure,
    retry_failures,
    transform_directory,
    work_shard,
)
from airflow_dirops.core.disk.sorting import MAX_IN_MEMORY
from airflow_dirops.core.errors import Stopped
from airflow_dirops.core.format import entries, manifest
from airflow_dirops.core.format.control import Intent
from airflow_dirops.core.places.directory.alive import FOREIGN_HOST_GRACE_SECONDS
from airflow_dirops.core.places.directory.control import _MAX_FENCED_RUNS, ControlDirectory
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.core.places.directory.recovery import MOST_KEPT
from airflow_dirops.core.rules.ownership import COMMITS_KNOWN, OPEN_SECONDS
from airflow_dirops.core.upkeep import list_held, publish, reject, rollback
from airflow_dirops.testing.places.driving import Driven, attempt_of, terms
from tests.docs.markdown import code_in, page

FORMAT = page("docs/format.md")
# Named by the user's data, not by the format.
FREE_NAMES = {
    "lists": "<name>",
    "first": "<name>",
    "reasons": "<reason>",
    "done": "<how>",
    "writer": "<name>",
    "dimensions": "<name>",
    "<run>.committed": "<snapshot>",
}


def documented(heading: str) -> set[str]:
    return {member for cell, *_ in FORMAT.table(heading) for member in code_in(cell)}


def members(document: Any, prefix: str = "") -> Iterator[str]:
    """Every member, with its way from the top."""
    if isinstance(document, list):
        for each in document:
            yield from members(each, f"{prefix}[]")
    elif isinstance(document, dict):
        for name, value in document.items():
            shown = FREE_NAMES.get(prefix, name)
            yield from members(value, f"{prefix}.{shown}" if prefix else shown)
    elif prefix:
        yield prefix


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def read(path: str) -> str | None:
    name = os.path.basename(path)
    if name.startswith("zzz"):
        raise Stopped
    if name.startswith("fails"):
        raise ValueError(name)
    return None if name.startswith("nothing") or name.endswith(".xml") else name.encode(errors="replace").decode()


def keep(value: str, *, key: str) -> str | None:
    if key.startswith("value4"):
        raise Stopped
    if "2" in key:
        raise ValueError(key)
    return None if "3" in key else value


def with_params(path: str, *, params: Any) -> str:
    return f"{len(path)} {len(params)}"


def odd(name: str) -> str:
    return os.fsdecode(name.encode() + b"\xe9.txt")


@pytest.fixture
def stages(tmp_path: Path) -> list[Path]:
    """Stages of a bare directory, of a snapshot, of two, of all records, of partitions: all that lists can hold."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("fails", "nothing", "value1", "value2", "value3"):
        (raw / f"{name}.txt").write_text(name)
        (raw / f"{name}.xml").write_text("beside it")
        (raw / odd(name)).write_text(name)
    first, second = tmp_path / "first", tmp_path / "second"
    options: dict[str, Any] = {"codec": "text", "on_error": "quarantine"}
    read_directory(source=raw, target=first, read=read, file_retries=1, **options)
    transform_directory(source=first, target=second, transform=keep, **options)
    joined, whole = tmp_path / "joined", tmp_path / "whole"
    transform_directory(source=[first, second], target=joined, transform=lambda a, b: a + b, join="inner", codec="text")
    transform_directory(source=first, target=whole, aggregate=lambda records: str(len(list(records))), codec="text")
    rolled_up = tmp_path / "rolled up"
    parts = Partitions(tmp_path / "{partition}", ("first", "missing"), "allow")
    transform_directory(source=parts, target=rolled_up, transform=str.upper, codec="text")
    return [first, second, joined, whole, rolled_up, decided_about(raw, tmp_path / "decided", options)]


def decided_about(raw: Path, target: Path, options: dict[str, Any]) -> Path:
    """What somebody has decided about failed inputs, and what became of that."""
    read_directory(source=raw, target=target, read=read, **options)
    (raw.parent / "by hand.txt").write_text("by hand")
    accept_failures(target, ["fails.xml"], reason="lost")
    replace_failure(target, "fails.txt", raw.parent / "by hand.txt", reason="from paper")
    read_directory(source=raw, target=target, read=read, **options)
    retry_failures(target, [odd("fails")])
    return target


def written(paths: list[Path]) -> set[str]:
    return {member for path in paths for line in lines(path) for member in members(line)}


@pytest.mark.parametrize("name", ["files.jsonl", "skipped.jsonl", "quarantine.jsonl"])
def test_members_of_the_lists(stages: list[Path], name: str) -> None:
    found = written([stage / "_dirops" / name for stage in stages])
    assert found == documented(f"`_dirops/{name}`")


def test_members_of_the_header(stages: list[Path], tmp_path: Path) -> None:
    trial = tmp_path / "trial"
    many = {f"param{number}": number for number in range(200)}
    read_directory(
        source=tmp_path / "raw",
        target=trial,
        read=with_params,
        codec="text",
        pattern="*.txt",
        limit=10,
        params=many,
        dimensions={"site": "berlin"},
    )
    rolled_back = stages[0]
    read_directory(
        source=tmp_path / "raw", target=rolled_back, read=read, codec="text", on_error="quarantine", redo="all"
    )
    rollback(rolled_back)
    held = tmp_path / "held"
    read_directory(source=tmp_path / "raw", target=held, read=read, codec="text", on_error="quarantine", publish="hold")
    publish(held, reason="sharp", attempt=Attempt(run=LogicalRun("dag", "run", "task")))
    headers = [json.loads((stage / "_dirops/manifest.json").read_bytes()) for stage in (*stages, trial, held)]
    assert {member for header in headers for member in members(header)} == documented("`_dirops/manifest.json`")
    assert {header["format"] for header in headers} == {manifest.FORMAT} == {"dirops/1"}


def test_members_of_what_is_held_and_of_what_was_rejected(stages: list[Path], tmp_path: Path) -> None:
    held = tmp_path / "held"
    options: dict[str, Any] = {
        "codec": "text",
        "on_error": "quarantine",
        "may_replace": {"unmanaged"},
        "publish": "hold",
    }
    read_directory(source=tmp_path / "raw", target=held, read=read, **options)
    control = tmp_path / ".dirops/held"
    (document,) = control.glob("attempts/*/hold.json")
    assert set(members(json.loads(document.read_bytes()))) == documented("`attempts/<attempt>/hold.json`")
    task = Attempt(run=LogicalRun("dag", "run", "task"))
    read_directory(source=tmp_path / "raw", target=held, read=read, **options, attempt=task, redo="all", version="2")
    reject(held, list_held(held)[0].manifest.snapshot, reason="blurred", attempt=task)
    (rejected,) = json.loads((control / "rejections.json").read_bytes())
    assert set(members(rejected)) == documented("`rejections.json`")


def test_members_of_the_fence(stages: list[Path]) -> None:
    read_directory(
        source=stages[0].parent / "raw", target=stages[0], read=read, codec="text", empty="commit", pattern="x"
    )
    fences = [json.loads((stage.parent / ".dirops" / stage.name / "fence.json").read_bytes()) for stage in stages]
    place = DirectoryPlace(stages[0].parent / "open")
    Driven.begin(place).leave()
    fences.append(json.loads((stages[0].parent / ".dirops/open/fence.json").read_bytes()))
    claims = [claim for fence in fences for claim in fence.values()]
    assert {member for claim in claims for member in members({"<run>": claim})} == documented("`fence.json`")


def test_members_of_the_intent(tmp_path: Path) -> None:
    control = ControlDirectory(tmp_path / "target")
    control.create()
    control.write_intent(Intent(attempt="a", snapshot="s", retired="r"))
    assert set(json.loads((control.path / "intent.json").read_bytes())) == documented("`intent.json`")


@pytest.fixture
def attempts(stages: list[Path], tmp_path: Path) -> list[Path]:
    """What attempts leave that are cut off: of a bare directory and of a snapshot, each with a base and without."""
    first, second, *_ = stages
    raw = tmp_path / "raw"
    (raw / "value4.txt").write_text("one more")
    left = [cut_off(transform_directory, first, tmp_path / "fresh second", transform=keep, last=raw / "value4.txt")]
    left += [cut_off(transform_directory, first, second, transform=keep, last=raw / "value4.txt")]
    left += [
        cut_off(read_directory, raw, target, read=read, last=raw / "zzz.txt")
        for target in (first, raw.with_name("fresh"), raw.with_name("decided"))
    ]
    return left


def cut_off(stage: Any, source: Path, target: Path, *, last: Path, **function: Any) -> Path:
    options: dict[str, Any] = {"codec": "text", "on_error": "quarantine"}
    last.write_text("one more")
    if source != last.parent:
        read_directory(source=last.parent, target=source, read=read, **options)
    with pytest.raises(Stopped):
        stage(source=source, target=target, **function, **options)
    (attempt,) = (target.parent / ".dirops" / target.name / "attempts").iterdir()
    return attempt


def test_members_of_the_owner(attempts: list[Path]) -> None:
    owners = [json.loads((attempt / "owner.json").read_bytes()) for attempt in attempts]
    assert {member for owner in owners for member in owner} == documented("`attempts/<attempt>/owner.json`")


def test_members_of_decisions(stages: list[Path]) -> None:
    control = stages[0].parent / ".dirops/decided"
    assert written([control / "triage.jsonl"]) == documented("`triage.jsonl`") - {"digest"} | {"path_b64"}
    assert [path.name for path in control.glob("replacements/*")] == [
        line["replacement"] for line in lines(control / "triage.jsonl") if "replacement" in line
    ]


def test_members_of_what_is_expected(attempts: list[Path]) -> None:
    found = [json.loads((attempt / "expected.json").read_bytes()) for attempt in attempts]
    assert {member for each in found for member in each} == documented("`attempts/<attempt>/expected.json`")
    assert all(each["inputs"] for each in found)


def test_members_of_who_holds_it(attempts: list[Path]) -> None:
    holders = [json.loads((attempt / "alive").read_bytes()) for attempt in attempts]
    assert {member for holder in holders for member in holder} == documented("`attempts/<attempt>/alive`")


def test_members_of_an_open_claim(tmp_path: Path) -> None:
    place = DirectoryPlace(tmp_path / "target")
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "precious").touch()
    on = terms(full=True, may_replace={"unmanaged"}, dimensions={"site": "berlin"})
    Driven.begin(place, attempt_of("run", order="1"), on).finish()
    open_one = Driven.begin(place, attempt_of("next", order="2"), on)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    other = DirectoryPlace(tmp_path / "other")
    other.adopt(None)
    unmanaged = Driven.begin(other, attempt_of(), terms(full=True))
    unmanaged.claim.leave_open(while_at_work=True)
    for driven in (open_one, unmanaged):
        driven.leave()
    found = [json.loads(path.read_bytes()) for path in tmp_path.glob(".dirops/*/attempts/*/claim.json")]
    members_of_run = {"dag_id", "run_id", "task_id", "map_index"}
    named = {f"{name}.{FREE_NAMES[name]}" if name in FREE_NAMES else name for one in found for name in one}
    assert named == documented("`attempts/<attempt>/claim.json`")
    assert all(set(one["run"]) <= members_of_run for one in found)


@pytest.fixture
def plans(tmp_path: Path) -> list[Path]:
    """Notes of sharded stages: of joined sources, of a roll-up, and after a change of the code and a try that died."""
    for folder, count in (("one", 4), ("two", 3)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            (tmp_path / folder / f"{number}.txt").write_text(f"{folder} {number}")
    (tmp_path / "one/3.xml").write_text("<x/>")
    joined = {"source": [tmp_path / "one", tmp_path / "two"], "join": "inner", "pattern": "*.txt", "partition": "day"}
    day = tmp_path / "days/2026-11-01"
    read_directory(source=tmp_path / "two", target=day, read=read, codec="text", stage="day", partition=day.name)
    week = Partitions(tmp_path / "days/{partition}", ["2026-11-01", "2026-11-02"], missing="allow")
    changed: dict[str, Any] = {"source": tmp_path / "one", "codec": "text", "stage": "changed"}
    read_directory(**changed, target=tmp_path / "changed", read=read, version="1")
    (tmp_path / "one/zzz.txt").touch()
    with pytest.raises(Stopped):
        read_directory(**changed, target=tmp_path / "changed", read=read, version="2")
    (tmp_path / "one/zzz.txt").unlink()
    stages = [
        Stage(**joined, target=tmp_path / "joined", read=read, transform=join_texts, codec="text", limit=2),
        Stage(source=week, target=tmp_path / "week", transform=str.upper, codec="text"),
        Stage(**changed, target=tmp_path / "changed", read=read, version="2"),
    ]
    for stage in stages:
        for shard in cut(stage, 2).shards[:1]:
            work_shard(stage, shard)
    return sorted(tmp_path.glob(".dirops/*/attempts/*/notes/*"))


def join_texts(one: str, two: str) -> str:
    return one + two


@pytest.mark.parametrize("name", ["plan.json", "plan-<n>.jsonl", "seal.json"])
def test_members_of_notes(plans: list[Path], name: str) -> None:
    paths = [path for path in plans if re.fullmatch(name.replace("<n>", r"\d+"), path.name)]
    area = "attempts/<attempt>-<n>" if name == "seal.json" else "attempts/<attempt>"
    found = {member for path in paths for line in lines(path) for member in members(line)}
    if name == "plan-<n>.jsonl":
        found = {member.partition(".")[0] for member in found}
    assert found == documented(f"`{area}/notes/{name}`")


def test_members_of_the_journal(attempts: list[Path]) -> None:
    found = written([attempt / "journal.jsonl" for attempt in attempts])
    states = {line.get("state") for attempt in attempts for line in lines(attempt / "journal.jsonl")}
    assert found == documented("`attempts/<attempt>/journal.jsonl`")
    assert states == {None, "skipped", "quarantined", "carried"}


def test_names_in_the_picture(stages: list[Path], attempts: list[Path]) -> None:
    picture = FORMAT.snippets[0].text
    control = stages[0].parent / ".dirops" / stages[0].name
    for directory in (stages[0] / "_dirops", control, attempts[0]):
        for path in directory.iterdir():
            assert path.name in picture


def test_figures() -> None:
    for figure in (
        f"{entries.MAX_PATH_BYTES:,} bytes",
        f"more than {entries.MAX_PARTS} parts",
        f"{entries.MAX_NAME_BYTES} bytes",
    ):
        assert figure in FORMAT.text
    assert f"older than {FOREIGN_HOST_GRACE_SECONDS / 60:.0f} minutes" in FORMAT.text
    assert f"{_MAX_FENCED_RUNS} of them are kept" in FORMAT.text
    assert f"of its latest {COMMITS_KNOWN}" in FORMAT.text
    assert f"touched for {OPEN_SECONDS / 86400:.0f} days" in FORMAT.text
    assert f"the {MOST_KEPT} with the most" in page("docs/safety.md").text
    assert f"{MAX_IN_MEMORY // 1024**2} MiB" in page("docs/decisions/0002-sorted-runs.md").text
