"""From a file back through every stage to the raw files that it was made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice

from airflow_dirops.core.errors import DiropsError, SnapshotExpired
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.lists import FILES, FileLine
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.insight.lineage import FileState, MadeBy, TracedFile
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.contents import find_line, iter_list
from airflow_dirops.core.stage.partitions import with_partition

_MOST_STAGES = 100


class Backward:
    """Follows inputs back.

    :param most: how many inputs of one file are followed.
    :param budget: how many files in all.
    """

    def __init__(self, most: int, budget: int) -> None:
        self._most = most
        self._left = budget

    def of_entry(self, target: str, held: Held, path: str, depth: int = 0) -> TracedFile:
        """A file of a snapshot, and what it was made of.

        :param target: the target's path.
        :param path: relative to it.
        """
        self._left -= 1
        where, made_by = os.path.join(target, path), MadeBy.of(target, held.manifest)
        line: FileLine | None = find_line(held, FILES, path)
        if line is None:
            return TracedFile(where, "unlisted", "it is in no list of the manifest: no stage put it there")
        state, detail = _as_it_is(held, line)
        inputs, of_all = self._inputs(target, held.manifest, line, depth)
        count = of_all if of_all is not None else len(line.inputs)
        return TracedFile(
            where, state, detail, line.size, line.digest, made_by, inputs, of_all, more=max(0, count - len(inputs))
        )

    def _inputs(
        self, target: str, manifest: Manifest, line: FileLine, depth: int
    ) -> tuple[tuple[TracedFile, ...], int | None]:
        if depth >= _MOST_STAGES or self._left <= 0:
            return (), None
        is_of_all = not line.inputs and manifest.inputs_digest is not None
        inputs = _all_inputs(target, manifest) if is_of_all else iter(line.inputs)
        few = islice(inputs, min(self._most, self._left))
        followed = tuple(self._of_input(target, manifest, item, depth) for item in few)
        return followed, manifest.counts.inputs if is_of_all else None

    def _of_input(self, target: str, manifest: Manifest, item: Input, depth: int) -> TracedFile:
        source, snapshot, path = source_of(target, manifest, item)
        if snapshot is None:
            self._left -= 1
            return _raw(source, item)
        try:
            with _held(source, snapshot) as held:
                if held.manifest.snapshot == snapshot:
                    return self.of_entry(source, held, path, depth + 1)
                found: FileLine | None = find_line(held, FILES, path)
                if found is not None and found.digest == item.digest:
                    return self.of_entry(source, held, path, depth + 1)
        except DiropsError as error:
            return _gone(os.path.join(source, path), item, shown(error))
        what = f"snapshot {snapshot} is no longer kept, and the one that is there now has other bytes under that name"
        return _gone(os.path.join(source, path), item, what, "changed")


def source_of(target: str, manifest: Manifest, item: Input) -> tuple[str, str | None, str]:
    """Where an input lies: its source's path, the id of the snapshot that was read there, the path in it.

    :param target: the path of the target that was made from it.
    """
    if manifest.partitions:
        for each in manifest.partitions:
            if item.path.startswith(f"{each.partition}/"):
                template = manifest.source.path_from(target)
                return with_partition(template, each.partition), each.snapshot, item.path[len(each.partition) + 1 :]
    sources = manifest.sources or (manifest.source,)
    record = sources[item.source] if item.source < len(sources) else sources[0]
    return record.path_from(target), record.snapshot, item.path


@contextmanager
def _held(source: str, snapshot: str) -> Iterator[Held]:
    """The snapshot that was read, or what is there now."""
    place = place_of(source)
    try:
        held = place.hold(snapshot)
    except SnapshotExpired:
        held = place.hold()
    with closing(held):
        yield held


def _all_inputs(target: str, manifest: Manifest) -> Iterator[Input]:
    """The inputs of an aggregate, of which its manifest has a digest only, as far as their snapshot is still kept."""
    for number, record in enumerate(manifest.sources or (manifest.source,)):
        if manifest.partitions:
            for each in manifest.partitions:
                path = with_partition(record.path_from(target), each.partition)
                for line in _entries(path, each.snapshot):
                    yield Input(f"{each.partition}/{line.path}", line.size, digest=line.digest)
        else:
            for line in _entries(record.path_from(target), record.snapshot):
                yield Input(line.path, line.size, digest=line.digest, source=number)


def _entries(source: str, snapshot: str | None) -> Iterator[FileLine]:
    if snapshot is None:
        return
    try:
        with _held(source, snapshot) as held:
            yield from iter_list(held, FILES)
    except DiropsError:
        return


def _as_it_is(held: Held, line: FileLine) -> tuple[FileState, str]:
    status = held.status(line.path)
    if status is None:
        return "gone", "its manifest lists it, and there is no such file"
    if status.size != line.size:
        return "changed", f"it has {status.size:,} bytes, and {line.size:,} were committed"
    if line.replaced is not None:
        return "made", shown(f"{line.replaced.user} gave it, as its stage failed on the input: {line.replaced.reason}")
    return "made", ""


def _raw(source: str, item: Input) -> TracedFile:
    where = os.path.join(source, item.path)
    try:
        status = os.stat(where)
    except OSError as error:
        return _gone(where, item, f"it cannot be looked at: {error.strerror}")
    if status.st_size != item.size or item.mtime_ns not in (None, status.st_mtime_ns):
        return _gone(where, item, "it was written since it was read", "changed")
    return TracedFile(where, "raw", size=item.size, digest=item.digest)


def _gone(where: str, item: Input, detail: str, state: FileState = "gone") -> TracedFile:
    return TracedFile(where, state, detail, item.size, item.digest)
