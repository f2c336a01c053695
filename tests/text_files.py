"""Folders of text files: written, read by a stage, and looked at afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow_dirops.core import open_snapshot


def write(folder: Path, **texts: str) -> None:
    """Text files in a folder, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


def values(target: Path) -> dict[str, Any]:
    """What a target holds."""
    with open_snapshot(target, verify=True) as snapshot:
        return {record.key: record.value for record in snapshot}


def read_text(path: str) -> str:
    return Path(path).read_text()


def damage(path: Path) -> None:
    """Change a file's bytes and keep its size and time, as a failing disk does."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
