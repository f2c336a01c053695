"""The path fields of operators and sensors: rendered to the end, and checked as early as can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from jinja2 import UndefinedError
from jinja2.nativetypes import NativeEnvironment

from airflow_dirops.calendar.checks import FROM_SCHEDULE, check_format, check_partition, check_same_format
from airflow_dirops.calendar.form import check_form, is_form_field
from airflow_dirops.calendar.windows import PartitionWindow
from airflow_dirops.core import errors
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.partitions import PLACEHOLDER
from airflow_dirops.core.stage.patterns import literal
from airflow_dirops.runtime.assets import plain_path, schedule_format
from airflow_dirops.runtime.context import (
    form_of,
    format_of,
    function_params,
    is_mapped,
    misspelled,
    partition_of,
    zone_of,
)
from airflow_dirops.runtime.dimensions import (
    PARTITION,
    check_given,
    check_names,
    filled,
    label_of,
    names_in,
    refuse_unanswered,
    settled,
)
from airflow_dirops.runtime.form import fit_form, params_of
from airflow_dirops.runtime.jinja import check_templates, undefined
from airflow_dirops.runtime.macro import let_templates_ask
from airflow_dirops.runtime.mapping import ToBeMapped, checked_partial, naming_the_task
from airflow_dirops.runtime.paths import absolute_path, check_literal, pairs, path_text, pinned_source, refuse_nothing
from airflow_dirops.runtime.retries import RETRY_POLICY
from airflow_dirops.runtime.roots import Root, check_root_conn_id, root_of
from airflow_dirops.runtime.templates import mentions_partition, other_date
from airflow_dirops.runtime.texts import kept_as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import jinja2
    from airflow.sdk import DAG, Context
    from airflow.sdk.definitions.retry_policy import RetryPolicy

    from airflow_dirops.core import Partitions

LABEL = "{{ dirops_label | default('') }}"
"""What the UI calls an instance of a task: its partition, and whether it was a dry run or a trial."""


class _CheckedPartial:
    """``.partial`` of an operator, which looks at its arguments as the operator itself does."""

    def __get__(self, task: BaseOperator | None, operator: type[PathFields]) -> Callable[..., Any]:
        partial = vars(BaseOperator)["partial"].__get__(task, operator)

        def checked(**arguments: Any) -> Any:
            mapping = ToBeMapped.of(operator, arguments)
            mapping.check()
            return checked_partial(partial(**mapping.arguments), mapping.check_instance)

        return checked


class PathFields(BaseOperator):
    """Renders path fields to the end: ``{partition}`` filled in, below the root, or a clear error.

    It happens while Airflow renders templates, so that the UI shows the real paths.

    :param root_conn_id: the connection, of the type "Directory root", that relative paths are below; without it,
        ``[dirops] root``.
    """

    partial: Any = _CheckedPartial()
    path_fields: tuple[str, ...] = ("target",)
    name_fields: tuple[str, ...] = ()
    """Fields that are no paths, and may have names such as ``{site}`` in them as well."""
    partition: str | None
    partition_format: str | None = FROM_SCHEDULE
    dimensions: Any = None

    def __init__(
        self,
        *,
        root_conn_id: str | None = None,
        retry_policy: RetryPolicy | None = RETRY_POLICY,
        map_index_template: str | None = LABEL,
        **kwargs: Any,
    ) -> None:
        # Airflow's own, whose defaults it looks for in signatures, for mapped tasks too.
        super().__init__(retry_policy=retry_policy, map_index_template=map_index_template, **kwargs)
        self.root_conn_id = root_conn_id

    @cached_property
    def root(self) -> Root:
        """What relative paths are below, in a task."""
        return root_of(self.root_conn_id)

    @classmethod
    def plain_arguments(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with the path of an asset in place of the asset.

        :param arguments: the operator's own, or those of ``.partial``.
        """
        root_conn_id = arguments.get("root_conn_id")
        return {
            name: plain_path(value, root_conn_id) if name in cls.path_fields else value
            for name, value in arguments.items()
        }

    @classmethod
    def check_defaults(cls, defaults: Mapping[str, Any]) -> None:
        """Refuse while the DAG file is read what ``default_args`` cannot say.

        :param defaults: all of those that hold for this task, its own and others'.
        """

    @classmethod
    def check_arguments(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what no run could use.

        :param arguments: the operator's own, or those of ``.partial``.
        :param dag: the DAG, if it is known already.
        """
        check_root_conn_id(arguments.get("root_conn_id"))
        given = arguments.get("partition_format", FROM_SCHEDULE)
        check_format(given)
        schedules = schedule_format(dag.timetable) if dag else FROM_SCHEDULE
        if schedules not in (FROM_SCHEDULE, None):
            check_same_format(given, schedules)
        used = format_of(dag, given)
        partition = arguments.get("partition")
        if isinstance(partition, str) and "{" not in partition:
            check_partition(partition, "partition", used)
        elif not (partition is None or isinstance(partition, str) or hasattr(partition, "resolve")):
            raise errors.ArgumentRefused(f"partition={partition!r} is no text; write partition={str(partition)!r}")
        check_form(params_of(dag, arguments.get("params") or {}))
        if dag and partition is None:
            fit_form(dag, used if schedules == FROM_SCHEDULE else schedules)
        if dag:
            let_templates_ask(dag)
        check_given(arguments.get("dimensions"))

    @classmethod
    def check_names(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read what stands for a folder, and what nobody will say.

        :param arguments: all those of one instance.
        :param dag: the DAG, if it is known already.
        """
        given, source = arguments.get("dimensions"), arguments.get("source")
        check_given(given)
        said = params_of(dag, arguments.get("params") or {})
        params = {name for name in said if not is_form_field(said, name)}
        if dag:
            templates = {name: arguments.get(name) for name in cls.template_fields}
            named = given if isinstance(given, Mapping) else ()
            check_templates(templates, dag, {PARTITION, *named, *params})
        for name in cls.path_fields:
            if name in arguments:
                check_literal(name, arguments[name])
        fields = {name: arguments.get(name) for name in (*cls.path_fields, *cls.name_fields)}
        check_names(fields, given, params, is_pinned=hasattr(source, "resolve") or isinstance(source, (Mapping, list)))

    def _check_own_arguments(self) -> None:
        """What an operator does with its arguments once it has all of them."""
        for name, value in self.plain_arguments(vars(self)).items():
            if vars(self).get(name) is not value:
                setattr(self, name, value)
        with naming_the_task(self.task_id):
            self.check_arguments(vars(self), self.get_dag())
            self.check_names(vars(self), self.get_dag())

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Any,
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        # Airflow calls this, not render_template_fields, for a mapped task's instances as well.
        templates = {name: getattr(self, name) for name in self.template_fields}
        try:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        except UndefinedError as error:
            named = self.dimensions if isinstance(self.dimensions, Mapping) else {}
            raise undefined(templates, context, error, {PARTITION, *named, *function_params(context)}) from error
        if parent is self:
            if isinstance(jinja_env, NativeEnvironment):
                for name, template in templates.items():
                    setattr(self, name, kept_as_text(template, getattr(self, name), context))
            self._fill_in(templates, context)

    def _fill_in(self, templates: Mapping[str, Any], context: Context) -> None:
        for name, meant in misspelled(context):
            self.log.warning(
                "This run was started with %s, which nothing here takes; %r may be meant: start it once more with that",
                shown(repr(name), 100),
                meant,
            )
        for name, template in templates.items():
            refuse_nothing(name, template, getattr(self, name))
        self.partition_format = format_of(context["dag"], self.partition_format)
        if templates["partition"] is not None:
            self.partition = check_partition(self.partition, "partition", self.partition_format)
        elif any(mentions_partition(templates[name]) for name in (*self.path_fields, *self.name_fields)):
            self.partition = self._partition_of_run(templates, context)
        self.dimensions = self._dimensions_of_run(templates, context)
        context["dirops_label"] = self._label(context)  # type: ignore[typeddict-unknown-key]
        # Of a mapped task that is made of a function, Airflow has only what was written down for it.
        context["map_index_template"] = self.map_index_template
        for name in self.path_fields:
            template = templates[name]
            is_window = isinstance(template, PartitionWindow)
            setattr(self, name, self._several(template, context) if is_window else self._settled(name, template))
        for name in self.name_fields:
            setattr(self, name, self._named(name, templates[name], getattr(self, name)))

    def _label(self, context: Context) -> str:
        """What the UI shows of this instance of the task, where Airflow has no more than its index."""
        form = form_of(context)
        how = " (dry run)" if form.get("dry_run") is True else " (trial)" if form.get("limit") else ""
        return f"{self._name(context)}{how}".strip()

    def _name(self, context: Context) -> str:
        label = label_of(self.dimensions or {}, self.partition)
        return label or (str(getattr(self, "target", "")) if is_mapped(context) else "")

    def _partition_of_run(self, templates: Mapping[str, Any], context: Context) -> str:
        del templates
        return partition_of(context, self.partition_format)

    def _dimensions_of_run(self, templates: Mapping[str, Any], context: Context) -> dict[str, str]:
        fields = {name: templates[name] for name in (*self.path_fields, *self.name_fields)}
        needed = {name for template in fields.values() for name in names_in(template)}
        found = settled(needed, self.dimensions, self._pinned_dimensions(templates), function_params(context))
        for name, template in fields.items():
            refuse_unanswered(name, template, found)
        return found

    def _pinned_dimensions(self, templates: Mapping[str, Any]) -> list[Any]:
        """Those of each source that is an upstream's output."""
        del templates
        return []

    @property
    def _values(self) -> dict[str, str]:
        """What is filled in."""
        return {**(self.dimensions or {}), **({"partition": self.partition} if self.partition else {})}

    def _named(self, name: str, template: Any, rendered: Any) -> Any:
        """A field that is no path, with the names in it filled in."""
        if isinstance(rendered, (list, tuple)):
            return [self._named(name, template, each) for each in rendered]
        values = {key: literal(value) if name == "pattern" else value for key, value in self._values.items()}
        return filled(rendered, values) if isinstance(rendered, str) else rendered

    def _several(self, window: PartitionWindow, context: Context) -> Partitions:
        """The partitions that a source stands for in this run."""
        fields = {name: getattr(window, name) for name in ("path", "since", "until")}
        rendered = {
            name: kept_as_text(value, self.render_template(value, context), context) for name, value in fields.items()
        }
        for name, value in fields.items():
            refuse_nothing(f"source.{name}", value, rendered[name])
        path = path_text("source", window.path, rendered["path"])
        path = filled(path, {**self._values, "partition": PLACEHOLDER})
        path = self._absolute("source", path, kept=PLACEHOLDER)
        asked = replace(window, path=path, since=rendered["since"], until=rendered["until"])
        return asked.settle(self.partition, self.partition_format, zone=zone_of(context["dag"]))

    def _settled(self, name: str, template: Any) -> Any:
        rendered = getattr(self, name)
        if name == "source" and getattr(self, "join", None) and isinstance(rendered, (list, tuple)):
            for one, value in pairs(template, rendered):
                refuse_nothing(name, one, value)
            return [self._settled_path(name, one, value) for one, value in pairs(template, rendered)]
        return self._settled_path(name, template, rendered)

    def _settled_path(self, name: str, template: Any, rendered: Any) -> str | Mapping[str, Any]:
        if name == "source" and (pin := pinned_source(template, rendered)):
            return pin
        path = path_text(name, template, rendered)
        if self.partition and (date := other_date(template, path, self.partition, self.partition_format)):
            raise errors.ArgumentRefused(
                f"{name}={template!r} is for {date!r}, and this run's partition is {self.partition!r}: "
                "Airflow's ds is a date in UTC. Write {partition} there; or, if another date is meant, set partition= "
                "on the operator to the one that the target is for"
            )
        return self._absolute(name, filled(path, self._values))

    def _absolute(self, name: str, path: str, *, kept: str | None = None) -> str:
        try:
            return absolute_path(name, path, self.root.path, kept=kept)
        except errors.ArgumentRefused as error:
            if set("{$%").isdisjoint(path):
                raise
            raise errors.ArgumentRefused(f"{error}. A DAG's paths may have {{partition}} and Jinja in them") from error
