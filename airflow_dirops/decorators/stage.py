"""How a decorated function becomes a stage: Airflow calls it once per file, not once per task."""

from __future__ import annotations

import inspect
from copy import copy
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk.bases.decorator import DecoratedOperator, _TaskDecorator

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.functions import BY_NAME
from airflow_dirops.operators.sharded import refuse_mapping, sharded
from airflow_dirops.runtime.mapping import ToBeMapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from airflow.sdk.bases.decorator import TaskDecorator

    from airflow_dirops.core import Stage

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_DOCS = frozenset({"doc", "doc_json", "doc_md", "doc_rst", "doc_yaml"})


class PerFileTask(DecoratedOperator):
    """What the decorators put before a stage operator.

    ``red_channel(threshold=3)`` in a DAG is one stage; its function gets the value of each file, and
    ``threshold=3`` every time.
    """

    role: ClassVar[str]
    """The operator's argument that the decorated function is for."""

    shallow_copy_attrs: Sequence[str] = ("python_callable", "read", "transform", "codec", "source_codec", "check")

    def __init__(self, *, python_callable: Callable[..., Any], op_args: Collection[Any] = (), **kwargs: Any) -> None:
        if op_args:
            raise TypeError(
                f"{kwargs['task_id']}() gets its value from each file of its source, not from the DAG: give "
                "source= to the decorator, and other arguments of the function by keyword"
            )
        # A "-> dict" says what comes of a file, not what the task pushes.
        kwargs |= {self.role: python_callable, "multiple_outputs": False}
        super().__init__(python_callable=per_file(python_callable), **kwargs)

    def stage_of(self, **options: Any) -> Stage:
        """The stage with the function as the DAG called it."""
        setattr(self, self.role, self.python_callable(**self.op_kwargs))
        stage: Stage = super().stage_of(**options)  # type: ignore[misc]
        return stage


class StageDecorator(_TaskDecorator[Any, Any, Any]):
    """A decorated function in a DAG file; mapped, it is looked at as the operator is, which Airflow makes later."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The stage, in shards if the decorator says so."""
        if not self._is_group:
            return super().__call__(*args, **kwargs)
        if self.is_setup or self.is_teardown:
            raise ArgumentRefused(f"the stage {self.kwargs['task_id']!r} is in shards, and neither setup nor teardown")
        arguments = {name: value for name, value in self.kwargs.items() if name not in ("shards", "shard_args")}
        if self.function.__doc__ and not arguments.keys() & _DOCS:
            arguments["doc_md"] = self.function.__doc__
        arguments |= {"python_callable": self.function, "op_args": args, "op_kwargs": kwargs}
        shards, shard_args = self.kwargs["shards"], self.kwargs.get("shard_args")
        return sharded(self.operator_class, shards, arguments, shard_args, numbers_names=True).output

    def partial(self, **kwargs: Any) -> Any:
        """Give arguments of the function that all instances share."""
        self._refuse_shards()
        return super().partial(**kwargs)

    def expand(self, **mapped: Any) -> Any:
        """Map over arguments of the function."""
        return super(StageDecorator, self._looked_at()).expand(**mapped)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        """Map over dicts of arguments of the function."""
        return super(StageDecorator, self._looked_at()).expand_kwargs(kwargs, strict=strict)

    @property
    def _is_group(self) -> bool:
        return "shards" in self.kwargs and self.kwargs.get("shard_executor") is None

    def _refuse_shards(self) -> None:
        if self._is_group:
            refuse_mapping(self.kwargs["task_id"])

    def _looked_at(self) -> StageDecorator:
        self._refuse_shards()
        mapping = ToBeMapped.of(self.operator_class, self.kwargs)
        mapping.check()
        mapping.check_instance(mapping.arguments)
        ready = copy(self)
        ready.kwargs = mapping.arguments
        return ready


def stage_decorator(function: Callable[..., Any] | None, operator: Any, kwargs: dict[str, Any]) -> TaskDecorator:
    """What ``@task.…`` puts in the place of a function.

    :param function: the decorated one; None where the decorator has arguments, and gets it next.
    :param kwargs: the operator's arguments.
    """

    def decorate(decorated: Callable[..., Any]) -> Any:
        if not callable(decorated):
            raise TypeError("a decorator's arguments are given by name, as in target=...")
        return StageDecorator(function=decorated, multiple_outputs=False, operator_class=operator, kwargs=dict(kwargs))

    return cast("TaskDecorator", decorate if function is None else decorate(function))


def per_file(function: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    """A function that takes only what the DAG gives, and returns one that takes what a file gives.

    Airflow binds the DAG's arguments to a decorated function while it parses, and would miss the value.

    :param function: the decorated function.
    """

    @wraps(function)
    def bind(**arguments: Any) -> Callable[..., Any]:
        return partial(function, **arguments) if arguments else function

    signature = inspect.signature(function)
    bind.__signature__ = signature.replace(parameters=_given_by_dag(signature))  # type: ignore[attr-defined]
    return bind


def _given_by_dag(signature: inspect.Signature) -> list[inspect.Parameter]:
    parameters = list(signature.parameters.values())
    value = next((p for p in parameters if p.kind in _POSITIONAL), None)
    return [
        p.replace(kind=p.KEYWORD_ONLY) if p.kind in _POSITIONAL else p
        for p in parameters
        if p is not value and p.name not in BY_NAME and p.kind is not p.VAR_POSITIONAL
    ]
