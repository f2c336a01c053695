"""``dirops failures``: what failed, in few lines for many that are alike; and what somebody decides about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from airflow_dirops.cli.app import FOUND, AsJson, Recursive, Target, command, look_at_each
from airflow_dirops.cli.output import Json, Output, Text
from airflow_dirops.core import (
    Decision,
    FailedInput,
    Failures,
    accept_failures,
    group_failures,
    list_failures,
    replace_failure,
    retry_failures,
)
from airflow_dirops.core.errors import ArgumentRefused, ManifestMissing
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.messages.counted import counted
from airflow_dirops.core.messages.grouping import Group, Groups

Reason = Annotated[str | None, typer.Option(metavar="REASON", help="Let them be skipped from now on, and say why.")]


@command("Look at targets")
def failures(
    target: Target,
    file: Annotated[str | None, typer.Argument(help="One input, with its traceback.", show_default=False)] = None,
    recursive: Recursive = False,
    group: Annotated[str | None, typer.Option(help="Of those that failed alike: the id of their group.")] = None,
    accept: Reason = None,
    retry: Annotated[bool, typer.Option("--retry", help="Let the next run retry only these.")] = False,
    replace_with: Annotated[
        Path | None, typer.Option(metavar="RESULT", help="Let this file stand for what FILE would have given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; for --retry and --replace-with.")] = "",
    json: AsJson = False,
) -> int:
    """Show the inputs that failed, or decide what becomes of FILE, or of a --group of them, at the next run.

    They are those of the newest try, if it committed nothing, else of the current snapshot. With --recursive, targets
    without failures are only counted, and failures that are alike are counted over all targets below a folder.

    Exit codes: 0 nothing failed, or all of it is decided, 1 something failed, 2 the command failed.
    """
    decisions = [accept is not None, retry, replace_with is not None]
    if sum(decisions) > 1:
        raise ArgumentRefused("--accept, --retry and --replace-with are three decisions; take one")
    decide = _decision(accept, retry, replace_with, reason) if any(decisions) else None
    if decide is not None and file is None and group is None:
        raise ArgumentRefused("name the FILE that it is about, or the --group of those that failed alike")
    shown = _Shown(file, group, decide, passes_over_good=recursive)
    code = look_at_each(shown.look, [target], recursive=recursive, json=json)
    if recursive and not json and decide is None:
        _show_groups(shown.looked_at)
    return code


Decide = Callable[[Path, list[str]], list[Decision]]


def _decision(accept: str | None, retry: bool, replace_with: Path | None, reason: str) -> Decide:
    if accept is not None:
        return lambda target, paths: accept_failures(target, paths, reason=accept)
    if retry:
        return lambda target, paths: retry_failures(target, paths, reason=reason)

    def replace(target: Path, paths: list[str]) -> list[Decision]:
        if len(paths) != 1 or replace_with is None:
            raise ArgumentRefused(f"--replace-with is for one input, and {len(paths)} are meant here; name the FILE")
        return replace_failure(target, paths[0], replace_with, reason=reason)

    return replace


class _Shown:
    """Looks at one target after the other.

    :param file: the only input that is meant.
    :param group: the only group.
    :param decide: what is done about them; None to show them.
    :param passes_over_good: says nothing of targets without failures.
    """

    def __init__(self, file: str | None, group: str | None, decide: Decide | None, *, passes_over_good: bool) -> None:
        self._file = file
        self._group = group
        self._decide = decide
        self._passes_over_good = passes_over_good
        self.looked_at: list[Path] = []

    def look(self, target: Path, output: Output) -> int:
        self.looked_at.append(target)
        try:
            found = _of_group(list_failures(target, self._file), self._group)
        except ManifestMissing:
            if not self._passes_over_good:
                raise
            return 0
        if self._decide is not None:
            return self._decided(target, found, output)
        if self._file is not None and not found.inputs:
            which = dirops_command("failures", target)
            raise ArgumentRefused(f"no input {self._file!r} failed there; those that did are listed by: {which}")
        if self._passes_over_good and not found.inputs and not isinstance(output, Json):
            return 0
        show = show_failures_as_json if isinstance(output, Json) else show_failures
        show(output, str(target), found, whole=self._file is not None)
        return FOUND if any(one.decided is None for one in found.inputs) else 0

    def _decided(self, target: Path, found: Failures, output: Output) -> int:
        # One that was decided about has not failed any more, and may be named to be tried again.
        paths = [one.path for one in found.inputs] or ([self._file] if self._file is not None else [])
        decisions = self._decide(target, paths) if paths and self._decide is not None else []
        title = f"{target}: {counted(len(decisions), 'decision')}, for the next run"
        output.rows(title, [{"path": each.path, "decision": str(each)} for each in decisions])
        return 0


def _of_group(found: Failures, group: str | None) -> Failures:
    if group is None:
        return found
    groups = Groups()
    inputs = [one for one in found.inputs if (of := groups.add(one.path, one)) is not None and of.id == group]
    return replace(found, inputs=inputs)


def _show_groups(targets: Sequence[Path]) -> None:
    found = group_failures(targets)
    rows = [
        {
            "group": each.id,
            "count": each.count,
            "targets": len(each.targets),
            "error": each.error,
            "message": each.message,
            "in your code": each.place,
            "decided": each.decided or None,
        }
        for each in found.groups
    ]
    Text().rows(f"{counted(len(targets), 'target')}, {found.failed:,} with failures", rows)


def show_failures(output: Output, target: str, found: Failures, *, whole: bool) -> None:
    """For a person: what failed, by exception and place, then each input; or, of one, all that is known.

    :param whole: show the inputs in full.
    """
    where = f"snapshot {found.snapshot}" if found.snapshot else f"a try that has committed nothing, begun {found.began}"
    if whole:
        for one in found.inputs:
            _show_whole(output, one, where)
        return
    title = f"{target}: {counted(len(found.inputs), 'input')} failed in {where}"
    output.rows(title, [_row(one) for one in _groups(found)])
    if found.inputs:
        has_decided = any(one.decided for one in found.inputs)
        rows = [
            {
                "path": one.path,
                "error": one.error,
                "tries": one.tries,
                **({"decided": one.decided} if has_decided else {}),
            }
            for one in found.inputs
        ]
        output.rows("one of them with its traceback: name it after the target", rows)


def show_failures_as_json(output: Output, target: str, found: Failures, *, whole: bool) -> None:
    """For a program: everything, in one document."""
    del target, whole
    output.facts("", {**msgspec.to_builtins(found), "groups": [_plain(one) for one in _groups(found)]})


def _groups(found: Failures) -> Groups:
    groups = Groups()
    for one in found.inputs:
        groups.add(one.path, one)
    return groups


def _plain(group: Group) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(group)
    del facts["sort"]
    return {"id": group.id, **facts}


def _row(group: Group) -> dict[str, Any]:
    named = {"group": group.id, "count": group.count, "error": group.error, "kind": group.kind}
    return {**named, "message": group.message, "in your code": group.place}


def _show_whole(output: Output, one: FailedInput, where: str) -> None:
    facts: dict[str, Any] = {
        "error": one.error,
        "kind": one.kind,
        "in your code": one.place,
        "tries": one.tries,
        "in": where,
    }
    facts |= {"message": one.message, "decided": one.decided}
    output.facts(one.path, {name: value for name, value in facts.items() if value})
    output.text("traceback", one.traceback or "none was kept: its process died")
