"""A snapshot compared with what it should be: values, another snapshot, or a golden folder in the repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.entries import key_of
from airflow_dirops.core.format.manifest import HEADER
from airflow_dirops.core.insight.values import Tolerance, iter_differences
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.snapshot.opening import open_snapshot
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.testing.made import Made

WRITE = "DIROPS_GOLDEN"
"""The environment variable that, set to "write", makes golden folders what the stages make now."""

_MAX_NAMED = 5
_MAX_DIFFERENCES = 3

Read = Callable[[], Any]


def assert_same_snapshot(
    actual: Made | str | os.PathLike[str] | Mapping[str, Any],
    expected: Mapping[str, Any] | Made | str | os.PathLike[str],
    *,
    tolerance: float = 0.0,
    relative: float = 0.0,
    codec: str | Codec | None = None,
) -> None:
    """Fail the test, and say in what, if a snapshot does not hold what is expected.

    :param actual: what a stage made; the path of a target; or what a stage returned.
    :param expected: values by key; or a target; or the path of a golden folder: files of the same names, without a
        manifest. Run the test with the environment variable ``DIROPS_GOLDEN=write`` to have it written.
    :param tolerance: by how much numbers may differ, in arrays and within documents too. NaN is the same as NaN.
    :param relative: the same as a part of the expected number; both are added.
    :param codec: needed for pickles, and for codecs that are not registered.
    :raises ArgumentRefused: if there is nothing to compare with.
    """
    __tracebackhide__ = True
    with ExitStack() as opened:
        snapshot = opened.enter_context(_open(actual, codec))
        if _is_golden(expected):
            folder = Path(os.fspath(expected))  # type: ignore[arg-type]
            wanted = _golden_files(folder, snapshot)
        elif isinstance(expected, Mapping):
            folder, wanted = None, {key: _known(value) for key, value in expected.items()}
        else:
            other = opened.enter_context(_open(expected, codec))
            folder, wanted = None, {record.key: _value_of(record) for record in other}
        found = _compare(snapshot, wanted, Tolerance(tolerance, relative))
        if folder and _is_writing():
            _write(folder, snapshot, found)
        elif found.is_any:
            pytest.fail(found.told(snapshot.name, folder, Tolerance(tolerance, relative)))


@dataclass
class _Found:
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    different: dict[str, str] = field(default_factory=dict)
    same: int = 0

    @property
    def is_any(self) -> bool:
        return bool(self.missing or self.unexpected or self.different)

    def told(self, target: str, folder: Path | None, tolerance: Tolerance) -> str:
        what = f"{str(folder)!r} holds" if folder else "is expected"
        how = f"with a tolerance of {tolerance}: {self.same} keys are the same"
        lines = [f"the snapshot in {target!r} is not what {what}, {how}"]
        for what, keys in (("missing", self.missing), ("not expected", self.unexpected)):
            if keys:
                lines.append(f"{len(keys)} {what}: {first_few(keys, _MAX_NAMED, repr).phrase()}")
        if self.different:
            few = first_few((f"{key!r}: {how}" for key, how in self.different.items()), _MAX_NAMED)
            lines += [f"{len(self.different)} different:", *(f"  {each}" for each in few.findings())]
        if folder:
            lines.append(f"if it is right as it is now, run the test with {WRITE}=write and look at what git says")
        return "\n  ".join(lines)


def _compare(snapshot: Snapshot, wanted: Mapping[str, Read], tolerance: Tolerance) -> _Found:
    found, there = _Found(), set()
    for record in snapshot:
        there.add(record.key)
        if record.key not in wanted:
            found.unexpected.append(record.key)
        elif how := _difference(record.value, wanted[record.key], tolerance):
            found.different[record.key] = how
        else:
            found.same += 1
    found.missing = [key for key in wanted if key not in there]
    return found


def _difference(value: Any, expected: Read, tolerance: Tolerance) -> str:
    try:
        wanted = expected()
    except Exception as error:
        return f"what is expected cannot be read: {error}"
    return first_few(iter_differences(value, wanted, tolerance), _MAX_DIFFERENCES).phrase("; ")


def _open(target: Any, codec: str | Codec | None) -> Snapshot:
    return target.open() if isinstance(target, Made) else open_snapshot(target, codec=codec)


def _known(value: Any) -> Read:
    return lambda: value


def _value_of(record: Any) -> Read:
    return lambda: record.value


def _is_golden(expected: object) -> bool:
    return isinstance(expected, str | os.PathLike) and not os.path.exists(os.path.join(expected, HEADER))


def _is_writing() -> bool:
    if (asked := os.environ.get(WRITE, "")) not in ("", "write"):
        raise ArgumentRefused(f"{WRITE}={asked!r} is not known; set it to 'write', or not at all")
    return asked == "write"


def _golden_files(folder: Path, snapshot: Snapshot) -> dict[str, Read]:
    suffix = snapshot.codec.suffix
    if not folder.is_dir():
        if folder.exists():
            raise ArgumentRefused(f"{str(folder)!r} is a file, and a golden folder is one of {suffix} files")
        if _is_writing():
            return {}
        raise ArgumentRefused(
            f"there is no golden folder {str(folder.absolute())!r}; look at what the stage made in "
            f"{snapshot.name!r}, and if it is right, run the test with {WRITE}=write, which copies it, and put it "
            "into the repository"
        )
    files = sorted(path for path in folder.rglob(f"*{suffix}") if path.is_file())
    if not files and len(snapshot) and not _is_writing():
        raise ArgumentRefused(
            f"the golden folder {str(folder.absolute())!r} holds no {suffix} file; run the test with {WRITE}=write, "
            "which copies what the stage made"
        )
    return {key_of(path.relative_to(folder).as_posix()): _Golden(path, snapshot.codec) for path in files}


class _Golden:
    def __init__(self, path: Path, codec: Codec) -> None:
        self.path = path
        self._codec = codec

    def __call__(self) -> Any:
        with open(self.path, "rb") as file:
            return self._codec.decode(file)


def _write(folder: Path, snapshot: Snapshot, found: _Found) -> None:
    """Copy what is other than before; the rest stays as it is, and is no change to git."""
    for record in snapshot:
        if record.key in found.different or record.key in found.unexpected:
            path = folder / record.entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(record.path, path)
    _remove(folder / f"{key}{snapshot.codec.suffix}" for key in found.missing)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()
