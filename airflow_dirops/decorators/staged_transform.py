"""``@task.staged_transform``: a function of a value, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.decorators.stage import PerFileTask, stage_decorator
from airflow_dirops.operators.staged_transform import StagedTransformOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk.bases.decorator import TaskDecorator


class StagedTransformTask(PerFileTask, StagedTransformOperator):
    """A :class:`~airflow_dirops.operators.staged_transform.StagedTransformOperator` made from a function."""

    role = "transform"
    custom_operator_name = "@task.staged_transform"
    template_fields: Sequence[str] = (*PerFileTask.template_fields, *StagedTransformOperator.template_fields)


def staged_transform_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a stage of a function that transforms one record.

    ::

        @task.staged_transform(source=to_numpy.output, target="final/red_channel/{partition}")
        def red_channel(image):
            return image[:, :, 0]

        red_channel()

    :param python_callable: the decorated function.
    """
    return stage_decorator(python_callable, StagedTransformTask, kwargs)
