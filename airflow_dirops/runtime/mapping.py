"""``.partial(…).expand(…)`` of an operator: checked while the DAG file is read, as far as it is known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext
from airflow.sdk.definitions.mappedoperator import OperatorPartial

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.runtime.assets import TargetAsset, plain_path
from airflow_dirops.runtime.form import follow_form

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from airflow.sdk.definitions.mappedoperator import MappedOperator

_NAMED = "_dirops_named"
_MOST_LOOKED_AT = 2000  # a DAG file is read every few seconds

Check = Callable[[Mapping[str, Any]], None]
"""Refuses the arguments of one instance."""


@contextmanager
def naming_the_task(task_id: str | None) -> Iterator[None]:
    """The page of import errors cuts the traceback off before the line of the DAG file.

    Within a block that names a task, the outer one counts: an author knows a stage, and not its parts.
    """
    try:
        yield
    except ArgumentRefused as error:
        what = str(error).removeprefix(getattr(error, _NAMED, ""))
        named = f"task {task_id!r}: "
        setattr(error, _NAMED, named)
        error.args = (f"{named}{what}", *error.args[1:])
        raise


def own_arguments(operator: type) -> set[str]:
    """The names that an operator gives its arguments, or one derived from it."""
    inits = [vars(each)["__init__"] for each in operator.__mro__ if "__init__" in vars(each)]
    return {name for init in inits for name in signature(init).parameters}


@dataclass(frozen=True)
class ToBeMapped:
    """The arguments that all instances of a mapped task share, as its operator takes them.

    :param operator: its class.
    :param given: what the DAG file says.
    :param all_defaults: what ``default_args`` say, of other operators' arguments too.
    """

    operator: Any
    given: Mapping[str, Any]
    all_defaults: Mapping[str, Any]
    dag: DAG | None

    @classmethod
    def of(cls, operator: Any, given: Mapping[str, Any]) -> ToBeMapped:
        dag = given.get("dag") or DagContext.get_current()
        group = given.get("task_group") or TaskGroupContext.get_current(dag)
        merged, _ = get_merged_defaults(dag, group, None, given.get("default_args"))
        return cls(operator, given, merged, dag)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What ``default_args`` say of the operator's own arguments."""
        own = own_arguments(self.operator)
        return {name: value for name, value in self.all_defaults.items() if name in own}

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that were given, as Airflow takes them: paths for assets, which are outlets."""
        plain = self._plain
        return {name: value for name, value in plain.items() if value is not self.defaults.get(name, plain)}

    @property
    def _plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = self.operator.plain_arguments({**self.defaults, **self.given})
        return plain

    def check(self) -> None:
        """Refuse what no instance could use."""
        with naming_the_task(self.given.get("task_id")):
            self.operator.check_defaults(self.all_defaults)
            self.operator.check_arguments(self._plain, self.dag)

    def check_instance(self, instance: Mapping[str, Any]) -> None:
        """Refuse the arguments of one instance.

        :param instance: what is mapped over, with what all share.
        """
        with naming_the_task(self.given.get("task_id")):
            root_conn_id = instance.get("root_conn_id", self.defaults.get("root_conn_id"))
            for name in self.operator.path_fields:
                plain_path([self.given.get(name), instance.get(name)], root_conn_id)
            if isinstance(asset := instance.get("target"), TargetAsset):
                raise ArgumentRefused(
                    f"target= is mapped over, and {asset.path!r} in it is an asset: Airflow would not know of what "
                    "these instances write. Make a stage for each, in a loop of the DAG file; or give paths, where no "
                    "DAG starts by these targets"
                )
            self.operator.check_names({**self.defaults, **instance}, self.dag)


class CheckedPartial(OperatorPartial):
    """Looks at each instance that the DAG file names itself."""

    check: Check

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over lists, each with each."""
        self._look(_product(mapped_kwargs))
        self._take_form()
        return super().expand(**mapped_kwargs)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over dicts of arguments."""
        if isinstance(kwargs, Sequence):
            self._look(iter(each for each in kwargs if isinstance(each, Mapping)))
        self._take_form()
        return super().expand_kwargs(kwargs, strict=strict)

    def _take_form(self) -> None:
        """Stages that were written meanwhile may have made the DAG's form fit other names, or more of them."""
        if (dag := self.kwargs.get("dag")) is not None:
            follow_form(self.params, dag)

    def _look(self, instances: Iterator[Mapping[str, Any]]) -> None:
        for instance in islice(instances, _MOST_LOOKED_AT):
            self.check({**self.kwargs, "params": self.params, **instance})


def checked_partial(partial: Any, check: Check) -> CheckedPartial:
    """What an operator's ``partial`` gave, with a look at what it is mapped over.

    :param partial: what Airflow made.
    :param check: refuses the arguments of one instance.
    """
    made = CheckedPartial(operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params)
    made.check = check
    partial._expand_called = True  # noqa: SLF001 - the other one warns when it is never mapped
    return made


def _product(mapped: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments of each instance; what only a run knows stands as it is."""
    lists = [value if isinstance(value, (list, tuple)) else [value] for value in mapped.values()]
    return (dict(zip(mapped, each, strict=True)) for each in product(*lists))
