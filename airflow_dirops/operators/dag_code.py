"""What the stages of DAG files make their outputs with. ``python -m`` of this module writes it down, as JSON.

That is a process of its own for each version of the files: two versions of one module cannot be imported into one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from airflow_dirops.core import Stage
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.insight.stage_code import StageCode, StageCodes
from airflow_dirops.core.plan.draw_up import code_of
from airflow_dirops.core.stage.agreement import ROLES
from airflow_dirops.operators.parts import StagePart
from airflow_dirops.operators.stage import StageOperator
from airflow_dirops.runtime.context import function_params
from airflow_dirops.runtime.jinja import is_for_jinja

_BUNDLE = "plan-dags"
_PLACEHOLDER = "/path"


def dag_code(folder: Path) -> StageCodes:
    """Import DAG files as Airflow does, and look at their stages.

    :param folder: of DAG files, or one of them.
    """
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(folder, bundle_path=folder if folder.is_dir() else folder.parent, bundle_name=_BUNDLE)
    stages = [stage for dag in bag.dags.values() for stage in _stages_of(dag)]
    return StageCodes(stages, {str(path): str(error) for path, error in bag.import_errors.items()})


def _stages_of(dag: Any) -> Iterator[StageCode]:
    for task in dag.tasks:
        operator = getattr(task, "operator_class", type(task)) if task.is_mapped else type(task)
        if not issubclass(operator, StageOperator | StagePart):
            continue
        if issubclass(operator, StagePart) and not operator.commits:
            continue
        arguments, mapped = _arguments(task)
        name = arguments.get("stage") or f"{dag.dag_id}.{_stage_task_id(task, operator)}"
        try:
            yield StageCode(name, _code(task, operator, name, arguments, mapped))
        except DiropsError as error:
            yield StageCode(name, None, str(error))
        except _OnlyARunTells as reason:
            yield StageCode(name, None, str(reason))


class _OnlyARunTells(Exception):
    """Says why."""


def _stage_task_id(task: Any, operator: type) -> str:
    return str(task.task_id.rpartition(".")[0] if issubclass(operator, StagePart) else task.task_id)


def _arguments(task: Any) -> tuple[dict[str, Any], set[str]]:
    """The arguments that the DAG file gives, and the names of those that are mapped over."""
    if not task.is_mapped:
        names = (*ROLES, "codec", "version", "stage", "join", "source", "op_kwargs", "python_callable")
        return {name: getattr(task, name, None) for name in names}, set()
    expanded = task.expand_input.value
    mapped = set(expanded) if isinstance(expanded, Mapping) else set()
    return dict(task.partial_kwargs), mapped


def _code(task: Any, operator: Any, name: str, arguments: Mapping[str, Any], mapped: set[str]) -> Code | None:
    role = getattr(operator, "role", None)
    if task.is_mapped and (role or mapped & {*ROLES, "codec", "version"}):
        raise _OnlyARunTells("its function or its arguments are mapped over")
    given: dict[str, Any] = {each: arguments.get(each) for each in ROLES}
    if role:
        bound = arguments.get("op_kwargs") or {}
        if late := sorted(each for each, value in bound.items() if _is_late(value)):
            raise _OnlyARunTells(f"its argument {', '.join(late)} is known in a run only")
        given = {role: arguments["python_callable"](**bound)}
    if _is_late(arguments.get("version")):
        raise _OnlyARunTells("its version is known in a run only")
    params: Any = {"params": task.params.dump(), "task": task}
    stage = Stage(
        source=_sources(arguments),
        target=_PLACEHOLDER,
        stage=name,
        join=arguments.get("join"),
        codec=arguments.get("codec") or "npy",
        version=arguments.get("version"),
        params=function_params(params),
        **given,
    )
    return code_of(stage)


def _sources(arguments: Mapping[str, Any]) -> Any:
    """As many as there are, wherever they lie."""
    source = arguments.get("source")
    if arguments.get("join") is None or not isinstance(source, list | tuple):
        return _PLACEHOLDER
    return [f"{_PLACEHOLDER}/{number}" for number, _ in enumerate(source)]


def _is_late(value: Any) -> bool:
    return hasattr(value, "resolve") or (isinstance(value, str) and is_for_jinja(value))


def main(folder: str, answer: str) -> None:
    """Write down what the stages of DAG files do: a file, since DAG files print what they like.

    :param folder: of DAG files, or one of them.
    :param answer: the file.
    """
    Path(answer).write_bytes(msgspec.json.encode(dag_code(Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
