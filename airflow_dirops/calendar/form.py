"""The trigger form: the fields that a DAG gets, and what tells them from an author's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_dirops.calendar.formats import DAILY, example_name, tells_hours
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.options import OPTIONS

if TYPE_CHECKING:
    from airflow.sdk import Param

    from airflow_dirops.core.stage.option import FormField, Option

FORM_MARK = "x-dirops"
"""A member of the schema of each of the form's fields, which tells it from an author's own of the same name."""

# How names look, by the directives of strftime that write digits only.
_DIGITS = {
    **dict.fromkeys("YG", "[0-9]{4}"),
    **dict.fromkeys("ymdHIMSVUW", "[0-9]{2}"),
    "j": "[0-9]{3}",
    "f": "[0-9]{6}",
    "u": "[1-7]",
    "w": "[0-6]",
    "z": "[+-][0-9]{4}",
    "%": "%",
}
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SAFE_NAME = "[^./ ][^/]*(/[^./][^/]*)*"
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")  # re.escape does so for more, which browsers refuse

FORM_FIELDS = frozenset({"partition", *(each.field_name for each in OPTIONS.values() if each.form)})
"""The names of the form's fields."""

DRY_RUN = "Dry run: only planned, nothing was written"
"""How a run, a task and a log say so."""


def dirops_params() -> dict[str, Param]:
    """Fields for a DAG's trigger form: which partition, what to redo, bad files, a trial, or only a plan.

    Left as they are, they change nothing. More fields can be added: ``params={**dirops_params(), ...}``; under other
    names, as these are taken. What a DAG's stages do by default is said in ``default_args``.
    """
    from airflow.sdk import Param

    fields = {
        "partition": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Partition",
            description=form_description(),
        )
    }
    for option in OPTIONS.values():
        if option.form:
            value, schema = _param(option.form)
            fields[option.field_name] = Param(value, title=option.form.title, description=option.form.text, **schema)
    for name, field in fields.items():
        field.schema[FORM_MARK] = name
    return fields


def _param(field: FormField) -> tuple[Any, dict[str, Any]]:
    """What a field is when it is left alone, and what can be filled in."""
    # Without "null" the form marks every field, a switch too, as one to be filled in.
    match field.kind:
        case "switch":
            return False, {"type": ["null", "boolean"]}
        case "count":
            return None, {"type": ["null", "integer"], "minimum": 1}
        case "text":
            return None, {"type": ["null", "string"]}
        case "choice":
            shown = {"null": "As the DAG says", **field.choices}
            return None, {"type": ["null", "string"], "enum": [None, *field.choices], "values_display": shown}


def is_form_field(params: Any, name: str) -> bool:
    """Whether a param is a field of ours, and not an author's own of the same name.

    :param params: those of the DAG or the task, as Airflow holds them.
    """
    return name in params and params.get_param(name).schema.get(FORM_MARK) == name


def check_form(params: Any) -> None:
    """Refuse a param in the place of a field of the form: it would steer nothing, whoever fills it in.

    :param params: those of a DAG or a task, as Airflow holds them.
    :raises ArgumentRefused: if there is a form, and a field of it is an author's own.
    """
    names = {"partition": None, **{each.field_name: each for each in OPTIONS.values() if each.form}}
    if not any(is_form_field(params, name) for name in names):
        return
    for name, option in names.items():
        if name in params and not is_form_field(params, name):
            raise ArgumentRefused(
                f"params has a {name!r} in the place of the form's field of that name, and no stage would follow it: "
                f"leave it out of params. {_instead(option)}; a param for your own functions needs another name"
            )


def _instead(option: Option | None) -> str:
    if option is None:
        return "To set the partition of a stage, give it partition="
    if option.where.is_in_dags:
        return f"To say what the stages of this DAG do by default, write default_args={{{option.name!r}: ...}}"
    return "The field is for one run, and has no default"


def form_pattern(partition_format: str | None) -> str | None:
    """What the form's field for the partition must look like, so that a wrong one is refused before there is a run.

    :param partition_format: the form of the names; None for any.
    :returns: a regular expression, or None where names have words in them, such as those of months.
    """
    if partition_format is None:
        return f"^({_SAFE_NAME})?$"
    parts = re.findall("%.?|[^%]+", partition_format, re.DOTALL)
    known = [_DIGITS.get(part[1:]) if part[0] == "%" else _SPECIAL.sub(r"\\\1", part) for part in parts]
    if None in known:
        return None
    name = "".join(filter(None, known))
    return f"^({name})?$" if tells_hours(partition_format) else f"^({name}|{_DATE})?$"


def form_description(partition_format: str | None = DAILY) -> str:
    """What the form says of its field for the partition.

    :param partition_format: the form of the names; None for any.
    """
    what = "The day whose folder to work on."
    if partition_format is None:
        what = "The name of the folder to work on."
    elif partition_format != DAILY:
        what = f"The folder to work on, such as {example_name(partition_format)}"
        what += "." if tells_hours(partition_format) else ", or a date in it, such as 2026-11-26."
    return (
        f"{what} Empty: the Partition Key under Advanced Options, else the last that has ended. "
        "Leave it empty in a backfill; there the other fields count only if 'Override parameters on existing runs' "
        "is ticked."
    )
