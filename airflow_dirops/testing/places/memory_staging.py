"""Where an attempt on a place in memory writes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import msgspec

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import KeyRefused, KeyTaken, SnapshotDamaged, StagingChanged
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, Entry, output_path
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import HEADER, ListName, ListRecord, Manifest, encode_header
from airflow_dirops.core.format.shards import shard_missing
from airflow_dirops.core.place.held import Held, name_in, not_as_listed
from airflow_dirops.core.place.staging import Gathered, Leftover, Sealing, ShardLists, Totals
from airflow_dirops.core.stage.functions import Pair
from airflow_dirops.core.staging.encoding import encode_into
from airflow_dirops.core.staging.seal import header_of, write_shard, write_snapshot
from airflow_dirops.testing.places.faults import Fault, stumbling
from airflow_dirops.testing.places.memory_store import Area, MemoryHeld, is_intact


class MemoryLeftover:
    """See :class:`~airflow_dirops.core.place.staging.Leftover`."""

    def __init__(self, name: str, area: Area) -> None:
        self.id = name
        self.area = area

    @property
    def shard(self) -> int | None:
        return self.area.owner.shard

    def finished(self) -> Iterator[JournalLine]:
        return iter(tuple(self.area.lines))

    def close(self) -> None: ...


class MemoryStaging:
    """See :class:`~airflow_dirops.core.place.staging.Staging`.

    :param name: the target's.
    :param sorter: makes one that sorts long lists.
    """

    def __init__(self, area: Area, name: str, sorter: Callable[[str], Sorter], fault: Fault | None) -> None:
        self.area = area
        self._where = Path(name)
        self._sorter = sorter
        self._fault = fault
        self._journaled: list[JournalLine] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, inputs: int) -> None:
        self.area.expected = inputs

    def stage(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        line = self.write(line, records, codec)
        with stumbling(self._fault, "stage", str(self._where)):
            self.note(line)
        return line

    def write(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        outputs: list[Output] = []
        try:
            for key, value in records:
                path = output_path(key, codec.suffix)
                self._check_free(path, f"the key {key!r} is given twice: {path!r} is made already")
                content, digest = _encoded(value, key, codec, self._where / path)
                self.area.files[path] = content
                outputs.append(Output(path, len(content), digest, 0, 0))
        except Exception:
            for output in outputs:
                del self.area.files[output.path]
            raise
        return msgspec.structs.replace(line, state="made" if outputs else "skipped", outputs=tuple(outputs))

    def accept(self, line: JournalLine) -> None:
        self.note(line)

    def note(self, line: JournalLine) -> None:
        self._journaled.append(line)
        self.area.lines.append(line)

    def keep(self, line: JournalLine, base: Held) -> None:
        for output in line.outputs:
            self._take(output, base)
        self.note(line)

    def reuse(self, line: JournalLine, other: Leftover) -> bool:
        files = cast(MemoryLeftover, other).area.files
        if not all(is_intact(files.get(output.path), output.digest) for output in line.outputs):
            return False
        for output in line.outputs:
            self._check_free(output.path, f"the name {output.path!r} is wanted twice")
            self.area.files[output.path] = files[output.path]
        self.note(line)
        return True

    def restore(self, like: Held, entries: Callable[[], Iterable[tuple[Entry, Held]]], manifest: Manifest) -> None:
        count = 0
        for entry, held in entries():
            self._take(entry, held)
            count += 1
        self._check_names(count)
        for name, record in like.manifest.lists.items():
            self._take(Entry(f"{MANIFEST_DIRECTORY}/{name}", record.bytes, record.digest), like)
        self._write_header(manifest)

    def drop_unlisted(self) -> None:
        listed = {output.path for line in self.finished() for output in line.outputs}
        for path in self.area.files.keys() - listed:
            del self.area.files[path]

    def drain(self) -> None: ...

    def finished(self) -> Iterator[JournalLine]:
        if self.area.lines != self._journaled:
            raise StagingChanged(self._where, "its journal is not what was written")
        return iter(tuple(self._journaled))

    def seal(self, sealing: Sealing) -> Manifest:
        with stumbling(self._fault, "seal", str(self._where)):
            return write_snapshot(
                self._where,
                sealing,
                self.finished(),
                self._sorter,
                self._check,
                self._check_names,
                self._write_list,
                self._write_header,
            )

    def seal_shard(self, planned: int, write: Callable[[str, Iterable[bytes]], ListRecord]) -> ShardLists:
        with stumbling(self._fault, "seal", str(self._where)):
            return write_shard(
                self._where, planned, self.finished(), self._sorter, self._check, self._check_names, write
            )

    def gather(
        self, files: Iterable[Gathered], lists: Mapping[ListName, Iterable[bytes]], sealing: Sealing, totals: Totals
    ) -> Manifest:
        with stumbling(self._fault, "seal", str(self._where)):
            written = {FILES: self._write_list(FILES, [self._gather(one) for one in files])}
            written |= {name: self._write_list(name, lines) for name, lines in lists.items()}
            manifest = header_of(sealing, written, totals)
            self._write_header(manifest)
            return manifest

    def _gather(self, one: Gathered) -> bytes:
        path = one.file.path
        self._check_free(path, f"the name {path!r} is wanted twice")
        content = cast(MemoryLeftover, one.area).area.files.get(path)
        if content is None or not is_intact(content, one.file.digest):
            raise shard_missing(one.shard, f"{path}: it is gone, or is not the file that was sealed")
        self.area.files[path] = content
        return encode_line(one.file.line)

    def _take(self, wanted: Output | Entry, held: Held) -> None:
        self._check_free(wanted.path, f"the name {wanted.path!r} is wanted twice")
        content = cast(MemoryHeld, held).content.files.get(wanted.path)
        if content is None or not is_intact(content, wanted.digest):
            raise SnapshotDamaged(not_as_listed(name_in(held, wanted.path), "it is gone, or its digest differs"))
        self.area.files[wanted.path] = content

    def _check_free(self, path: str, taken: str) -> None:
        if path in self.area.files or any(other.startswith(f"{path}/") for other in self.area.files):
            raise KeyTaken(taken, path)
        parents = (str(parent) for parent in Path(path).parents)
        if any(parent in self.area.files for parent in parents):
            raise KeyRefused(f"the name {path!r} needs a directory where another key made a file")

    def _check(self, output: Output) -> Output:
        if not is_intact(self.area.files.get(output.path), output.digest):
            raise StagingChanged(self._where / output.path, "it is not the file that was finished")
        return output

    def _check_names(self, count: int) -> None:
        if len(self.area.files) != count:
            what = f"it holds {len(self.area.files)} files, and {count} were finished"
            raise StagingChanged(self._where, what)

    def _write_list(self, name: ListName, lines: Iterable[bytes]) -> ListRecord:
        encoded = [line + b"\n" for line in lines]
        content = b"".join(encoded)
        self.area.files[f"{MANIFEST_DIRECTORY}/{name}"] = content
        return ListRecord(lines=len(encoded), bytes=len(content), digest=sha256(content).hexdigest())

    def _write_header(self, manifest: Manifest) -> None:
        self.area.files[HEADER] = encode_header(manifest)


def _encoded(value: object, key: str, codec: Codec, where: Path) -> tuple[bytes, str]:
    with tempfile.TemporaryFile() as file:
        digest = encode_into(file.fileno(), value, key, codec, str(where))
        file.seek(0)
        return file.read(), digest
