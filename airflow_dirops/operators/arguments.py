"""The arguments of the stage operators: a stage's options, and what is of operators alone, defined here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_dirops.calendar.checks import FROM_SCHEDULE
from airflow_dirops.core.stage.option import REQUIRED, Option, Where, option, options_of
from airflow_dirops.core.stage.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from os import PathLike
    from typing import Any

    from airflow.sdk import XComArg

    from airflow_dirops.core.stage.partitions import PartitionsLike


@dataclass(frozen=True, kw_only=True)
class OperatorArguments:
    """What operators take besides a stage's options, or in a wider sense: they render it."""

    source: str | PathLike[str] | XComArg | Mapping[str, Any] | PartitionsLike | list[Any] = option(
        REQUIRED,
        Where.EVERY_DAY,
        "a path; or an upstream's ``.output``, which pins the snapshot that it committed, or the files that a sensor "
        'saw; or several partitions of a target, as ``partitions("interim/csv/{partition}", last=7)``',
        is_templated=True,
    )
    target: str | PathLike[str] = option(
        REQUIRED,
        Where.EVERY_DAY,
        "the directory that readers see, as a path or as ``target_asset(path)``, which is the stage's outlet then. "
        "One stage writes it",
        is_templated=True,
    )
    partition: str | None = option(
        None, Where.EVERY_DAY, "sets the partition, whatever the run says", is_templated=True
    )
    partition_format: str | None = option(
        FROM_SCHEDULE,
        Where.EVERY_DAY,
        "how partitions are named, as in ``strftime``: by default as the schedule says, else ``%Y-%m-%d``. ``None`` "
        "takes any safe relative name",
    )
    dimensions: Mapping[str, str] | XComArg | None = option(
        None,
        Where.EVERY_DAY,
        'what else names folders besides the partition, such as ``{"site": "berlin"}`` for ``{site}`` in paths and in '
        "``pattern``. Left out, it is what the source's stage had, else the run's param of that name",
        is_templated=True,
    )
    shards: int | None = option(
        None,
        Where.SET_UP,
        "cut the work into so many parts at most, and give each to ``shard_executor``. For parts that are tasks of "
        "Airflow, write ``.sharded(64, …)`` instead",
        see="shards.md",
    )
    shard_executor: Callable[[], AbstractContextManager[Executor]] | None = option(
        None,
        Where.SET_UP,
        "makes, in the task, what works on the parts, such as ``lambda: ProcessPoolExecutor(8)``. Airflow's own "
        "``executor`` says where the task itself runs",
        see="shards.md",
    )


_OWN = options_of(OperatorArguments)
AS_CONFIGURED = {
    name: replace(
        OPTIONS[name],
        type=f"{OPTIONS[name].type} | None",
        default=None,
        text=f"{OPTIONS[name].text}. ``None`` is as ``[dirops]`` says, else ``{json.dumps(OPTIONS[name].default)}``",
    )
    for name in ("workers", "durability")
}
_ARGUMENTS = {**_OWN, **{name: each for name, each in OPTIONS.items() if name not in _OWN}, **AS_CONFIGURED}

ARGUMENTS: dict[str, Option] = {
    name: argument
    for where in Where
    for name, argument in _ARGUMENTS.items()
    if argument.where is where and where.is_in_dags
}
"""By name, in the order of the documentation."""

TEMPLATED = tuple(name for name, argument in ARGUMENTS.items() if argument.is_templated)


def arguments_of(operator: str) -> dict[str, Option]:
    """Those that an operator takes.

    :param operator: its class's name.
    """
    return {name: argument for name, argument in ARGUMENTS.items() if argument.of in (None, operator)}


def options_for(operator: type) -> list[str]:
    """The options that an operator hands on to the core's function as they are, with what is read and written.

    :param operator: its class.
    """
    own = {name for kind in operator.__mro__ for name in arguments_of(kind.__name__)} - {"shards"}  # with an executor
    return [name for name in own if name in OPTIONS or name in ("source", "target")]
