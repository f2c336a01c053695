"""What lies on the disk, judged by the promise alone.

Shares no code with the package: what it knows of the format is what ``docs/format.md`` says. So a mistake in the
package's own reader cannot hide one in its writer.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEADER = "_dirops/manifest.json"
LISTS = ("files.jsonl", "quarantine.jsonl", "skipped.jsonl")
AT_REST = {"lock", "fence.json", "rejections.json", "attempts", "retired", "removing"}
ASIDE = ".json.unreadable-"

Content = dict[str, str]
"""Relative path → sha256."""


@dataclass(frozen=True)
class Sight:
    """What a directory holds.

    :param snapshot: the id in its header; None where it has none.
    :param content: every file but those of the manifest.
    :param modes: of every file and directory, itself under ``""``.
    :param findings: why it is not one complete snapshot.
    """

    snapshot: str | None
    content: Content
    modes: dict[str, int]
    findings: tuple[str, ...] = ()
    attempt: str | None = None
    base: str | None = None


def look(directory: Path) -> Sight | None:
    """A directory as it is, or None where there is none; a snapshot is checked against its header."""
    if not directory.is_dir():
        return None
    content, modes = _listing(directory)
    if HEADER not in content:
        return Sight(None, content, modes)
    entries = {path: digest for path, digest in content.items() if not path.startswith("_dirops/")}
    try:
        header = json.loads((directory / HEADER).read_bytes())
    except ValueError:
        return Sight(None, entries, modes, ("its header cannot be read",))
    findings = tuple(_contradictions(directory, header, entries))
    return Sight(header["snapshot"], entries, modes, findings, header["attempt"]["id"], header["base"])


def look_as_reader(target: Path) -> Sight | None:
    """The target; while there is none, what the intent of a two-rename swap says will be there."""
    intent = control_of(target) / "intent.json"
    if target.exists() or not intent.exists():
        return look(target)
    meant = json.loads(intent.read_bytes())
    tree = look(control_of(target) / "attempts" / meant["attempt"] / "tree")
    if tree is None or tree.snapshot != meant["snapshot"]:
        return Sight(None, {}, {}, (f"no target, and what the intent names is not there: {meant}",))
    return tree


def control_of(target: Path) -> Path:
    return target.parent / ".dirops" / target.name


def _listing(directory: Path) -> tuple[Content, dict[str, int]]:
    content, modes = {}, {"": directory.stat().st_mode}
    for where, folders, files in os.walk(directory):
        for name in folders + files:
            path = Path(where, name)
            modes[str(path.relative_to(directory))] = path.lstat().st_mode
        for name in files:
            path = Path(where, name)
            content[str(path.relative_to(directory))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return content, modes


def _contradictions(directory: Path, header: dict, entries: Content) -> Iterator[str]:
    if header["format"] != "dirops/1":
        yield f"format {header['format']}"
    if sorted(header["lists"]) != sorted(LISTS):
        yield f"lists {sorted(header['lists'])}"
    if extra := {path.name for path in (directory / "_dirops").iterdir()} - {*LISTS, "manifest.json"}:
        yield f"unknown files in _dirops: {sorted(extra)}"
    lines = {}
    for name in LISTS:
        raw = (directory / "_dirops" / name).read_bytes() if (directory / "_dirops" / name).exists() else b""
        record = header["lists"][name]
        seen = {"lines": raw.count(b"\n"), "bytes": len(raw), "digest": hashlib.sha256(raw).hexdigest()}
        if seen != record:
            yield f"{name} is not what the header says"
        lines[name] = [json.loads(line) for line in raw.splitlines()]
    yield from _missing(directory, lines["files.jsonl"], entries)
    skipped = [line for line in lines["skipped.jsonl"] if "reason" not in line]
    counted = [len(lines["files.jsonl"]), len(skipped), len(lines["quarantine.jsonl"])]
    if counted != [header["counts"][name] for name in ("entries", "skipped", "quarantined")]:
        yield f"counts {header['counts']} against {counted}"


def _missing(directory: Path, listed: list[dict], entries: Content) -> Iterator[str]:
    for line in listed:
        path = directory / line["path"]
        if line["path"] not in entries:
            yield f"{line['path']} is missing"
        elif (path.stat().st_size, entries[line["path"]]) != (line["size"], line["digest"]):
            yield f"{line['path']} is damaged"
    if extra := entries.keys() - {line["path"] for line in listed}:
        yield f"not listed: {sorted(extra)}"


@dataclass
class Expected:
    """What may be there after a crash, and must be there after the retry.

    :param old: the target before; None where there was none.
    :param new: what the struck run commits.
    :param kept: what was retired before, and must stay; by name.
    :param expired: names of retired snapshots that may be deleted.
    :param held: the held snapshots; those that must be there as they were, whatever happens.
    :param unreadable: what documents of the control directory held before that were none; nobody throws it away.
    """

    old: Sight | None
    new: Content
    kept: dict[str, Sight] = field(default_factory=dict)
    expired: frozenset[str] = frozenset()
    unreadable: tuple[bytes, ...] = ()
    held: dict[str, Sight] = field(default_factory=dict)

    @classmethod
    def of(
        cls, target: Path, new: Content, expired: frozenset[str] = frozenset(), decided: frozenset[str] = frozenset()
    ) -> Expected:
        """From what lies there now: a swap that was cut off counts as made, what an exchange left as retired."""
        kept = _retired(target) | {seen.snapshot or "unmanaged": seen for seen in _swapped_out(target)}
        unreadable = tuple(content for content in _documents(target) if not _is_document(content))
        held = {name: seen for name, seen in held_at(target).items() if name not in decided}
        return cls(look_as_reader(target), new, kept, expired, unreadable, held)

    def violations_after_crash(self, target: Path) -> list[str]:
        return [*self._of_target(target), *self._of_what_is_kept(target)]

    def violations_after_retry(self, target: Path) -> list[str]:
        found = [*self._of_outcome(target), *self.violations_after_crash(target), *_left_over(target)]
        aside = [path.name for path in control_of(target).iterdir() if ASIDE in path.name]
        if len(aside) != len(self.unreadable):
            found.append(f"put aside: {sorted(aside)}")
        return found

    def _of_target(self, target: Path) -> Iterator[str]:
        seen = look_as_reader(target)
        if seen is None:
            if self.old is not None:
                yield "the target is gone"
            return
        if seen == self.old:
            return
        yield from seen.findings
        if self.old is not None and seen.snapshot == self.old.snapshot:
            if (seen.content, seen.modes) != (self.old.content, self.old.modes):
                yield "the old snapshot was changed"
        elif seen.content != self.new:
            yield f"neither the old snapshot nor the new one: {_difference(seen.content, self.new)}"
        elif self.old is not None and seen.modes[""] != self.old.modes[""]:
            yield f"the target's mode is {seen.modes['']:o} and was {self.old.modes['']:o}"

    def _of_what_is_kept(self, target: Path) -> Iterator[str]:
        retired = _retired(target)
        for name, seen in retired.items():
            if seen.findings and _same(seen) != _same(self.old):
                yield f"retired {name} is no complete snapshot: {'; '.join(seen.findings)}"
        places = [_same(seen) for seen in (*retired.values(), *_swapped_out(target))]
        visible = _same(look_as_reader(target))
        for name, before in self._must_be_kept():
            if (found := places.count(_same(before))) != 1 and _same(before) != visible:
                yield f"{name}, which was replaced, lies in {found} places"
        documents = [*_documents(target)]
        yield from (f"no document holds {lost!r} any more" for lost in self.unreadable if lost not in documents)
        yield from self._of_what_is_held(held_at(target))

    def _of_what_is_held(self, held: dict[str, Sight]) -> Iterator[str]:
        for name, before in self.held.items():
            if name not in held or held[name].content != before.content or held[name].findings:
                yield f"the held snapshot {name} is not what it was"
        for name, seen in held.items():
            if seen.findings:
                yield f"held {name} is no complete snapshot: {'; '.join(seen.findings)}"

    def _must_be_kept(self) -> Iterator[tuple[str, Sight]]:
        yield from ((name, sight) for name, sight in self.kept.items() if name not in self.expired)
        if self.old is not None and self.old.content:
            yield "the old snapshot", self.old

    def _of_outcome(self, target: Path) -> Iterator[str]:
        seen = look(target)
        if seen is None or seen.snapshot is None or seen.content != self.new:
            yield "the retry did not commit the new snapshot"
        known = [_same(sight) for sight in (*self.kept.values(), self.old)]
        if surplus := [name for name, sight in _retired(target).items() if _same(sight) not in known]:
            yield f"retired besides what was replaced: {surplus}"


def held_at(target: Path) -> dict[str, Sight]:
    """The snapshots that wait for a decision."""
    found = {}
    for document in (control_of(target) / "attempts").glob("*/hold.json"):
        seen = look(document.parent / "tree")
        if seen is not None and seen.snapshot == json.loads(document.read_bytes())["snapshot"]:
            found[seen.snapshot] = seen
    return found


def finished_inputs(target: Path) -> dict[str, set[str]]:
    """Inputs that dead attempts finished, by what they were computed with; a line that was cut off does not count."""
    found: dict[str, set[str]] = {}
    for journal in (control_of(target) / "attempts").glob("*/journal.jsonl"):
        fingerprint = json.loads((journal.parent / "owner.json").read_bytes())["fingerprint"]
        for line in journal.read_bytes().split(b"\n")[:-1]:
            entry = json.loads(line)
            if entry.get("state", "made") != "quarantined":
                found.setdefault(fingerprint, set()).add(entry["input"]["path"])
    return found


def fingerprint_of(target: Path) -> str:
    """What the entries of the snapshot at the target were computed with."""
    return str(json.loads((target / HEADER).read_bytes())["function"]["fingerprint"])


def _same(sight: Sight | None) -> tuple[str | None, Content] | None:
    return sight and (sight.snapshot, sight.content)


def _retired(target: Path) -> dict[str, Sight]:
    return _looks(control_of(target) / "retired", lambda path: path)


def _swapped_out(target: Path) -> list[Sight]:
    """What attempts hold after an exchange: sealed by another attempt, or never sealed and meant to be kept."""
    attempts = control_of(target) / "attempts"
    return [
        seen
        for name, seen in _looks(attempts, lambda path: path / "tree").items()
        if (seen.attempt != name[:36] if seen.attempt else (attempts / name / "replaces-unmanaged").exists())
    ]


def _looks(directory: Path, place: Callable[[Path], Path]) -> dict[str, Sight]:
    if not directory.exists():
        return {}
    return {path.name: seen for path in directory.iterdir() if (seen := look(place(path))) is not None}


def _documents(target: Path) -> Iterator[bytes]:
    """What the small documents of a control directory hold, and those that were put aside."""
    control = control_of(target)
    yield from (path.read_bytes() for path in (*control.glob("*.json"), *control.glob(f"*{ASIDE}*")))


def _is_document(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def _left_over(target: Path) -> Iterator[str]:
    control = control_of(target)
    held = {path.parent.name for path in (control / "attempts").glob("*/hold.json")}
    for folder in ("attempts", "removing"):
        if orphans := sorted(path.name for path in (control / folder).glob("*") if path.name not in held):
            yield f"orphans in {folder}: {orphans}"
    if surplus := {path.name for path in control.iterdir() if ASIDE not in path.name} - AT_REST:
        yield f"left in the control directory: {sorted(surplus)}"
    if surplus := {path.name for path in target.parent.iterdir()} - {target.name, ".dirops"}:
        yield f"left beside the target: {sorted(surplus)}"
    json.loads((control / "fence.json").read_bytes())


def _difference(seen: Content, wanted: Content) -> str:
    changed = sorted(path for path in seen.keys() & wanted.keys() if seen[path] != wanted[path])
    return (
        f"missing {sorted(wanted.keys() - seen.keys())}, extra {sorted(seen.keys() - wanted.keys())}, other {changed}"
    )
