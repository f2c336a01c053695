"""Decide about inputs that failed: skip them, give what stands for their results, or retry only these."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.errors import ArgumentRefused, DiropsError, ManifestMissing, SourceMissing
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.members import text_problem
from airflow_dirops.core.format.triage import Action, Decision, Note
from airflow_dirops.core.messages.first_few import first_few
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.messages.tracebacks import described
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.places import place_of
from airflow_dirops.core.upkeep.door import Target, door_to_change
from airflow_dirops.core.upkeep.failures import find_failing
from airflow_dirops.core.upkeep.restoring import user_name

MAX_DECISIONS = 10_000
"""For one target; whoever wants to skip more sets ``max_failures``, or mends the function."""

_MAX_NAMED = 5
_MAX_REASON = 1_000


@door_to_change
def accept_failures(target: Target, paths: Iterable[str] | None = None, *, reason: str) -> list[Decision]:
    """Let failed inputs count as ones that gave nothing: the next run skips them, and its manifest says why.

    That holds as long as an input is as it was when it failed, whatever becomes of the code, until
    :func:`retry_failures` names it. An input that changes is computed as any other.

    :param paths: relative to the source, as :func:`list_failures` has them; None for all of those.
    :param reason: for whoever asks later.
    :returns: what was decided.
    :raises ArgumentRefused: if one of them has not failed, or no reason is given.
    """
    place, note = place_of(target), _note(reason)
    failed = _chosen(place, target, paths)
    return _write(place, [_decision(item, "skip", note) for item in failed])


@door_to_change
def retry_failures(target: Target, paths: Iterable[str], *, reason: str = "") -> list[Decision]:
    """Let the next run retry only these of the failed inputs of a snapshot; the others stay in its quarantine.

    Also what was accepted as skipped, or replaced: that is computed again.

    :param paths: relative to the source.
    :param reason: for whoever asks later.
    :returns: what was decided.
    :raises ArgumentRefused: if one of them has not failed; or if they failed in a try that committed nothing, which
        the next run takes up anyway.
    """
    place, note = place_of(target), _note(reason, is_needed=False)
    decided = {each.path: each.input for each in place.triage() if each.action != "retry"}
    wanted = [*dict.fromkeys(paths)]
    failing = find_failing(place, target)
    known = {item.path: item for item, _ in failing.inputs} | decided
    _check_known(wanted, known, target)
    if failing.snapshot is None and any(path not in decided for path in wanted):
        raise ArgumentRefused(
            f"these inputs failed in a try at {str(target)!r} that committed nothing, so the next run tries all of "
            "them again; run the stage, or accept or replace the others"
        )
    snapshot = failing.snapshot or _current_id(place)
    return _write(place, [_decision(known[path], "retry", note, snapshot=snapshot) for path in wanted])


@door_to_change
def replace_failure(target: Target, path: str, file: str | os.PathLike[str], *, reason: str) -> list[Decision]:
    """Let a file stand for what a failed input would have given, under the input's key.

    The file is copied, and the next run publishes its value; the manifest says why, and by whom. That holds as long as
    :func:`accept_failures` says.

    :param path: of the input, relative to the source.
    :param file: what the stage's codec would have written, such as an ``.npy`` file.
    :param reason: for whoever asks later.
    :returns: what was decided.
    :raises ArgumentRefused: if the input has not failed, or the file is none that the codec can read.
    :raises SourceMissing: if there is no such file.
    """
    place, note = place_of(target), _note(reason)
    (item,) = _chosen(place, target, [path])
    digest = _keep(place, target, file)
    return _write(place, [_decision(item, "replace", note, replacement=digest)])


def _current_id(place: Place) -> str | None:
    with suppress(ManifestMissing):
        return place.read_header().snapshot
    return None


def _keep(place: Place, target: Target, file: str | os.PathLike[str]) -> str:
    codec = resolve_codec(_codec_name(place, target))
    try:
        with open(file, "rb") as opened:
            try:
                codec.decode(opened)
            except Exception as error:
                what = f"codec {codec.name!r}, which writes that target, cannot read {os.fspath(file)!r}"
                raise ArgumentRefused(f"{what}: {described(error)}; give a file of that codec") from error
            opened.seek(0)
            return place.keep_replacement(opened)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SourceMissing(f"there is no file {os.fspath(file)!r}") from error


def _codec_name(place: Place, target: Target) -> str:
    try:
        name = place.read_header().codec.name
    except DiropsError as error:
        raise ArgumentRefused(
            f"nothing was committed to {str(target)!r} yet, so it is not known which files it takes; accept the failed "
            "input as skipped, let the stage commit, and replace it then"
        ) from error
    if name == "pickle":
        raise ArgumentRefused(f"{str(target)!r} has pickles, and reading one runs code; mend the input or the function")
    return name


def _chosen(place: Place, target: Target, paths: Iterable[str] | None) -> list[Input]:
    failed = {item.path: item for item, _ in find_failing(place, target).inputs}
    if paths is None:
        return [*failed.values()]
    known = {each.path: each.input for each in place.triage()} | failed
    wanted = [*dict.fromkeys(paths)]
    _check_known(wanted, known, target)
    return [known[path] for path in wanted]


def _check_known(wanted: Sequence[str], known: dict[str, Input], target: Target) -> None:
    if isinstance(wanted, str) or not wanted:
        raise ArgumentRefused(f"name at least one of the inputs that failed at {str(target)!r}, in a list")
    if unknown := [path for path in wanted if path not in known]:
        few = first_few(unknown, _MAX_NAMED, repr).phrase()
        raise ArgumentRefused(f"no input {few} has failed at {str(target)!r}; name them as the failures list them")


def _decision(
    item: Input, action: Action, note: Note, *, replacement: str | None = None, snapshot: str | None = None
) -> Decision:
    return Decision(
        path=item.path,
        size=item.size,
        mtime_ns=item.mtime_ns,
        digest=item.digest,
        beside=item.beside,
        action=action,
        note=note,
        replacement=replacement,
        snapshot=snapshot,
    )


def _write(place: Place, decisions: list[Decision]) -> list[Decision]:
    mine = {each.path for each in decisions}

    def amend(before: Sequence[Decision]) -> list[Decision]:
        after = [*(each for each in before if each.path not in mine), *decisions]
        if len(after) > MAX_DECISIONS:
            raise ArgumentRefused(
                f"{len(after):,} inputs would be decided about, and up to {MAX_DECISIONS:,} can be; let the stage set "
                "so many aside, with max_failures, or mend the function"
            )
        return after

    place.amend_triage(amend)
    return decisions


def _note(reason: str, *, is_needed: bool = True) -> Note:
    reason = reason.strip()
    if is_needed and not reason:
        raise ArgumentRefused("say why, for whoever asks later: reason= must not be empty")
    if problem := text_problem(reason):
        raise ArgumentRefused(f"the reason cannot be kept: {problem}")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Note(shown(reason, _MAX_REASON), user_name(), socket.gethostname(), now)
