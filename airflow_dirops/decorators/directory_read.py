"""``@task.directory_read``: a function of a path, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.decorators.stage import PerFileTask, stage_decorator
from airflow_dirops.operators.directory_read import DirectoryReadOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk.bases.decorator import TaskDecorator


class DirectoryReadTask(PerFileTask, DirectoryReadOperator):
    """A :class:`~airflow_dirops.operators.directory_read.DirectoryReadOperator` made from a function."""

    role = "read"
    custom_operator_name = "@task.directory_read"
    template_fields: Sequence[str] = (*PerFileTask.template_fields, *DirectoryReadOperator.template_fields)


def directory_read_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a stage of a function that reads one file.

    ::

        @task.directory_read(source="raw/{partition}", target="interim/to_numpy/{partition}")
        def to_numpy(path):
            return io.imread(path)

        to_numpy()

    :param python_callable: the decorated function.
    """
    return stage_decorator(python_callable, DirectoryReadTask, kwargs)
