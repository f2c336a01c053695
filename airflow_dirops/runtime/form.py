"""The trigger form of a DAG, made to fit the names that its folders have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.param import ParamsDict

from airflow_dirops.calendar.form import form_description, form_pattern, is_form_field

if TYPE_CHECKING:
    from airflow.sdk import DAG


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

    :param partition_format: the form of the names; None for any.
    """
    owners: tuple[Any, ...] = (dag, *dag.tasks)
    for owner in owners:  # each task has a copy, and checks the run's params with it
        if is_form_field(owner.params, "partition"):
            field = owner.params.get_param("partition")
            is_first = field.schema.pop("format", None) is not None
            pattern = form_pattern(partition_format)
            if is_first and pattern:
                field.schema["pattern"] = pattern
            elif field.schema.get("pattern") != pattern:  # stages of one DAG whose folders are named differently
                field.schema.pop("pattern", None)
            field.description = form_description(partition_format)
