"""Which inputs failed, and why: of the newest try that failed, else of the snapshot that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_dirops.core.errors import ManifestMissing
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import Failure
from airflow_dirops.core.format.lists import QUARANTINE, QuarantineLine
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import time_of
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.upkeep.door import Target, door

# Stages write less; what is longer, somebody else wrote.
_MAX_NAME = 500
_MAX_TRACEBACK = 50_000


@dataclass(frozen=True)
class FailedInput:
    """An input that failed.

    :param path: relative to the source.
    :param error: the type of the exception, such as ``ValueError``.
    :param kind: of the error of this package that it came to, such as ``record-failed``; it never changes. Empty in
        what older versions wrote.
    :param place: where in the user's own code, if it was there.
    :param tries: how often it was tried.
    :param decided: what somebody has decided about it, for the next run; None where nobody has.
    """

    path: str
    error: str
    kind: str
    message: str
    place: str
    traceback: str
    tries: int
    decided: str | None = None


@dataclass(frozen=True)
class Failures:
    """What failed, and in what.

    :param snapshot: the current snapshot's id, if these are in its quarantine.
    :param attempt: else the id of a try that was not committed: it failed, or is still at work.
    :param began: when that one began, UTC.
    """

    snapshot: str | None
    attempt: str | None
    began: str
    inputs: list[FailedInput] = field(default_factory=list)


class Failing(NamedTuple):
    """Where inputs failed.

    :param snapshot: as in :class:`Failures`.
    :param inputs: each with why it failed.
    """

    snapshot: str | None
    attempt: str
    inputs: list[tuple[Input, Failure]]


@door
def list_failures(target: Target, path: str | None = None) -> Failures:
    """The inputs that failed: of the newest try with failures, if it is newer than the current snapshot, else of that.

    :param path: of one input, relative to the source or below it; by default all.
    :raises ManifestMissing: if no stage has committed there, and no try failed.
    """
    place = place_of(target)
    failing = find_failing(place, target)
    decided = {each.path: str(each) for each in place.triage()}
    inputs = [_failed(item.path, failure, decided.get(item.path)) for item, failure in failing.inputs]
    of_attempt = failing.attempt if failing.snapshot is None else None
    return Failures(failing.snapshot, of_attempt, time_of(failing.attempt), _only(inputs, path))


def find_failing(place: Place, target: Target) -> Failing:
    """As :func:`list_failures`, with what tells whether an input is still the one that failed.

    :param target: for messages.
    """
    with suppress(ManifestMissing):
        manifest = place.read_header()
        return _of_newer_attempt(place, manifest.attempt.id) or _of_snapshot(place, manifest)
    if found := _of_newer_attempt(place, ""):
        return found
    raise ManifestMissing(f"no stage has committed to {str(target)!r}, and no try that failed is kept there")


def _of_newer_attempt(place: Place, than: str) -> Failing | None:
    found = place.newest_failed_try(than)
    return None if found is None else Failing(None, found.attempt, [(one.input, one.failure) for one in found.inputs])


def _of_snapshot(place: Place, manifest: Manifest) -> Failing:
    with Snapshot(place.hold(manifest.snapshot)) as snapshot:
        lines: Iterator[QuarantineLine] = iter_list(snapshot.held, QUARANTINE)
        return Failing(manifest.snapshot, manifest.attempt.id, [(line.input, line.failure) for line in lines])


def _failed(path: str, failure: Failure, decided: str | None) -> FailedInput:
    return FailedInput(
        path=path,
        error=shown(failure.error, _MAX_NAME),
        kind=shown(failure.kind, _MAX_NAME),
        message=shown(failure.message),
        place=shown(failure.place, _MAX_NAME),
        traceback=shown(failure.traceback, _MAX_TRACEBACK).rstrip("\n"),
        tries=failure.tries,
        decided=decided,
    )


def _only(inputs: list[FailedInput], path: str | None) -> list[FailedInput]:
    inputs.sort(key=lambda one: os.fsencode(one.path))
    if path is None:
        return inputs
    return [one for one in inputs if any(path == name or path.endswith(f"/{name}") for name in _names(one.path))]


def _names(path: str) -> tuple[str, ...]:
    """A path, and what is shown for it where it is not UTF-8."""
    return path, shown(path), os.fsencode(path).decode(errors="backslashreplace")
