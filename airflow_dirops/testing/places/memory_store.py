"""What a place in memory keeps, and a snapshot of it that is held open."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BufferedReader
from pathlib import Path

from airflow_dirops.core.errors import DiropsError, ManifestMissing, SnapshotDamaged
from airflow_dirops.core.format.control import Adoption, FencedRun, Hold, OpenClaim, Owner, Rejection
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.manifest import HEADER, Manifest, parse_header
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.place.held import FileStatus, name_in, not_as_listed
from airflow_dirops.core.rules.publishing import must_stay


@dataclass(eq=False)
class Content:
    """What lies, or lay, where readers look: a snapshot, or what somebody else put there.

    :param readers: how many hold it.
    :param replaced: when something else took its place.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    sealed_ns: int = field(default_factory=time.time_ns)
    readers: int = 0
    replaced: float = 0.0

    def manifest(self, name: str) -> Manifest:
        """The header of what lies here.

        :param name: of the place, for messages.
        :raises ManifestMissing: if no stage wrote it.
        :raises ManifestDamaged: if its header is no manifest.
        """
        if HEADER not in self.files:
            raise ManifestMissing(f"{name!r} has no manifest ({HEADER}), so no stage committed it; wait for the stage")
        return parse_header(self.files[HEADER], Path(name, HEADER))


@dataclass(eq=False)
class Area:
    """What one process of an attempt has written.

    :param attempt: whose process.
    :param is_alive: the process is.
    :param last_work: when it was last at work, once it is not any more.
    :param holder: the attempt that has taken what this one left.
    :param is_synced: its finished files outlive a power cut.
    :param expected: how many inputs it has said that it will go through.
    :param on_hold: what was sealed here waits for a decision.
    """

    attempt: str
    owner: Owner
    content: Content = field(default_factory=Content)
    lines: list[JournalLine] = field(default_factory=list)
    is_alive: bool = True
    last_work: float = field(default_factory=time.time)
    holder: str | None = None
    is_synced: bool = True
    notes: dict[str, bytes] = field(default_factory=dict)
    expected: int | None = None
    on_hold: Hold | None = None

    @property
    def files(self) -> dict[str, bytes]:
        return self.content.files

    @property
    def sealed(self) -> str | None:
        """The snapshot that was sealed here and is not committed."""
        return self.content.manifest(self.attempt).snapshot if HEADER in self.files else None


@dataclass(eq=False)
class Store:
    """Everything about one target; all of it is durable but what an attempt has not finished."""

    current: Content | None = None
    fence: dict[str, FencedRun] = field(default_factory=dict)
    areas: dict[str, Area] = field(default_factory=dict)
    triage: list[Decision] = field(default_factory=list)
    replacements: dict[str, bytes] = field(default_factory=dict)
    open_claims: dict[str, OpenClaim] = field(default_factory=dict)
    retired: list[Content] = field(default_factory=list)
    unmanaged: list[Content] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    accepted_removal: str | None = None
    adoption: Adoption | None = None

    def areas_of(self, attempt: str) -> dict[str, Area]:
        """Those of one attempt, by name."""
        return {name: area for name, area in self.areas.items() if area.attempt == attempt}

    def drop(self, attempt: str) -> None:
        """Remove all that an attempt left, but for what is held."""
        for name, area in self.areas_of(attempt).items():
            if not must_stay(area.on_hold, area.sealed, time.time()):
                del self.areas[name]
        self.open_claims.pop(attempt, None)

    def cut_power(self) -> None:
        """End every attempt, and lose what was not durable: half-written files, or the bytes of all that were not
        to survive it.
        """
        for area in self.areas.values():
            area.is_alive, area.holder = False, None
            if area.on_hold:
                continue
            finished = {output.path for line in area.lines for output in line.outputs}
            for path in list(area.files):
                if path not in finished:
                    del area.files[path]
                elif not area.is_synced:
                    area.files[path] = b""


def is_intact(content: bytes | None, digest: str) -> bool:
    """Whether a file is there and holds what it was digested as."""
    return content is not None and sha256(content).hexdigest() == digest


class MemoryHeld:
    """See :class:`~airflow_dirops.core.place.held.Held`. Whoever wants a real file gets one in a scratch directory."""

    def __init__(self, content: Content, name: str) -> None:
        self.content = content
        self.manifest = content.manifest(name)
        self.name = name
        content.readers += 1
        self._is_open = True

    @property
    def sealed_ns(self) -> int:
        return self.content.sealed_ns

    def open(self, path: str) -> BufferedReader:
        return open(self.path_of(path), "rb")

    def status(self, path: str) -> FileStatus | None:
        content = self.content.files.get(path)
        return None if content is None else FileStatus(len(content), self.sealed_ns)

    def local(self, path: str) -> AbstractContextManager[str]:
        return nullcontext(self.path_of(path))

    def path_of(self, path: str) -> str:
        content = self.content.files.get(path)
        if content is None:
            error = FileNotFoundError(2, "there is no such file", path)
            raise self.explain(error, path) from error
        where = self._scratch / sha256(content).hexdigest() / Path(path).name
        if not where.exists():
            where.parent.mkdir(exist_ok=True)
            where.write_bytes(content)
        return str(where)

    def explain(self, error: OSError, path: str) -> DiropsError:
        return SnapshotDamaged(not_as_listed(name_in(self, path), f"it cannot be opened: {error.strerror}"))

    def iter_files(self) -> Iterator[str]:
        return (path for path in list(self.content.files) if not path.startswith(f"{MANIFEST_DIRECTORY}/"))

    def count_files(self) -> int:
        return sum(1 for _ in self.iter_files())

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.content.readers -= 1
            if "_scratch" in vars(self):
                shutil.rmtree(self._scratch)

    @cached_property
    def _scratch(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="dirops-"))
