"""The floor: the loops that one would write by hand. They promise nothing and record nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.work import STEPS, read_bytes

Read = Callable[[str], Any]

_CHUNK = 16


def loop(source: Path, target: Path, suffix: str, work: Read, *, fsync: bool = False) -> None:
    """Into a temporary directory, and a rename."""
    with _renamed_in_the_end(target) as temporary:
        for name in _names(source, suffix):
            _save(name, source, temporary, work, fsync=fsync)


def pooled_loop(source: Path, target: Path, suffix: str, work: Read) -> None:
    """The same in two processes."""
    save = partial(_save, source=source, target=_temporary(target), work=work)
    with _renamed_in_the_end(target), Pool(2) as pool:
        for _ in pool.imap_unordered(save, _names(source, suffix), _CHUNK):
            pass
        pool.close()
        pool.join()


def digesting_loop(source: Path, target: Path, suffix: str, work: Read) -> None:
    """The same, and then the digest of every file: the least that somebody needs who will check them later."""
    loop(source, target, suffix, work)
    for name in _names(target, ".npy"):
        _digest(target / name)


def steps_by_loop(source: Path, scratch: Path, *, case: str, run: Callable[..., None] = loop) -> None:
    """One loop after the other, each over what the one before it has left."""
    for step in STEPS[case]:
        run(source, scratch / step.folder, step.suffix, step.run)
        source = scratch / step.folder


def arrays_by_loop(source: Path, scratch: Path, *, fsync: bool = False) -> None:
    loop(source, scratch / "doubled", ".npy", _load_double, fsync=fsync)


def copies_by_cp(source: Path, scratch: Path) -> None:
    """``cp``, then the digest of every copy: what a careful shell script does."""
    subprocess.run(["cp", "-r", source, scratch / "copies"], check=True)
    for name in _names(scratch / "copies", ".npy"):
        _digest(scratch / "copies" / name)


def bytes_by_loop(source: Path, scratch: Path) -> None:
    with _renamed_in_the_end(scratch / "copies") as temporary:
        for name in os.listdir(source):
            content = read_bytes(os.path.join(source, name))
            with open(os.path.join(temporary, name), "wb") as file:
                file.write(content)


def nothing_new_by_rsync(source: Path, scratch: Path) -> None:
    """The first call copies, the next one finds nothing to do."""
    dry = ["--dry-run"] if (scratch / "copies").exists() else []
    subprocess.run(["rsync", "-a", *dry, f"{source}/", scratch / "copies"], check=True)


@contextmanager
def _renamed_in_the_end(target: Path) -> Iterator[Path]:
    temporary = _temporary(target)
    temporary.mkdir(parents=True)
    yield temporary
    temporary.rename(target)


def _temporary(target: Path) -> Path:
    return target.with_name("temporary")


def _names(source: Path, suffix: str) -> list[str]:
    return [name for name in os.listdir(source) if name.endswith(suffix)]


def _save(name: str, source: Path, target: Path, work: Read, *, fsync: bool = False) -> None:
    path = os.path.join(target, os.path.splitext(name)[0] + ".npy")
    np.save(path, work(os.path.join(source, name)))
    if fsync:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_double(path: str) -> Any:
    return np.load(path) * 2
