"""What lies on disk, as tests look at it: with the standard library, and nothing of the package but its reader."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_dirops.core import open_snapshot

LISTS = ("files.jsonl", "skipped.jsonl", "quarantine.jsonl")


def write_texts(directory: Path, **texts: str) -> Path:
    """A file ``name.txt`` for each keyword."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (directory / f"{name}.txt").write_text(text)
    return directory


def state_of(directory: Path) -> dict[str, tuple[Any, ...]]:
    """All that a reader could tell apart: names, inodes, modes, times, owners, links and bytes."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        what = (status.st_ino, status.st_mode, status.st_mtime_ns, status.st_uid, status.st_gid, content)
        found[os.fspath(path)] = what
    return found


@contextmanager
def nothing_lost(target: Path) -> Iterator[None]:
    """The target is byte for byte and inode for inode as before."""
    before = state_of(target)
    assert before
    yield
    assert state_of(target) == before


def control_of(target: Path) -> Path:
    return target.parent / ".dirops" / target.name


def orphans_of(target: Path) -> list[str]:
    return sorted(os.listdir(control_of(target) / "attempts"))


def retired_of(target: Path) -> list[Path]:
    return sorted((control_of(target) / "retired").iterdir())


def header_of(target: Path) -> dict[str, Any]:
    return dict(json.loads((target / "_dirops/manifest.json").read_bytes()))


def lines_of(target: Path, name: str = "files.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (target / "_dirops" / name).read_bytes().splitlines()]


def path_in(line: dict[str, Any]) -> bytes:
    return b64decode(line["path_b64"]) if "path_b64" in line else os.fsencode(line["path"])


def values_of(target: Any, **options: Any) -> dict[str, Any]:
    with open_snapshot(target, verify=True, **options) as snapshot:
        return {record.key: record.value for record in snapshot}


def assert_whole(target: Path) -> None:
    """Header, lists and files agree, every digest recomputed here."""
    header = header_of(target)
    for name in LISTS:
        content = (target / "_dirops" / name).read_bytes()
        expected = {
            "lines": content.count(b"\n"),
            "bytes": len(content),
            "digest": hashlib.sha256(content).hexdigest(),
        }
        assert header["lists"][name] == expected
    entries = {path_in(line): (line["size"], line["digest"]) for line in lines_of(target)}
    assert entries == dict(_files_below(os.fsencode(target)))
    assert header["counts"]["entries"] == len(entries)
    assert header["bytes"] == sum(size for size, _ in entries.values())
    counts = header["counts"]
    skipped = counts["skipped"] + counts.get("unmatched", 0)
    assert (skipped, counts["quarantined"]) == tuple(header["lists"][name]["lines"] for name in LISTS[1:])


def _files_below(directory: bytes) -> Iterator[tuple[bytes, tuple[int, str]]]:
    for folder, folders, names in os.walk(directory):
        if folder == directory:
            folders.remove(b"_dirops")
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content = file.read()
            yield os.path.relpath(path, directory), (len(content), hashlib.sha256(content).hexdigest())
