"""``{{ dirops.partition }}`` in every templated field of a DAG with a stage or a sensor of ours.

Airflow hands a plugin's macros no context, and so none of them could tell the partition of a run; a Jinja environment
asks its own class of context for each name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.runtime import Context as Names
from jinja2.utils import missing

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.runtime.templates import DATES

if TYPE_CHECKING:
    from airflow.sdk import DAG

NAME = "dirops"

_AIRFLOWS_OWN = ("jinja2.ext.do",)  # which Airflow leaves out where a DAG names extensions


class Dirops:
    """What a template may ask of us.

    :param names: what the template knows.
    """

    def __init__(self, names: Names) -> None:
        self._names = names

    @property
    def partition(self) -> str:
        """The run's partition, as stages and sensors take it.

        :raises ArgumentRefused: if the run names none.
        """
        from airflow_dirops.runtime.context import partition_of_run

        context: Any = self._names.get_all()
        if "dag" not in context:
            where = f"the template {self._names.name!r}" if self._names.name else "this template"
            raise ArgumentRefused(
                f"{NAME}.partition is asked for in {where}, which was not told of any run; import it as in "
                f"{{% import 'paths.j2' as paths with context %}}, or hand {NAME}.partition to its macro as an argument"
            )
        return partition_of_run(context)

    def __str__(self) -> str:
        return self.partition


class DiropsNames(Names):
    """The names of a template, and ours; with a hint for the dates that a run without a logical date lacks."""

    def resolve_or_missing(self, key: str) -> Any:
        """What a name stands for.

        :param key: the name.
        """
        found = super().resolve_or_missing(key)
        if found is not missing:
            return found
        if key == NAME:
            return Dirops(self)
        if key in DATES and "dag_run" in self.parent and "logical_date" not in self.parent:
            hint = (
                f"{key!r} is undefined, since this run has no logical date; runs with a partition key have none. "
                f"Write {{{{ {NAME}.partition }}}}, which every run has"
            )
            return self.environment.undefined(hint=hint, name=key)
        return found


class DiropsExtension(Extension):
    """Has a Jinja environment look names up in :class:`DiropsNames`."""

    identifier = NAME

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.context_class = DiropsNames


def let_templates_ask(dag: DAG) -> None:
    """Give the fields of all operators of a DAG what is above.

    :param dag: while its file is read.
    """
    settings = dict(dag.jinja_environment_kwargs or {})
    extensions = list(settings.get("extensions", _AIRFLOWS_OWN))
    if DiropsExtension not in extensions:
        dag.jinja_environment_kwargs = {**settings, "extensions": [*extensions, DiropsExtension]}
