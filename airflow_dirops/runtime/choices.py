"""What the trigger form says of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.core import errors
from airflow_dirops.runtime.context import form_of

if TYPE_CHECKING:
    from airflow.sdk import Context


def form_choices(
    context: Context,
    *,
    redo: str,
    on_error: str,
    max_failures: int | str | None,
    max_removed: int | str | None,
) -> dict[str, Any]:
    """What the trigger form of :func:`~airflow_dirops.calendar.form.dirops_params` changes for this run.

    :param context: the task's context.
    :param redo: what the operator says.
    :param on_error: what the operator says.
    :param max_failures: what the operator says; it goes with quarantine alone.
    :param max_removed: what the operator says.
    """
    form = form_of(context)
    on_error = form.get("on_error") or on_error
    allowed = _budget(form.get("max_failures"))
    # Of a DAG's stages only some may set files aside: the number is for those.
    if allowed is not None and form.get("on_error") == "fail":
        raise errors.ArgumentRefused(
            f'the form says "How many may fail": {allowed!r}, and that the first failure stops the stage; '
            'choose "Set them aside" for "Files that fail", or leave the number out'
        )
    return {
        "redo": form.get("redo") or redo,
        "on_error": on_error,
        "max_failures": (max_failures if allowed is None else allowed) if on_error == "quarantine" else None,
        "max_removed": "100%" if form.get("accept_removal") is True else max_removed,
        "accept_code_change": form.get("accept_code_change") is True,
        "limit": form.get("limit"),
        "dry_run": form.get("dry_run") is True,
    }


def _budget(given: Any) -> int | str | None:
    if isinstance(given, str):
        given = given.strip()
        return (int(given) if given.isdecimal() else given) if given else None
    count: int | None = given
    return count
