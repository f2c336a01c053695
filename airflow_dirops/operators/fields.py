"""What the fields of a stage must agree on: its sources, its target and the partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dirops.calendar.checks import check_partition
from airflow_dirops.calendar.windows import PartitionWindow
from airflow_dirops.core import errors
from airflow_dirops.core.format.pins import pin_of
from airflow_dirops.core.stage.partitions import PLACEHOLDER, PartitionsLike
from airflow_dirops.runtime.assets import with_outlet
from airflow_dirops.runtime.context import is_mapped, overridden_params, said_by
from airflow_dirops.runtime.dimensions import check_target, names_in
from airflow_dirops.runtime.fields import PathFields
from airflow_dirops.runtime.paths import pairs
from airflow_dirops.runtime.templates import has_jinja, has_partition, mentions_partition, varies_by

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context


class StageFields(PathFields):
    """Renders the fields of a stage, and refuses a target that another run would replace."""

    source: Any
    target: Any
    takes_all_partitions = False
    """Whether what the stage writes stands for all partitions of its source together."""

    waits = False
    """Whether the partitions that it reads are waited for."""

    @classmethod
    def plain_arguments(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, where a target that is an asset is the stage's outlet, too."""
        return super().plain_arguments(with_outlet(arguments))

    @classmethod
    def check_names(cls, arguments: Mapping[str, Any], dag: DAG | None) -> None:
        """Refuse while the DAG file is read a target that would be the same for each partition of the source."""
        super().check_names(arguments, dag)
        source, target = arguments.get("source"), arguments.get("target")
        if isinstance(target, PartitionsLike):
            raise errors.ArgumentRefused(
                f"target={target!r} stands for several partitions, and a run writes one; give the path alone"
            )
        if arguments.get("aggregate") is not None or not isinstance(target, str) or has_jinja(target):
            return
        for template in source if isinstance(source, list | tuple) else [source]:
            if not isinstance(template, PartitionWindow) and mentions_partition(template):
                _refuse_shared_target(template, target)

    def _fill_in(self, templates: Mapping[str, Any], context: Context) -> None:
        rendered_target = str(self.target)
        sources = pairs(templates["source"], self.source)
        self.waits = isinstance(templates["source"], PartitionWindow) and templates["source"].waits
        super()._fill_in(templates, context)
        self._check_target_dimensions(templates, sources, rendered_target)
        if not self.takes_all_partitions:
            self._check_target(templates, rendered_target, context)

    def _pinned_dimensions(self, templates: Mapping[str, Any]) -> list[Any]:
        return [pin.dimensions for _, source in pairs(templates["source"], self.source) if (pin := pin_of(source))]

    def _check_target_dimensions(
        self, templates: Mapping[str, Any], sources: list[tuple[Any, Any]], rendered_target: str
    ) -> None:
        """Refuse a target that another site's task would replace."""
        values = self.dimensions or {}
        for field in self.name_fields:
            check_target(templates["target"], names_in(templates[field]), field, templates[field])
        for template, source in sources:
            pin = pin_of(source)
            pinned = pin.dimensions if pin else {}
            names = {name for name in pinned if values[name] not in rendered_target.split("/")}
            check_target(templates["target"], names | names_in(template), "source", template)

    def _partition_of_run(self, templates: Mapping[str, Any], context: Context) -> str:
        pinned = {
            pin.partition
            for _, source in pairs(templates["source"], self.source)
            if (pin := pin_of(source)) and pin.partition
        }
        if len(pinned) > 1:
            raise errors.ArgumentRefused(
                f"the sources are of different partitions, {', '.join(sorted(pinned))}; take those of one"
            )
        said = said_by(context, self.partition_format)
        if not pinned or (said.names_one and not is_mapped(context)):
            return self._agreed(super()._partition_of_run(templates, context), pinned)
        return check_partition(pinned.pop(), "the partition of the source", None)

    def _agreed(self, partition: str, pinned: set[str]) -> str:
        if pinned - {partition}:
            raise errors.ArgumentRefused(
                f"the source is its stage's partition {pinned.pop()!r}, but this run is for {partition!r}; "
                "if that is meant, set partition= here"
            )
        return partition

    def _check_target(self, templates: Mapping[str, Any], rendered_target: str, context: Context) -> None:
        """Refuse a target that another partition's run, or the next run, would replace."""
        target = templates["target"]
        overrides = overridden_params(context)
        by_target = varies_by(target, overrides)
        if isinstance(templates["source"], PartitionWindow):
            return  # what moves on with the run is meant to replace what it was
        for template, source in pairs(templates["source"], self.source):
            pin = pin_of(source)
            partition = (pin and pin.partition) or (self.partition if mentions_partition(template) else None)
            if partition and not has_partition(target, rendered_target, partition):
                raise errors.ArgumentRefused(
                    f"source={template!r} is the partition {partition!r}, but target={target!r} has none in it, "
                    f"so that each partition would replace the one before; put {PLACEHOLDER} into target"
                )
            by_source = set() if pin else varies_by(template, overrides)
            if "run" not in by_target and by_source - by_target:
                raise errors.ArgumentRefused(
                    f"source={template!r} is another directory in each run, but target={target!r} is "
                    f"the same, so that each run would replace the one before; put {PLACEHOLDER} into target"
                )


def _refuse_shared_target(source: Any, target: str) -> None:
    if not mentions_partition(target):
        raise errors.ArgumentRefused(
            f"source={source!r} is another directory for each partition, but target={target!r} is the same, so that "
            f"each would replace the one before; put {PLACEHOLDER} into target"
        )
