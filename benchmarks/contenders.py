"""Who competes: the loop one would write by hand, and our stages doing the same work.

Each takes a source and a scratch directory of its own, and leaves the same results there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from skimage import io

from airflow_dirops.core import pipeline, read_directory, transform_directory

Notes = dict[str, float]
Contender = Callable[[Path, Path], Notes | None]
Read = Callable[[str], Any]

_CHUNK = 16


def read_image(path: str) -> Any:
    return (path, io.imread(path)) if path.endswith(".png") else None


def red_channel(image: Any) -> Any:
    return image[:, :, 0]


def double(array: Any) -> Any:
    return array * 2


def same(array: Any) -> Any:
    return array


def loop(source: Path, target: Path, suffix: str, work: Read, *, fsync: bool = False) -> None:
    """The floor: into a temporary directory, and a rename. It promises nothing and records nothing."""
    with _renamed_in_the_end(target) as temporary:
        for name in _names(source, suffix):
            _save(name, source, temporary, work, fsync=fsync)


def pooled_loop(source: Path, target: Path, suffix: str, work: Read) -> None:
    """The same in two processes."""
    save = partial(_save, source=source, target=target.with_name("temporary"), work=work)
    with _renamed_in_the_end(target), Pool(2) as pool:
        for _ in pool.imap_unordered(save, _names(source, suffix), _CHUNK):
            pass
        pool.close()
        pool.join()


@contextmanager
def _renamed_in_the_end(target: Path) -> Iterator[Path]:
    temporary = target.with_name("temporary")
    temporary.mkdir(parents=True)
    yield temporary
    temporary.rename(target)


def _names(source: Path, suffix: str) -> list[str]:
    return [name for name in os.listdir(source) if name.endswith(suffix)]


def _save(name: str, source: Path, target: Path, work: Read, *, fsync: bool = False) -> None:
    path = os.path.join(target, os.path.splitext(name)[0] + ".npy")
    np.save(path, work(os.path.join(source, name)))
    if fsync:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def images_by_loop(source: Path, scratch: Path, run: Callable[..., None] = loop) -> None:
    run(source, scratch / "interim", ".png", io.imread)
    run(scratch / "interim", scratch / "final", ".npy", _load_red)


def images_by_pool(source: Path, scratch: Path) -> None:
    images_by_loop(source, scratch, pooled_loop)


def images_by_stages(source: Path, scratch: Path, **options: Any) -> None:
    read_directory(source=source, target=scratch / "interim", read=read_image, **options)
    transform_directory(source=scratch / "interim", target=scratch / "final", transform=red_channel, **options)


def arrays_by_loop(source: Path, scratch: Path, *, fsync: bool = False) -> None:
    loop(source, scratch / "doubled", ".npy", _load_double, fsync=fsync)


def arrays_by_stage(source: Path, scratch: Path, **options: Any) -> None:
    transform_directory(source=source, target=scratch / "doubled", transform=double, **options)


def copies_by_cp(source: Path, scratch: Path) -> None:
    """``cp``, then the digest of every copy: what a careful shell script does."""
    subprocess.run(["cp", "-r", source, scratch / "copies"], check=True)
    for name in _names(scratch / "copies", ".npy"):
        with open(scratch / "copies" / name, "rb") as file:
            hashlib.file_digest(file, "sha256")


def copies_by_stage(source: Path, scratch: Path, **options: Any) -> None:
    transform_directory(source=source, target=scratch / "copies", transform=same, **options)


def nothing_new_by_rsync(source: Path, scratch: Path) -> None:
    """The first call copies, the next one finds nothing to do."""
    dry = ["--dry-run"] if (scratch / "copies").exists() else []
    subprocess.run(["rsync", "-a", *dry, f"{source}/", scratch / "copies"], check=True)


def nothing_new_by_stage(source: Path, scratch: Path) -> None:
    """The first call commits, the next one finds nothing to do."""
    read_directory(source=source, target=scratch / "copies", read=_load, pattern="*.npy", durability="process")


def commit_again(source: Path, scratch: Path) -> Notes:
    """Notes how long the commit itself takes, lock, swap, syncs and retiring the old snapshot included."""
    seconds = 0.0

    def timed(*arguments: Any) -> None:
        nonlocal seconds
        began = time.perf_counter()
        commit(*arguments)
        seconds = time.perf_counter() - began

    commit = pipeline.commit
    with mock.patch.object(pipeline, "commit", timed):
        arrays_by_stage(source, scratch, full=True, durability="process")
    return {"commit ms": seconds * 1000}


def _load(path: str) -> Any:
    return np.load(path)


def _load_red(path: str) -> Any:
    return np.load(path)[:, :, 0]


def _load_double(path: str) -> Any:
    return np.load(path) * 2


_PROCESS: dict[str, Any] = {"durability": "process"}
_FULL: dict[str, Any] = {"durability": "full"}

CONTENDERS: dict[str, Contender] = {
    "images: loop": images_by_loop,
    "images: loop, Pool(2)": images_by_pool,
    "images: stages, process": partial(images_by_stages, **_PROCESS),
    "images: stages, full": partial(images_by_stages, **_FULL),
    "arrays: loop": arrays_by_loop,
    "arrays: loop, fsync each": partial(arrays_by_loop, fsync=True),
    "arrays: stage, process": partial(arrays_by_stage, **_PROCESS),
    "arrays: stage, full": partial(arrays_by_stage, **_FULL),
    "copies: cp + sha256": copies_by_cp,
    "copies: stage, process": partial(copies_by_stage, **_PROCESS),
    "copies: stage, full": partial(copies_by_stage, **_FULL),
    "nothing new: rsync -an": nothing_new_by_rsync,
    "nothing new: stage": nothing_new_by_stage,
    "commit over a snapshot": commit_again,
}
