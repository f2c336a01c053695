"""What the runs committed, as a table: read from the manifests, as any reader would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dirops.core import read_manifest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

STAGES = ("interim/to_numpy", "final/red_channel", "final/preview", "interim/curves", "final/features")
COLUMNS = ("target", "files", "bytes", "seconds", "skipped", "quarantined", "outcome")


def table(root: Path, days: Iterable[str], run_ids: Collection[str]) -> str:
    """A line for each target.

    :param root: the data folder.
    :param run_ids: the runs of this demo; a snapshot of another run is one that these left unchanged.
    """
    rows = [COLUMNS, *_rows(root, tuple(days), run_ids)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _rows(root: Path, days: tuple[str, ...], run_ids: Collection[str]) -> Iterator[tuple[str, ...]]:
    for target in (f"{stage}/{day}" for stage in STAGES for day in days):
        manifest = read_manifest(root / target)
        counts = manifest.counts
        outcome = "committed" if manifest.attempt.run_id in run_ids else "unchanged"
        figures = (
            counts.entries,
            f"{manifest.bytes:,}",
            f"{manifest.seconds:.1f}",
            counts.skipped,
            counts.quarantined,
        )
        yield target, *map(str, figures), outcome


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *figures, last = row
    cells = (first.ljust(widths[0]), *(f.rjust(w) for f, w in zip(figures, widths[1:], strict=False)), last)
    return "  ".join(cells)
