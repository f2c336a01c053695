"""``dirops watch``: how far a running attempt is."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_dirops.cli.app import FOUND, AsJson, Target, command
from airflow_dirops.cli.output import output_of
from airflow_dirops.cli.targets import find_planned_target
from airflow_dirops.core import Watched, WatchedAttempt, to_plain
from airflow_dirops.core import watch as watch_target
from airflow_dirops.core.messages.duration import duration


@command("Look at targets")
def watch(
    target: Target,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    json: AsJson = False,
) -> int:
    """Show how far the attempt is that is at work, until it has committed or died.

    With --json each look is a document on a line of its own.

    Exit codes: 0 it is at work or has committed, or nobody has died here, 1 the latest has died, 2 the command failed.
    """
    output = output_of(json=json)
    path = find_planned_target(target)
    for looked in watch_target(path, every=every):
        output.event(_line(looked), to_plain(looked))
        if once or looked.state != "at work":
            return FOUND if _has_died(looked) else 0
    return 0


def _has_died(looked: Watched) -> bool:
    newest = looked.attempts[0] if looked.attempts else None
    return looked.state == "died" or (looked.state == "idle" and newest is not None and newest.state == "dead")


def _line(looked: Watched) -> str:
    if (now := looked.at_work) is not None:
        return f"{_progress(now)}; {_who(now)}"
    if looked.state == "committed":
        return f"committed: snapshot {looked.snapshot}"
    if not looked.attempts:
        return "nobody is at work here, and nothing is left of anybody"
    newest = looked.attempts[0]
    end = "is not at work; others may go on with its claim" if newest.state == "open" else "has died"
    return f"{_who(newest)} {end}, with {_progress(newest)}"


def _progress(one: WatchedAttempt) -> str:
    of_total = "" if one.total is None else f" of {one.total:,}"
    parts = [f"{one.done:,}{of_total} inputs"]
    for name, count in (("carried", one.carried), ("skipped", one.skipped), ("quarantined", one.quarantined)):
        if count:
            parts.append(f"{count:,} {name}")
    if one.state == "at work" and one.done:
        parts.append(f"{one.per_second:,.1f}/s")
        if one.seconds_left is not None:
            parts.append(f"{duration(one.seconds_left)} left")
    return ", ".join(parts)


def _who(one: WatchedAttempt) -> str:
    task = ".".join(filter(None, (one.dag_id, one.task_id))) or "an attempt"
    mapped = f"[{one.map_index}]" if one.map_index >= 0 else ""
    run = f" (run {one.run_id!r}, try {one.try_number})" if one.run_id else ""
    where = f", process {one.process} on {one.host}" if one.process is not None else ""
    return f"{task}{mapped}{run}{where}, begun {one.began}"
