"""The trigger form: the fields that a DAG gets, and what tells them from an author's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.calendar.formats import DAILY, example_name, tells_hours

if TYPE_CHECKING:
    from airflow.sdk import Param

FORM_MARK = "x-dirops"
"""A member of the schema of each of the form's fields, which tells it from an author's own of the same name."""

DRY_RUN = "Dry run: only planned, nothing was written"
"""How a run, a task and a log say so."""


def dirops_params() -> dict[str, Param]:
    """Fields for a DAG's trigger form: which partition, what to redo, bad files, a trial, or only a plan.

    Left as they are, they change nothing. More fields can be added: ``params={**dirops_params(), ...}``.
    """
    from airflow.sdk import Param

    fields = {
        "partition": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Partition",
            description=form_description(),
        ),
        "redo": Param(
            None,
            type=["null", "string"],
            enum=[None, "needed", "damaged", "all"],
            values_display={
                "null": "As the DAG says",
                "needed": "What is new, changed or missing",
                "damaged": "Also what is damaged",
                "all": "Everything",
            },
            title="Redo",
            description="Which files to compute. For damage, results that are kept are compared with their digests.",
        ),
        "on_error": Param(
            None,
            type=["null", "string"],
            enum=[None, "fail", "quarantine"],
            values_display={"null": "As the DAG says", "fail": "Stop at the first", "quarantine": "Set them aside"},
            title="Files that fail",
            description="What to do about them. Those that are set aside are listed in the manifest.",
        ),
        "max_failures": Param(
            None,
            type=["null", "string"],
            title="How many may fail",
            description="A count such as 20, or a percentage such as 5%, of files to set aside. "
            "Empty: as the DAG says.",
        ),
        "accept_removal": Param(
            False,
            type=["null", "boolean"],  # without "null" the form marks a switch as a field to be filled in
            title="Accept removals",
            description="For a run that was refused since too many results would go (TooManyRemoved): let them go.",
        ),
        "accept_code_change": Param(
            False,
            type=["null", "boolean"],
            title="Accept a code change",
            description="Keep the results that are there, though the code that made them, or its params, have changed.",
        ),
        "limit": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Trial run",
            description="How many inputs to work on, the first by name, such as 20. The result is marked as a trial, "
            "makes no asset event, and never replaces a full one. Empty: all.",
        ),
        "dry_run": Param(
            False,
            type=["null", "boolean"],
            title="Dry run",
            description="Only plan: log what would run and why, write nothing.",
        ),
    }
    for name, field in fields.items():
        field.schema[FORM_MARK] = name
    return fields


def is_form_field(params: Any, name: str) -> bool:
    """Whether a param is a field of ours, and not an author's own of the same name.

    :param params: those of the DAG or the task, as Airflow holds them.
    """
    return name in params and params.get_param(name).schema.get(FORM_MARK) == name


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
