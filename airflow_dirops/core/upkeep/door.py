"""What all of upkeep shares: a target by its path, and what the file system refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from airflow_dirops.core.errors import StorageError, remaining_storage_errors
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


def _room(target: Target) -> str:
    return (
        "What dead attempts left, and expired snapshots, are removed by: "
        f"{dirops_command('clean', target)} (with --keep-hours 0 it removes all snapshots but the current one and the "
        "one that was replaced last)"
    )
