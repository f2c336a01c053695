"""Several directories where a stage reads one: refused as early as they are known, with what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.format.pins import pin_of

if TYPE_CHECKING:  # the command, which needs what is below, starts without Airflow
    from airflow.sdk.definitions.xcom_arg import XComArg

_MAX_PAIRS = 5  # of a source and its target, in a message
_OTHERWISE = (
    'Or let it read the directory that holds them, with a pattern such as "*/*.npy"; or match their files by key, in a '
    "StagedTransformOperator with join="
)
# A list or a dict in expand() and expand_kwargs() may have no outputs in it.
_A_STAGE_FOR_EACH = (
    'for number, made in enumerate(source): StagedTransformOperator(task_id=f"each_{number}", source=made, '
    'target=f"final/{number}", ...)'
)
_MAPPED = (
    '.partial(...).expand_kwargs(source.map(lambda made: {"source": made, '
    '"target": made["target"].replace("/interim/", "/final/")}))'
)


def known_to_be_several(source: Any, task_group: Any) -> str | None:
    """What is wrong with a source that is sure to be several directories, while the DAG is parsed; None if it is not.

    :param source: what the DAG file says.
    :param task_group: what the stage is in, whose instances get the outputs of a mapped group one by one.
    """
    from airflow.sdk.definitions.xcom_arg import XComArg

    if isinstance(source, (list, tuple)):
        shown = f"[{', '.join(map(_shown, source))}]"
        if not any(isinstance(one, XComArg) for one in source):
            return several_sources(shown, source)
        return (
            f"source={shown} is {len(source)} directories, and a stage reads one. Make a stage for each, with a target "
            f"of its own: {_A_STAGE_FOR_EACH}, where source stands for that list. {_OTHERWISE}"
        )
    if isinstance(source, XComArg) and (task := _many_outputs(source, task_group)):
        return (
            f"source= is all that the instances of the mapped task {task} returned, and a stage reads one directory. "
            f"Map the stage over them, each with a target of its own: {_MAPPED}, where source stands for what source= "
            f"is now. {_OTHERWISE}"
        )
    return None


def several_sources(shown: str, sources: Sequence[Any]) -> str:
    """The refusal of a list of sources.

    :param shown: what the DAG file says.
    :param sources: each of them: a path, or what an upstream returned.
    """
    places = [pin.path if (pin := pin_of(one)) else str(one) for one in sources] or ["raw/a"]
    rest = f", and so on for the other {len(places) - _MAX_PAIRS}" if len(places) > _MAX_PAIRS else ""
    return (
        f"source={shown} is {len(sources)} directories, and a stage reads one. Map the stage over them, each with a "
        f"target of its own: .partial(...).expand_kwargs([{', '.join(_pairs_of(places))}]){rest}. {_OTHERWISE}"
    )


def _pairs_of(places: list[str]) -> list[str]:
    """The first of them, as one would write it in a DAG, each with a target that no other has."""
    names = [place.rstrip("/").rpartition("/")[2] for place in places]
    if len(set(names)) < len(names):
        names = [place.strip("/").replace("/", "_") for place in places]
    named = zip(places[:_MAX_PAIRS], names, strict=False)
    return [f'{{"source": {place!r}, "target": {f"interim/{name}"!r}}}' for place, name in named]


def _many_outputs(source: XComArg, task_group: Any) -> str | None:
    """Of which task an output is a list, since that task runs once for each of many things."""
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if not isinstance(source, PlainXComArg):  # .map(), .zip() and .concat() give lists
        return " and ".join(sorted({repr(task.task_id) for task, _ in source.iter_references()}))
    task: Any = source.operator
    group = task.get_closest_mapped_task_group()
    is_many = task.is_mapped or (group is not None and group not in _around(task_group))
    return repr(task.task_id) if is_many else None


def _around(task_group: Any) -> Iterator[Any]:
    while task_group is not None:
        yield task_group
        task_group = task_group.parent_group


def _shown(source: Any) -> str:
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    return f"output of {source.operator.task_id!r}" if isinstance(source, PlainXComArg) else repr(source)
