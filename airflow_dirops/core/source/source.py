"""What a stage reads from: a bare directory, or a snapshot that another stage committed.

Both list their inputs in order, open them, and notice when one is not what was listed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import PartitionRecord, SourceRecord
from airflow_dirops.core.messages.shown import logger
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.snapshot.record import Record
from airflow_dirops.core.source.inputs import Inputs
from airflow_dirops.core.stage.patterns import Selection

log = logger(__name__)


class Fault(NamedTuple):
    """Why an input cannot be opened.

    :param path: the input's, for people.
    :param leads_to: where a link leads, and nothing is.
    """

    kind: Literal["unreadable", "dangling", "gone"]
    path: str
    leads_to: str | None = None


class Source(Protocol):
    """A directory of inputs, held open while a stage runs."""

    path: Path
    selection: Selection
    is_missing: bool

    @property
    def singles(self) -> tuple[Source, ...]:
        """The directories that it is made of: itself, or those that are joined."""

    @property
    def described(self) -> tuple[Source, ...]:
        """What messages and the manifest name: itself, or those that are joined; partitions together are one."""

    def list_inputs(self, sorter: Sorter) -> Inputs:
        """Every input, in order, as often as asked. A bare directory is walked into the sorter once."""

    def local(self, item: Input) -> AbstractContextManager[str]:
        """A path that opens this very input for as long as the block lasts."""

    def fault_of(self, item: Input) -> Fault | None:
        """What keeps an input from being opened, without opening it; None if nothing is known to."""

    def name_of(self, item: Input) -> str:
        """Where it lies, for people."""

    def record_of(self, item: Input) -> Record:
        """What a user's function sees of this input."""

    def partitions(self) -> Iterable[PartitionRecord]:
        """What a roll-up reads and what it misses, for its manifest; nothing where it is none."""

    def list_unmatched(self) -> Iterable[tuple[Input, tuple[int, ...]]]:
        """What a join left out, and in which of its sources it is missing."""

    def read(self, item: Input) -> Any:
        """Decode an input.

        :returns: the decoded value, where the source is a snapshot.
        :raises ArgumentRefused: where nothing says how to decode.
        """

    def check(self, item: Input) -> None:
        """Refuse an input that is no longer what was listed.

        :raises SourceChanged: if the input is no longer what was listed.
        :raises DanglingLink: if it is a link that leads nowhere.
        """

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot, where the source is one."""

    @property
    def ignored(self) -> int:
        """How many names the listing passed over."""

    def close(self) -> None: ...


def warn_of_case(source: Source) -> None:
    """Tell of names that the pattern leaves out for their case alone: cameras write ``IMG.JPG``."""
    if hint := source.selection.hint():
        log.warning("of the files in %s that do not match %r, %s", source.path, source.selection.pattern, hint)


def describe_source(source: Source, target: str) -> SourceRecord:
    """What the manifest of the target says about its source.

    :param target: the name of its place.
    """
    path = os.fsencode(os.path.relpath(source.path.resolve(), os.path.dirname(target)))
    # For people to read; JSON has no letters for a name that is not UTF-8.
    location = path.decode(errors="backslashreplace")
    if source.snapshot is None:
        return SourceRecord(location=location)
    manifest = source.snapshot.manifest
    return SourceRecord(location=location, snapshot=manifest.snapshot, stage=manifest.stage)
