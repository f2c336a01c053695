"""What the trigger form says of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.core import errors
from airflow_dirops.core.stage.options import OPTIONS
from airflow_dirops.runtime.context import form_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_dirops.core.stage.option import FormField


def form_choices(context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the trigger form of :func:`~airflow_dirops.calendar.form.dirops_params` changes for this run.

    :param context: the task's context.
    :param given: what the operator says of each option that it takes.
    """
    form = form_of(context)
    filled_in = {
        name: value
        for name, option in OPTIONS.items()
        if option.form and (value := _filled_in(option.form, form.get(option.field_name))) is not None
    }
    allowed = filled_in.get("max_failures")
    # Of a DAG's stages only some may set files aside: the number is for those.
    if allowed is not None and filled_in.get("on_error") == "fail":
        raise errors.ArgumentRefused(
            f'the form says "How many may fail": {allowed!r}, and that the first failure stops the stage; '
            'choose "Set them aside" for "Files that fail", or leave the number out'
        )
    defaults = {name: option.default for name, option in OPTIONS.items() if option.form}
    chosen = {name: filled_in.get(name, given.get(name, default)) for name, default in defaults.items()}
    return chosen if chosen["on_error"] == "quarantine" else {**chosen, "max_failures": None}


def _filled_in(field: FormField, value: Any) -> Any:
    """What a field gives; None, if it was left alone."""
    if field.kind == "switch":
        return field.gives if value is True else None
    if not isinstance(value, str):
        return value
    value = value.strip()
    return int(value) if value.isdecimal() else value or None
