"""``.partial(…).expand(…)`` of an operator: checked while the DAG file is read, as far as it is known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.mappedoperator import OperatorPartial

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

_MOST_LOOKED_AT = 2000  # a DAG file is read every few seconds

Check = Callable[[Mapping[str, Any]], None]
"""Refuses the arguments of one instance."""


class CheckedPartial(OperatorPartial):
    """Looks at each instance that the DAG file names itself."""

    check: Check

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over lists, each with each."""
        self._look(_product(mapped_kwargs))
        return super().expand(**mapped_kwargs)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over dicts of arguments."""
        if isinstance(kwargs, Sequence):
            self._look(iter(each for each in kwargs if isinstance(each, Mapping)))
        return super().expand_kwargs(kwargs, strict=strict)

    def _look(self, instances: Iterator[Mapping[str, Any]]) -> None:
        for instance in islice(instances, _MOST_LOOKED_AT):
            self.check({**self.kwargs, **instance})


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
