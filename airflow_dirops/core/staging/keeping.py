"""Take files that are made already: from the base, from another staging area, from an earlier snapshot."""

from __future__ import annotations

import hashlib
import os
from typing import Protocol, cast

from airflow_dirops.core.disk.durable import write_all
from airflow_dirops.core.disk.held import HeldDirectory, is_damage
from airflow_dirops.core.errors import KeyRefused, KeyTaken, SnapshotDamaged, StorageError, storage_errors
from airflow_dirops.core.format.entries import Entry
from airflow_dirops.core.format.journal import Output
from airflow_dirops.core.format.shards import shard_missing
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.place.staging import Gathered, Leftover


class Keeper:
    """Links files into a tree, or copies or moves them where links are refused.

    :param tree: the attempt's own.
    :param is_durable: what is copied, and what was not synced before, is to survive a power loss.
    """

    def __init__(self, tree: HeldDirectory, *, is_durable: bool) -> None:
        self._tree = tree
        self._is_durable = is_durable

    def keep(self, output: Output, base: HeldDirectory) -> Output:
        """Take a file of the base.

        :returns: what is there now, if it is a copy.
        """
        return output if self._link(output.path, base) else self._copy(output, base)

    def take(self, outputs: tuple[Output, ...], other: Leftover) -> tuple[Output, ...] | None:
        """Take an input's finished files from another staging area.

        :returns: them as they are there now; None if one of them is not the one that was finished.
        """
        tree = cast(LeftTree, other)
        found = [there for output in outputs if (there := _still_there(output, tree))]
        if len(found) != len(outputs):
            return None
        return tuple([self._take(output, tree) for output in found])

    def _take(self, output: Output, tree: LeftTree) -> Output:
        if self._link(output.path, tree.directory):
            return output
        if not tree.is_given_up:  # whoever made it may still count on it
            return self._copy(output, tree.directory)
        with storage_errors("reusing", tree.directory.path / output.path):
            tree.directory.move_file(output.path, self._tree)
        return output

    def gather(self, gathered: Gathered) -> None:
        """Take a file that a shard has sealed.

        :raises KeyRefused: if its name cannot be had.
        :raises ShardMissing: if it is not there, or is not the one that was sealed.
        """
        file, tree = gathered.file, cast(LeftTree, gathered.area)
        output = Output(file.path, file.size, file.digest, file.inode, file.mtime_ns)
        # What was synced outlives a reboot, and so does what another machine's kernel has.
        is_checked = self._is_durable or not tree.is_from_before_reboot
        where = file.path
        try:
            directory = _tree_of(tree)
            where = f"{directory.path}/{file.path}"
            status = directory.regular_status(file.path)
            is_same = (is_checked and output.is_still(status)) or (
                status.st_size == file.size and _digest_of(directory, file.path) == file.digest
            )
        except StorageError:
            raise
        except OSError as error:
            if is_damage(error):
                raise shard_missing(gathered.shard, f"{error.filename or where!r}: {error.strerror}") from error
            raise StorageError("looking at", where, error) from error
        if not is_same:
            raise shard_missing(gathered.shard, f"{where!r} is not the file that was sealed")
        if not self._link(file.path, directory):
            self._copy(output, directory)

    def bring_back(self, entry: Entry, held: Held) -> None:
        """Take a file of any snapshot of this target, which need not have been synced."""
        directory = directory_of(held)
        if not self._link(entry.path, directory):
            self._copy(entry, directory)
        elif held.manifest.durability != "full" and self._is_durable:
            where = f"{self._tree.path}/{entry.path}"
            with storage_errors("syncing", where), self._tree.reading(entry.path) as descriptor:
                os.fsync(descriptor)

    def _link(self, path: str, source: HeldDirectory) -> bool:
        """Whether a file could be linked here; not every file system can."""
        try:
            source.link_file(path, self._tree)
        except FileExistsError as error:
            raise KeyTaken(f"the name {path!r} is wanted twice", path) from error
        except NotADirectoryError as error:
            raise KeyRefused(f"the name {path!r} needs a directory where another key made a file") from error
        except FileNotFoundError:
            raise
        except OSError:
            return False
        return True

    def _copy(self, output: Output | Entry, base: HeldDirectory) -> Output:
        where = f"{self._tree.path}/{output.path}"
        with storage_errors("copying an unchanged file to", where), base.reading(output.path) as source:
            target = self._tree.create_file(output.path)
            try:
                digest = hashlib.sha256()
                while block := os.read(source, 1 << 20):
                    digest.update(block)
                    write_all(target, block)
                if self._is_durable:
                    os.fsync(target)
                copied = Output.of(output.path, os.fstat(target), output.digest)
            finally:
                os.close(target)
        if digest.hexdigest() != output.digest:
            raise SnapshotDamaged(
                f"{str(base.path / output.path)!r} is not what its manifest says: its digest differs; "
                "run the stage with redo='all'"
            )
        return copied


class HeldTree(Protocol):
    """A snapshot of this target, which is a directory too."""

    directory: HeldDirectory


class LeftTree(Protocol):
    """What another process left here, in a directory of its own.

    ``is_checked``: size, inode and time are proof enough; else, after a reboot, the bytes are digested.
    ``is_from_before_reboot``: this very machine has been rebooted since.
    ``is_given_up``: nobody else counts on what lies there.
    """

    directory: HeldDirectory
    is_checked: bool
    is_from_before_reboot: bool
    is_given_up: bool


def directory_of(held: Held) -> HeldDirectory:
    """A base is kept in the very place that is staged in."""
    return cast(HeldTree, held).directory


def _still_there(output: Output, tree: LeftTree) -> Output | None:
    """A finished file as it lies there now, or None if it is another one."""
    where = output.path
    try:
        directory = _tree_of(tree)
        where = f"{directory.path}/{output.path}"
        status = directory.regular_status(output.path)
        if tree.is_checked:
            return output if output.is_still(status) else None
        is_same = _digest_of(directory, output.path) == output.digest
    except StorageError:
        raise
    except OSError as error:
        if is_damage(error):
            return None
        raise StorageError("looking at", where, error) from error
    return Output.of(output.path, status, output.digest) if is_same else None


def _tree_of(tree: LeftTree) -> HeldDirectory:
    """The directory itself, opened when the first file is taken from it."""
    try:
        return tree.directory
    except OSError as error:
        if is_damage(error):
            raise
        raise StorageError("opening", str(error.filename), error) from error


def _digest_of(directory: HeldDirectory, path: str) -> str:
    with directory.reading(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
