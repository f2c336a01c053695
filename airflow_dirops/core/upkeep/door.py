"""What all of upkeep shares: a target by its path, and what the file system refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from airflow_dirops.core.errors import StorageError, TargetRefused, remaining_storage_errors
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY, RESERVED
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.stage.locations import checked_path

P = ParamSpec("P")
T = TypeVar("T")
Target = str | os.PathLike[str]


def door(function: Callable[Concatenate[Target, P], T]) -> Callable[Concatenate[Target, P], T]:
    """Let no bare ``OSError`` out, and say which command frees room where there is none."""

    @wraps(function)
    def call(target: Target, /, *args: P.args, **options: P.kwargs) -> T:
        target = checked_path("target", target)
        try:
            with remaining_storage_errors(target):
                return function(target, *args, **options)
        except StorageError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                error.args = (f"{error} {_room(target)}",)
            raise

    return call


def door_to_change(function: Callable[Concatenate[Target, P], T]) -> Callable[Concatenate[Target, P], T]:
    """The same for what changes a target: a snapshot that was replaced has nothing to be changed."""

    @wraps(function)
    def call(target: Target, /, *args: P.args, **options: P.kwargs) -> T:
        if refusal := part_of_target(checked_path("target", target)):
            raise TargetRefused(refusal)
        return door(function)(target, *args, **options)

    return call


def part_of_target(path: str) -> str | None:
    """What to name in place of a path that lies in a target's own folders; None if it lies in none of them."""
    parts = Path(os.path.realpath(path)).parts
    own = next((at for at, part in enumerate(parts) if part in RESERVED), None)
    if own is None:
        return None
    meant = [*parts[:own], *(parts[own + 1 : own + 2] if parts[own] == CONTROL_DIRECTORY else ())]
    if len(meant) == own and parts[own] == CONTROL_DIRECTORY:
        return f"{path!r} is where stages work and keep what they replaced; name one of the targets beside it"
    return f"{path!r} is a part of a target; name the target itself, {os.path.join(*meant)!r}"


def _room(target: Target) -> str:
    return (
        "What dead attempts left, and expired snapshots, are removed by: "
        f"{dirops_command('clean', target)} (with --keep-hours 0 it removes all snapshots but the current one and the "
        "one that was replaced last)"
    )
