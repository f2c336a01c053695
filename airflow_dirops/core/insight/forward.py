"""From a file on through every stage to all that it became."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.entries import key_of
from airflow_dirops.core.format.lists import FILES, QUARANTINE, SKIPPED, FileLine, QuarantineLine, SkippedLine
from airflow_dirops.core.insight.headers import Headers, Seen
from airflow_dirops.core.insight.lineage import FileState, MadeBy, TracedFile
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.contents import find_line, iter_list
from airflow_dirops.core.stage.partitions import with_partition

_MOST_STAGES = 100


class _Read(NamedTuple):
    """A target that was made from a folder, and what a file of that folder is called there.

    :param path: the file itself.
    :param name: what it is called as an input of the target's stage.
    :param source: which of several joined sources it is from.
    """

    seen: Seen
    path: str
    name: str
    source: int


class Forward:
    """Follows files on.

    :param headers: of the targets among which is looked.
    :param most: how many outputs of one file are followed.
    :param budget: how many files in all.
    """

    def __init__(self, headers: Headers, most: int, budget: int) -> None:
        self._headers = headers
        self._most = most
        self._left = budget

    def outputs(
        self, path: str, digest: str | None = None, passed: frozenset[str] = frozenset()
    ) -> tuple[tuple[TracedFile, ...], int]:
        """What a file became, and how many more there are.

        :param path: real and absolute.
        :param digest: of its bytes, if that is known.
        :param passed: the files on the way to it, since stages may read each other.
        """
        found: list[TracedFile] = []
        more = 0
        for read in self._readers(path):
            for output in self._of_reader(read, digest):
                if len(found) < self._most and self._left > 0:
                    found.append(self._followed(output, passed | {path}))
                else:
                    more += 1
        return tuple(found), more

    def _followed(self, output: TracedFile, passed: frozenset[str]) -> TracedFile:
        self._left -= 1
        if output.state != "made" or output.path in passed or len(passed) > _MOST_STAGES:
            return output
        outputs, more = self.outputs(output.path, output.digest, passed)
        return replace(output, outputs=outputs, more=more)

    def _readers(self, path: str) -> Iterator[_Read]:
        """The targets that were made from a folder in which the file lies."""
        for seen in self._headers.seen:
            for number, source in enumerate(seen.sources):
                if not seen.rolled_up:
                    if path.startswith(f"{source.path}/"):
                        yield _Read(seen, path, path[len(source.path) + 1 :], number)
                    continue
                for name, *_ in seen.rolled_up:
                    folder = with_partition(source.path, name)
                    if path.startswith(f"{folder}/"):
                        yield _Read(seen, path, f"{name}/{path[len(folder) + 1 :]}", number)

    def _of_reader(self, read: _Read, digest: str | None) -> Iterator[TracedFile]:
        try:
            with closing(place_of(read.seen.real).hold()) as held:
                yield from _became(held, read, digest)
        except DiropsError as error:
            yield TracedFile(read.seen.real, "gone", shown(error))


def _became(held: Held, read: _Read, digest: str | None) -> Iterator[TracedFile]:
    target = read.seen.real
    made_by = MadeBy.of(target, held.manifest)
    if alone := _alone(held, read):
        state, detail = alone
        yield TracedFile(read.path, state, detail, made_by=made_by)
        return
    of_all = None if held.manifest.inputs_digest is None else held.manifest.counts.inputs
    for line in _lines(held, read):
        item = next((each for each in line.inputs if each.path == read.name and each.source == read.source), None)
        is_other = item is not None and None not in (item.digest, digest) and item.digest != digest
        detail = "it was made from other bytes than the file has now" if is_other else ""
        where = os.path.join(target, line.path)
        yield TracedFile(where, "made", detail, line.size, line.digest, made_by, of_all=of_all)


def _lines(held: Held, read: _Read) -> Iterator[FileLine]:
    manifest = held.manifest
    if manifest.one_to_one:
        line = find_line(held, FILES, f"{key_of(read.name)}{manifest.codec.suffix}")
        if line is not None and _is_of(line, read):
            yield line
        return
    for line in iter_list(held, FILES):
        if manifest.inputs_digest is not None or _is_of(line, read):
            yield line


def _is_of(line: FileLine, read: _Read) -> bool:
    return any(each.path == read.name and each.source == read.source for each in line.inputs)


def _alone(held: Held, read: _Read) -> tuple[FileState, str] | None:
    """What became of an input that gave nothing."""
    failed: QuarantineLine | None = find_line(held, QUARANTINE, read.name)
    if failed is not None:
        return "quarantined", shown(f"{failed.error}: {failed.message}")
    skipped: SkippedLine | None = find_line(held, SKIPPED, read.name)
    if skipped is not None:
        return "skipped", shown(_why_skipped(skipped))
    return None


def _why_skipped(line: SkippedLine) -> str:
    if line.accepted is not None:
        return f"it failed, and {line.accepted.user} let it be skipped: {line.accepted.reason}"
    return line.reason or "it gave nothing"
