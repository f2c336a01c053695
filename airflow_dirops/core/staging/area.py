"""The staging area: private to one process of an attempt, where outputs are written, journaled and sealed.

Nobody reads it, so files are written under their final names; the journal says which of them are finished.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.disk.durable import sync_directory, write_file
from airflow_dirops.core.disk.fsync_pool import FsyncPool
from airflow_dirops.core.disk.held import HeldDirectory, is_damage
from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.disk.trees import count_files, iter_files, iter_unlisted
from airflow_dirops.core.errors import (
    KeyRefused,
    KeyTaken,
    StagingChanged,
    StorageError,
    storage_errors,
)
from airflow_dirops.core.format.control import Expected
from airflow_dirops.core.format.entries import MANIFEST_DIRECTORY, Entry, output_path
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import ListName, ListRecord, Manifest
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.place.staging import Gathered, Leftover, Sealing, ShardLists, Totals
from airflow_dirops.core.stage.functions import Pair
from airflow_dirops.core.stage.policies import Durability
from airflow_dirops.core.staging.encoding import encode_into
from airflow_dirops.core.staging.journal import Journal
from airflow_dirops.core.staging.keeping import Keeper, directory_of
from airflow_dirops.core.staging.manifest_files import write_header, write_list
from airflow_dirops.core.staging.seal import header_of, write_shard, write_snapshot
from airflow_dirops.core.staging.tree import check_names, make_tree

EXPECTED = "expected.json"
"""Lies beside the tree."""

# Gets a file that is written, by its descriptor and its path, and closes it.
_Finish = Callable[[int, str], None]


class StagingArea:
    """Where one process of an attempt writes.

    :param directory: its own.
    :param touch: shows others that the attempt goes on; called for every file.
    :param target: the directory that will be replaced, whose mode and group the new one gets.
    :param durability: ``full`` makes every finished file survive a power loss; ``process`` only a crash of the
        process.
    """

    def __init__(
        self,
        directory: Path,
        touch: Callable[[], None],
        *,
        durability: Durability = "full",
        target: Path,
    ) -> None:
        self.path = directory / "tree"
        self._prefix = f"{self.path}/"
        self._scratch = directory / "sort"
        self.durability = durability
        self._touch = touch
        self._mode, inner_mode = make_tree(self.path, target)
        self.tree = HeldDirectory.open(self.path, directory_mode=inner_mode)
        self.journal = Journal.create(directory)
        self._pool = FsyncPool(self._journal_finished)
        self._base_sealed_ns = 0
        self._keeper = Keeper(self.tree, is_durable=durability == "full")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)
        self.journal.close()
        self.tree.close()

    def expect(self, inputs: int) -> None:
        """Say, for whoever looks on from outside, how many inputs will have a line in the journal."""
        write_file(self.path.parent / EXPECTED, msgspec.json.encode(Expected(inputs)), durable=False)

    def stage(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        """Write what one input gave, and journal the input once all of it is durable.

        :param line: the input's line, still without outputs.
        :returns: the line as it is journaled.
        :raises KeyRefused: if a key cannot name a file, or its name is taken.
        :raises EncodeError: if the codec cannot write a value; names the key.
        :raises StorageError: if the file system refuses; the attempt is dead then.
        """
        if self.durability != "full":
            line = self._write_all(line, records, codec, self._close)
            self.note(line)
            return line
        pending = _Pending(line)
        pending.line = self._write_all(line, records, codec, partial(self._finish, pending))
        self._touch()
        self._journal_finished([pending])
        return pending.line

    def write(self, line: JournalLine, records: Iterator[Pair], codec: Codec) -> JournalLine:
        """In a worker process: write what one input gave, for :meth:`accept` in the process that has the journal.

        :raises DiropsError: as :meth:`stage`.
        """
        return self._write_all(line, records, codec, self._close)

    def accept(self, line: JournalLine) -> None:
        """Journal an input that a worker wrote, once its outputs are durable."""
        self._finish_all(line, line.outputs)

    def drain(self) -> None:
        """Wait until all that was staged is durable and journaled."""
        self._pool.drain()

    def note(self, line: JournalLine) -> None:
        """Journal an input of which no file waits to be made durable: it has none, or is not to survive power loss."""
        self._touch()
        self.journal.append(line)

    def keep(self, line: JournalLine, base: Held) -> None:
        """Take an input's outputs from the base snapshot: linked, or copied where links are refused."""
        self._base_sealed_ns = base.sealed_ns
        directory = directory_of(base)
        outputs = tuple([self._keeper.keep(output, directory) for output in line.outputs])
        if outputs != line.outputs:
            line = msgspec.structs.replace(line, outputs=outputs)
        self._finish_all(line, () if base.manifest.durability == "full" else line.outputs)

    def restore(self, like: Held, entries: Callable[[], Iterable[tuple[Entry, Held]]], manifest: Manifest) -> None:
        """Make the tree that an earlier snapshot was, and journal nothing: a person does not resume.

        :param like: the earlier snapshot, whose lists the tree gets.
        :param entries: what it lists, each with a snapshot that has its bytes.
        :param manifest: the header.
        """
        count = 0
        for entry, held in entries():
            self._keeper.bring_back(entry, held)
            count += 1
        self._check_names(count, (entry.path for entry, _ in entries()))
        for name, record in like.manifest.lists.items():
            self._keeper.bring_back(Entry(f"{MANIFEST_DIRECTORY}/{name}", record.bytes, record.digest), like)
        write_header(self.tree, manifest)
        self._sync_tree()

    def reuse(self, line: JournalLine, other: Leftover) -> bool:
        """Take an input's finished files from another staging area.

        :returns: False if a file is not the one that was finished; the input must run again then.
        """
        outputs = self._keeper.take(line.outputs, other)
        if outputs is None:
            return False
        line = msgspec.structs.replace(line, outputs=outputs)
        self._finish_all(line, line.outputs)
        return True

    def finished(self) -> Iterator[JournalLine]:
        """Every line that was journaled, as often as asked."""
        return iter(self.journal)

    def seal(self, sealing: Sealing) -> Manifest:
        """Write the lists, then the header, and make everything durable, in that order."""
        self.drain()
        manifest = write_snapshot(
            self.path,
            sealing,
            self.journal,
            self._sorter,
            self._check,
            lambda count: self._check_names(count, self._paths()),
            partial(write_list, self.tree),
            partial(write_header, self.tree),
        )
        self._sync_tree()
        return manifest

    def seal_shard(self, planned: int, write: Callable[[str, Iterable[bytes]], ListRecord]) -> ShardLists:
        """Write the lists of what was finished here, for whoever gathers them, and make everything durable."""
        self.drain()
        written = write_shard(
            self.path,
            planned,
            self.journal,
            self._sorter,
            self._check,
            lambda count: self._check_names(count, self._paths()),
            write,
        )
        self._sync_names()
        return written

    def gather(
        self, files: Iterable[Gathered], lists: Mapping[ListName, Iterable[bytes]], sealing: Sealing, totals: Totals
    ) -> Manifest:
        """Take the files that shards have sealed, and write the lists on the way, then the header."""
        written = {FILES: write_list(self.tree, FILES, self._gathered(files))}
        written |= {name: write_list(self.tree, name, lines) for name, lines in lists.items()}
        if (found := count_files(os.fspath(self.path))) != written[FILES].lines:
            raise StagingChanged(self.path, f"it holds {found} files, and {written[FILES].lines} were gathered")
        manifest = header_of(sealing, written, totals)
        write_header(self.tree, manifest)
        self._sync_tree()
        return manifest

    def _gathered(self, files: Iterable[Gathered]) -> Iterator[bytes]:
        gather, touch = self._keeper.gather, self._touch
        for one in files:
            gather(one)
            touch()
            yield encode_line(one.file.line)

    def drop_unlisted(self) -> None:
        """Remove what no line of the journal names: what a worker had half written when it died."""
        self.drain()
        for path in list(iter_unlisted(iter_files(os.fspath(self.path)), self._paths(), self._sorter)):
            with storage_errors("removing a half-written file", self._place(path)):
                self.tree.remove_file(path)

    def _finish_all(self, line: JournalLine, outputs: tuple[Output, ...]) -> None:
        """Make files durable that are closed already, then journal their input."""
        if self.durability != "full" or not outputs:
            self.note(line)
            return
        pending = _Pending(line)
        for output in outputs:
            with storage_errors("opening", self._place(output.path)):
                descriptor = self.tree.open_file(output.path)
            self._finish(pending, descriptor, output.path)
        self._touch()
        self._journal_finished([pending])

    def _paths(self) -> Iterator[str]:
        return (output.path for line in self.journal for output in line.outputs)

    def _sorter(self, name: str) -> Sorter:
        return Sorter(self._scratch, name)

    def _check(self, output: Output) -> Output:
        """Look once at a file that was finished, before it is listed.

        :returns: it, as it lies there.
        :raises StagingChanged: if it is gone, or is another one.
        """
        try:
            status = self.tree.regular_status(output.path)
            if output.is_still(status):
                return output
            if self._is_the_finished(output, status):
                return Output.of(output.path, status, output.digest)
        except OSError as error:
            if is_damage(error):
                raise StagingChanged(self._place(output.path), str(error.strerror)) from error
            raise StorageError("looking at", self._place(output.path), error) from error
        raise StagingChanged(self._place(output.path), "it is not the file that was finished")

    def _is_the_finished(self, output: Output, status: os.stat_result) -> bool:
        if status.st_size != output.size:
            return False
        # Of one that was linked from the base no number was noted: it is older than that one's header.
        if not output.inode and status.st_mtime_ns <= self._base_sealed_ns:
            return True
        # Some file systems do not keep number or time.
        with self.tree.reading(output.path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == output.digest

    def _check_names(self, count: int, listed: Iterable[str]) -> None:
        """Look, before the lists are written, for what nobody is going to list.

        :param count: of the files that will be listed.
        :param listed: their paths, which are asked for only where the count differs.
        :raises StagingChanged: if there are other files, or another directory has the tree's name.
        """
        with storage_errors("looking at", self.path):
            is_still_named = self.tree.is_still_named()
        if not is_still_named:
            raise StagingChanged(self.path, "it was moved away or removed")
        check_names(self.path, count, listed, self._sorter)

    def _sync_tree(self) -> None:
        """Give the tree its final mode, and make all its names durable."""
        self.path.chmod(self._mode)
        self._sync_names()

    def _sync_names(self) -> None:
        if self.durability == "full":
            for directory, _, _ in os.walk(self.path, topdown=False):
                sync_directory(Path(directory))

    def _write_all(self, line: JournalLine, records: Iterator[Pair], codec: Codec, finish: _Finish) -> JournalLine:
        outputs: list[Output] = []
        try:
            for key, value in records:
                outputs.append(self._write(key, value, codec, finish))
                del value  # else it would live on while the next one is made
        except BaseException:
            for output in outputs:
                with suppress(OSError):
                    self.tree.remove_file(output.path)
            raise
        return msgspec.structs.replace(line, state="made" if outputs else "skipped", outputs=tuple(outputs))

    def _write(self, key: str, value: Any, codec: Codec, finish: _Finish) -> Output:
        path = output_path(key, codec.suffix)
        where = self._place(path)
        descriptor = self._create(key, path, where)
        try:
            digest = encode_into(descriptor, value, key, codec, where)
            output = Output.of(path, os.fstat(descriptor), digest)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                self.tree.remove_file(path)
            raise
        finish(descriptor, path)
        return output

    def _create(self, key: str, path: str, where: str) -> int:
        try:
            return self.tree.create_file(path)
        except FileExistsError as error:
            raise KeyTaken(f"the key {key!r} is given twice: {path!r} is made already", path) from error
        except NotADirectoryError as error:
            raise KeyRefused(f"the key {key!r} needs a directory where another key made a file") from error
        except OSError as error:
            raise StorageError("making", where, error) from error

    def _finish(self, pending: _Pending, descriptor: int, path: str) -> None:
        pending.add_one()
        self._pool.sync_then_close(descriptor, self._place(path), pending)

    def _journal_finished(self, pending: Iterable[_Pending]) -> None:
        """A part of each is through, an output or the input itself: journal those of which nothing is left."""
        if lines := [one.line for one in pending if one.finish_one()]:
            self.journal.append(*lines)

    def _close(self, descriptor: int, path: str) -> None:
        with storage_errors("writing", self._place(path)):
            os.close(descriptor)

    def _place(self, path: str) -> str:
        return self._prefix + path


class _Pending:
    """An input on its way into the journal, and how much of it is left: its outputs, and the input itself."""

    def __init__(self, line: JournalLine) -> None:
        self.line = line
        self._left = 1
        self._lock = threading.Lock()

    def add_one(self) -> None:
        with self._lock:
            self._left += 1

    def finish_one(self) -> bool:
        """One file less to wait for; returns whether it was the last."""
        with self._lock:
            self._left -= 1
            return self._left == 0
