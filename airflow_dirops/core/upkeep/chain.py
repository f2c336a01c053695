"""What was executed, and how data flows between stages, as the manifests below some folders tell it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.places import place_of
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.core.stage.partitions import without_partition
from airflow_dirops.core.upkeep.door import Target


@dataclass(frozen=True)
class ChainedStage:
    """A stage, and what its targets hold together.

    :param stage: its name.
    :param target: the path of its targets, with ``{partition}`` where they differ by that; of one of them otherwise.
    :param reads: the stages whose snapshots it read, and folders that no stage wrote, in the same way.
    :param targets: how many there are.
    :param first: the first of their partitions; None where they have none.
    :param last: the last of them.
    :param entries: how many files they hold.
    :param committed: when the newest of them was made, UTC.
    :param run: the run that made it; empty outside Airflow.
    """

    stage: str
    target: str
    reads: tuple[str, ...]
    targets: int
    first: str | None
    last: str | None
    entries: int
    bytes: int
    quarantined: int
    committed: str
    run: str


@dataclass(frozen=True)
class Chain:
    """Stages by name; a stage comes after those that it reads, unless they read each other."""

    stages: Mapping[str, ChainedStage] = field(default_factory=dict)

    @property
    def folders(self) -> list[str]:
        """What the stages read that is no stage's here: raw folders, and stages whose targets lie elsewhere."""
        return sorted({name for stage in self.stages.values() for name in stage.reads} - self.stages.keys())

    def layers(self) -> dict[str, int]:
        """For each stage and folder how many steps lie before it, by the longest way."""
        reads = {name: stage.reads for name, stage in self.stages.items()}
        return layers_of(reads) | dict.fromkeys(self.folders, 0)


def layers_of(reads: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """For each stage how many steps lie before it, by the longest way.

    :param reads: what each stage reads; a name that is no stage's here is a folder.
    """
    found: dict[str, int] = {}

    def measure(name: str, on_the_way: frozenset[str]) -> int:
        if name not in reads or name in on_the_way:
            return 0  # a folder; or a circle, of which one arrow points back
        if name not in found:
            others = (other for other in reads[name] if other != name)
            found[name] = 1 + max((measure(other, on_the_way | {name}) for other in others), default=0)
        return found[name]

    for name in reads:
        measure(name, frozenset())
    return found


def read_chain(targets: Iterable[Target]) -> Chain:
    """How data flows between the stages of targets. One small file is read of each.

    :raises ManifestMissing: if no stage committed one of them.
    """
    paths = [checked_path("target", target) for target in targets]
    return chain_of((path, place_of(path).read_header()) for path in paths)


def chain_of(snapshots: Iterable[tuple[str, Manifest]]) -> Chain:
    """The same, of headers that are read already.

    :param snapshots: each with the path of its target.
    """
    by_stage: dict[str, list[tuple[str, Manifest]]] = {}
    for path, manifest in snapshots:
        by_stage.setdefault(manifest.stage, []).append((path, manifest))
    stages = {name: _summed_up(name, found) for name, found in by_stage.items()}
    layers = Chain(stages).layers()
    return Chain({name: stages[name] for name in sorted(stages, key=lambda name: (layers[name], name))})


def _summed_up(name: str, found: list[tuple[str, Manifest]]) -> ChainedStage:
    partitions = sorted(manifest.partition for _, manifest in found if manifest.partition is not None)
    path, newest = max(found, key=lambda one: one[1].created)
    return ChainedStage(
        stage=name,
        target=without_partition(path, newest.partition),
        reads=tuple(sorted({source for path, manifest in found for source in _sources(path, manifest)})),
        targets=len(found),
        first=partitions[0] if partitions else None,
        last=partitions[-1] if partitions else None,
        entries=sum(manifest.counts.entries for _, manifest in found),
        bytes=sum(manifest.bytes for _, manifest in found),
        quarantined=sum(manifest.counts.quarantined for _, manifest in found),
        committed=newest.created,
        run=newest.attempt.run_id,
    )


def _sources(path: str, manifest: Manifest) -> Iterator[str]:
    if rolled_up := [each.stage for each in manifest.partitions if each.stage is not None]:
        yield from rolled_up
        return
    for source in manifest.sources or (manifest.source,):
        if source.stage is not None:
            yield source.stage
        else:
            yield without_partition(source.path_from(os.path.realpath(path)), manifest.partition)
