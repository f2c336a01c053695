"""What a stage read and wrote, for OpenLineage. Imported by its provider's asking only, which is an extra."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.generated.base import DatasetFacet, InputDataset, OutputDataset
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.input_statistics_input_dataset import InputStatisticsInputDatasetFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet

from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.stage.partitions import PLACEHOLDER, PartitionsLike

if TYPE_CHECKING:
    from airflow_dirops.core import Manifest, Outcome

# https://openlineage.io/docs/spec/naming: a local file system's datasets are paths in this namespace.
_NAMESPACE = "file"
_BY_US: dict[str, Any] = {"producer": "https://pypi.org/project/airflow-dirops/"}


@attr.define
class DiropsSnapshotDatasetFacet(DatasetFacet):
    """Which snapshot a directory is, and what made it; ``docs/facets/dirops-snapshot-1.json`` describes it."""

    snapshot: str
    stage: str | None = None
    partition: str | None = None
    fingerprint: str | None = None
    quarantined: int | None = None

    @staticmethod
    def _get_schema() -> str:
        return "urn:airflow-dirops:facets:snapshot:1"  # a name: the package has no site whose addresses would stay


def lineage_of(source: Any, outcome: Outcome | None) -> OperatorLineage:
    """The directories that a stage read, and the one it wrote; without an outcome those that it was to read.

    :param source: the operator's field, rendered.
    :param outcome: what the stage came to; None if it failed.
    """
    manifest = _committed(outcome)
    if outcome is None or manifest is None:
        return OperatorLineage(inputs=[InputDataset(_NAMESPACE, path) for path in _named(source)])
    inputs = [*_read(Path(outcome.target).parent, manifest)]
    return OperatorLineage(inputs=inputs, outputs=[_written(outcome, manifest)])


def _committed(outcome: Outcome | None) -> Manifest | None:
    """The manifest of the snapshot that a run ended with, unless another one has replaced it meanwhile."""
    if outcome is None or outcome.snapshot is None or outcome.outcome not in ("committed", "unchanged"):
        return None
    return _header(outcome.target, outcome.snapshot)


def _header(directory: str, snapshot: str | None) -> Manifest | None:
    with suppress(DiropsError, OSError):
        manifest = read_manifest(directory)
        if manifest.snapshot == snapshot:
            return manifest
    return None


def _written(outcome: Outcome, manifest: Manifest) -> OutputDataset:
    statistics = OutputStatisticsOutputDatasetFacet(fileCount=manifest.counts.entries, size=manifest.bytes)
    return OutputDataset(
        _NAMESPACE,
        outcome.target,
        facets=_facets(manifest.snapshot, manifest),
        outputFacets={"outputStatistics": statistics} if outcome.outcome == "committed" else {},
    )


def _read(base: Path, manifest: Manifest) -> Iterator[InputDataset]:
    """What the manifest says it was made of.

    :param base: what the locations of sources are relative to.
    """
    sources = [(each.location, each.snapshot, each.stage) for each in manifest.sources or (manifest.source,)]
    if manifest.partitions:
        location = manifest.source.location
        parts = [(each.partition, each.snapshot, each.stage) for each in manifest.partitions if each.snapshot]
        sources = [(location.replace(PLACEHOLDER, name), snapshot, stage) for name, snapshot, stage in parts]
    for location, snapshot, stage in sources:
        path = os.path.normpath(base / location)
        header = _header(path, snapshot) if snapshot else None
        count = manifest.counts.inputs if len(sources) == 1 else None
        facets = _facets(snapshot, header, stage) if snapshot else {}
        statistics = InputStatisticsInputDatasetFacet(
            fileCount=header.counts.entries if header else count, size=header.bytes if header else None
        )
        yield InputDataset(_NAMESPACE, path, facets=facets, inputFacets={"inputStatistics": statistics})


def _facets(snapshot: str, manifest: Manifest | None, stage: str | None = None) -> dict[str, DatasetFacet]:
    own = DiropsSnapshotDatasetFacet(snapshot=snapshot, stage=stage, **_BY_US)
    if manifest is not None:
        own = DiropsSnapshotDatasetFacet(
            snapshot=snapshot,
            stage=manifest.stage,
            partition=manifest.partition,
            fingerprint=manifest.function.fingerprint,
            quarantined=manifest.counts.quarantined,
            **_BY_US,
        )
    return {"version": DatasetVersionDatasetFacet(snapshot), "dirops_snapshot": own}


def _named(source: Any) -> Iterator[str]:
    """The directories that a field names."""
    if isinstance(source, (list, tuple)):
        for each in source:
            yield from _named(each)
    elif isinstance(source, Mapping):
        yield str(source.get("target") or source.get("directory"))
    elif isinstance(source, PartitionsLike):
        yield from (path for _, path in source.settle())
    elif source:
        yield os.fspath(source)
