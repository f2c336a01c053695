"""The trigger form of a DAG, made to fit the names that its folders have."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.param import ParamsDict

from airflow_dirops.calendar.form import form_description, form_pattern, is_form_field
from airflow_dirops.calendar.formats import DAILY

if TYPE_CHECKING:
    from airflow.sdk import DAG, Param

_FORMATS = "x-dirops-formats"


def params_of(dag: DAG | None, own: Mapping[str, Any]) -> ParamsDict:
    """The params of a task: Airflow puts those of the DAG among an operator's, but not yet where it is a partial.

    :param dag: None where it is not known yet.
    :param own: the operator's argument ``params``.
    """
    if isinstance(own, ParamsDict) or dag is None:
        return ParamsDict(own)
    return ParamsDict({**{name: dag.params.get_param(name) for name in dag.params}, **own})


def fit_form(dag: DAG, partition_format: str | None) -> None:
    """Let the trigger form take names as this DAG's folders have them, where it would ask for a date.

    :param partition_format: how one of its stages names them, or its schedule; None for any name.
    """
    owners: tuple[Any, ...] = (dag, *dag.tasks)
    for owner in owners:  # each task has a copy, and checks the run's params with it
        if is_form_field(owner.params, "partition"):
            # Another DAG may have been given the same fields.
            field = deepcopy(owner.params.get_param("partition"))
            _fit(field, partition_format)
            owner.params["partition"] = field


def follow_form(params: Any, dag: DAG) -> None:
    """Let the params of a task, made from those that its DAG had then, have the form as it is by now.

    :param params: those of the task; None for none.
    """
    if params and is_form_field(params, "partition") and is_form_field(dag.params, "partition"):
        params["partition"] = deepcopy(dag.params.get_param("partition"))


def _fit(field: Param, partition_format: str | None) -> None:
    formats = {*field.schema.get(_FORMATS, ()), partition_format or ""}
    field.schema[_FORMATS] = sorted(formats)
    if formats == {DAILY}:
        return
    # Where the stages of one DAG name folders differently, each looks at the name itself.
    is_one = len(formats) == 1
    field.schema.pop("format", None)
    field.schema.pop("pattern", None)
    if is_one and (pattern := form_pattern(partition_format)):
        field.schema["pattern"] = pattern
    field.description = form_description(partition_format if is_one else None)
