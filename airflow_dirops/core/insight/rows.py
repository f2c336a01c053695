"""The rows of the table: a stage, for one site or camera, with its partitions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

from airflow_dirops.core.insight.headers import Headers, Seen, Unread, template_of
from airflow_dirops.core.stage.partitions import PLACEHOLDER, with_partition, without_partition
from airflow_dirops.core.upkeep.chain import layers_of

_NO_PARTITION = ""


@dataclass
class Row:
    """A stage, and what it has below one path.

    :param target: the path of its targets, with ``{partition}`` where they differ by that.
    :param seen: by partition; the key is empty where there is none.
    :param unread: targets of that path without a header that can be read, in the same way.
    """

    stage: str
    target: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)

    @cached_property
    def newest(self) -> Seen | None:
        """The one that was made last, and is no trial."""
        whole = [each for each in self.seen.values() if each.limit is None] or [*self.seen.values()]
        return max(whole, key=attrgetter("created"), default=None)

    @property
    def has_partitions(self) -> bool:
        return PLACEHOLDER in self.target

    @cached_property
    def real_templates(self) -> set[str]:
        """Its path without links; several, where some partitions are links to another disk."""
        return {without_partition(each.real, each.partition) for each in self.seen.values()}

    def path_of(self, name: str) -> str:
        """Where a partition lies."""
        return with_partition(self.target, name)

    def reads(self) -> list[str]:
        """The stages that it reads, and folders that no stage wrote, with ``{partition}`` where they differ by that."""
        return sorted({name for each in self.seen.values() for name in _names_read(each)})

    def source_templates(self) -> list[str]:
        """Where its sources lie, real paths with ``{partition}``, as the newest snapshot says; none of a roll-up's."""
        newest = self.newest
        if newest is None or newest.rolled_up:
            return []
        return [without_partition(source.path, newest.partition) for source in newest.sources]


def rows_of(headers: Headers) -> list[Row]:
    """What was found, as rows; a stage comes after those that it reads."""
    rows: dict[tuple[str, str], Row] = {}
    for seen in headers.seen:
        target = template_of(seen)
        row = rows.setdefault((seen.stage, target), Row(seen.stage, target, seen.dimensions))
        row.seen[seen.partition or _NO_PARTITION] = seen
    strangers = [each for each in headers.unread if not _assign(each, rows.values())]
    layers = layers_of(_reads_by_stage(rows.values()))
    in_order = sorted(rows.values(), key=lambda row: (layers[row.stage], row.stage, row.target))
    return [*in_order, *(Row("", each.target, unread={_NO_PARTITION: each}) for each in strangers)]


def names_below(template: str, like: Iterable[str]) -> Iterator[str]:
    """The partitions of which there is a folder, as far as their names are written like others.

    :param template: a path with ``{partition}``.
    :param like: names that there are.
    """
    before, _, behind = template.partition(PLACEHOLDER)
    if not before.endswith("/") or (behind and not behind.startswith("/")):
        return  # the name is only a part of a folder's
    for shape in {tuple(_shape(name).split("/")) for name in like}:
        yield from _fitting(before, shape, "")


def _fitting(folder: str, shape: tuple[str, ...], name: str) -> Iterator[str]:
    if not shape:
        yield name
        return
    try:
        with os.scandir(os.path.join(folder, name)) as entries:
            found = [each.name for each in entries if _shape(each.name) == shape[0] and each.is_dir()]
    except OSError:
        return
    for each in found:
        yield from _fitting(folder, shape[1:], f"{name}/{each}" if name else each)


def _shape(name: str) -> str:
    return re.sub(r"[0-9]", "0", name)


def _assign(unread: Unread, rows: Iterable[Row]) -> bool:
    """Put a target under the rows whose path fits; False if none does."""
    fits = False
    for row in rows:
        before, has_one, behind = row.target.partition(PLACEHOLDER)
        name = unread.target.removeprefix(before).removesuffix(behind)
        if unread.target == f"{before}{name}{behind}" and bool(name) == bool(has_one) and _fits(name, row):
            row.unread[name] = unread
            fits = True
    return fits


def _fits(name: str, row: Row) -> bool:
    return not row.has_partitions or any(_shape(name) == _shape(other) for other in row.seen)


def _reads_by_stage(rows: Iterable[Row]) -> dict[str, set[str]]:
    reads: dict[str, set[str]] = {}
    for row in rows:
        reads.setdefault(row.stage, set()).update(row.reads())
    return reads


def _names_read(seen: Seen) -> Iterator[str]:
    if rolled_up := [each.stage for each in seen.rolled_up if each.stage is not None]:
        yield from rolled_up
        return
    for source in seen.sources:
        yield source.stage if source.stage is not None else without_partition(source.path, seen.partition)
