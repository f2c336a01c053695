"""Why a snapshot is no longer what a run would make, as far as headers tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.runs import shown_time
from airflow_dirops.core.insight.headers import Seen, read_header_at, real_path, seen_of
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.places import place_of
from airflow_dirops.core.report.changes import changes_since, told
from airflow_dirops.core.stage.partitions import with_partition

_MAX_NAMED = 5


@dataclass(frozen=True)
class Reason:
    """One of the reasons why a snapshot is stale.

    :param kind: ``source``: what it was made from has changed; ``upstream``: that is stale itself, and will change;
        ``code``: the function is another one, or its parameters, packages or codec are.
    :param changes: what of the code has changed, as far as it is known.
    """

    kind: Literal["source", "upstream", "code"]
    text: str
    changes: tuple[str, ...] = ()


class Sources:
    """What snapshots were made from, as it is now.

    :param known: headers that were read, by real path. Others are read when asked for, once.
    """

    def __init__(self, known: Mapping[str, Seen]) -> None:
        self._known = known
        self._read: dict[str, Seen | None] = {}
        self._digests: dict[tuple[str, str], str | None] = {}

    def at(self, path: str) -> Seen | None:
        """What a stage has committed there; None if none has."""
        if found := self._known.get(path):
            return found
        if path not in self._read:
            manifest = read_header_at(path)
            real = real_path(path)
            self._read[path] = self._known.get(real) or (seen_of(path, real, manifest) if manifest else None)
        return self._read[path]

    def has_other_files(self, path: str, snapshot: str) -> bool:
        """Whether there are other files now than in an earlier snapshot, as far as that one is still kept.

        Where nothing is there any more, nobody can tell: then there are not.
        """
        now = self.at(path)
        if now is None or snapshot in (now.snapshot, now.origin):
            return False
        if (path, snapshot) not in self._digests:
            self._digests[path, snapshot] = _files_digest(path, snapshot)
        return self._digests[path, snapshot] != now.files_digest


def source_reasons(seen: Seen, sources: Sources) -> Iterator[Reason]:
    """What has changed of what a snapshot was made from."""
    for source in seen.sources:
        if seen.rolled_up:
            yield from _of_roll_up(seen, source.path, sources)
        elif source.snapshot is None:
            yield from _of_folder(seen, source.path, sources)
        elif sources.has_other_files(source.path, source.snapshot):
            now = sources.at(source.path)
            when = f", committed {now.created}" if now else ""
            yield Reason("source", f"{source.path} has another snapshot now{when}")


def _of_roll_up(seen: Seen, template: str, sources: Sources) -> Iterator[Reason]:
    changed, new = [], []
    for name, snapshot, _ in seen.rolled_up:
        path = with_partition(template, name)
        if snapshot is None and sources.at(path) is not None:
            new.append(name)
        elif snapshot is not None and sources.has_other_files(path, snapshot):
            changed.append(name)
    for names, what in ((changed, "have other snapshots now"), (new, "are there now, and were missing")):
        if names:
            yield Reason("source", f"of {template}, {len(names)} {what}: {first_few(names, _MAX_NAMED).phrase()}")


def _of_folder(seen: Seen, path: str, sources: Sources) -> Iterator[Reason]:
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return
    with suppress(ValueError):
        if changed > datetime.fromisoformat(seen.created).timestamp() - seen.seconds and sources.at(path) is None:
            when = shown_time(changed)
            yield Reason("source", f"{path} was changed at {when}: files came, went or were renamed in it")


def code_reason(seen: Seen, codes: Mapping[str, Code], now: Code | None, where: str) -> Reason | None:
    """What has changed of the code that made a snapshot.

    :param codes: by fingerprint.
    :param now: what would make it now; None where that is not known.
    :param where: what has that code, for the reason.
    """
    if now is None or seen.fingerprint in (None, now.fingerprint):
        return None
    before = codes.get(seen.fingerprint or "") or Code(seen.fingerprint or "")
    return Reason("code", f"{where} has other code", tuple(told(changes_since(before, now) or ())))


def _files_digest(path: str, snapshot: str) -> str | None:
    """Of the list of files of an earlier snapshot, if it is still kept."""
    with suppress(DiropsError, OSError):
        held = place_of(path).hold(snapshot)
        try:
            files = held.manifest.lists.get(FILES)
            return files.digest if files else None
        finally:
            held.close()
    return None
