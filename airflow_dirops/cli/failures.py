"""What failed, shown: few lines for many failures that are alike, and one of them in full."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_dirops.cli.output import Output
from airflow_dirops.core.messages.grouping import Group, Groups
from airflow_dirops.core.upkeep import FailedInput, Failures


def show_failures(output: Output, target: str, found: Failures, *, whole: bool) -> None:
    """For a person: what failed, by exception and place, then each input; or, of one, all that is known.

    :param whole: show the inputs in full.
    """
    where = f"snapshot {found.snapshot}" if found.snapshot else f"a try that has committed nothing, begun {found.began}"
    if whole:
        for one in found.inputs:
            _show_whole(output, one, where)
        return
    title = f"{target}: {len(found.inputs):,} inputs failed in {where}"
    output.rows(title, [_row(one) for one in _groups(found)])
    if found.inputs:
        rows = [{"path": one.path, "error": one.error, "tries": one.tries} for one in found.inputs]
        output.rows("one of them with its traceback: name it after the target", rows)


def show_failures_as_json(output: Output, target: str, found: Failures, *, whole: bool) -> None:
    """For a program: everything, in one document."""
    del target, whole
    output.facts("", {**msgspec.to_builtins(found), "groups": [msgspec.to_builtins(one) for one in _groups(found)]})


def _groups(found: Failures) -> Groups:
    groups = Groups()
    for one in found.inputs:
        groups.add(one.path, one)
    return groups


def _row(group: Group) -> dict[str, Any]:
    named = {"count": group.count, "error": group.error, "kind": group.kind}
    return {**named, "message": group.message, "in your code": group.place}


def _show_whole(output: Output, one: FailedInput, where: str) -> None:
    facts = {"error": one.error, "kind": one.kind, "in your code": one.place, "tries": one.tries, "in": where}
    facts["message"] = one.message
    output.facts(one.path, {name: value for name, value in facts.items() if value})
    output.text("traceback", one.traceback or "none was kept: its process died")
