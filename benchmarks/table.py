"""Samples → a table: ratios first, medians of pairs, since wall and CPU seconds are a machine's own."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks.cases import Case
from benchmarks.measure import Sample
from benchmarks.peers import pinned

_PACKAGES = ("airflow-dirops", "apache-airflow", "numpy", "scikit-image", "pillow", "msgspec")

Rounds = list[dict[str, Sample]]
Row = dict[str, str]
"""Cells by heading."""


def rows_of(case: Case, size: int, rounds: Rounds, absent: dict[str, str]) -> list[Row]:
    """A row per contender; each is compared with the first one of its own round.

    :param absent: the contenders that could not run, and why.
    """
    return [
        {"": f"{name}: not run, {absent[name]}", "files": f"{size:,}"}
        if name in absent
        else _row(size, name, rounds, floor=case.contenders[0]) | _added(case, name, rounds)
        for name in case.contenders
    ]


def _row(size: int, name: str, rounds: Rounds, floor: str) -> Row:
    pairs = [(samples[name], samples[floor]) for samples in rounds]
    own = [sample for sample, _ in pairs]
    over = median(sample.cpu - other.cpu for sample, other in pairs) / size * 1e6
    return {
        "": name,
        "files": f"{size:,}",
        "CPU ratio": f"{median(sample.cpu / other.cpu for sample, other in pairs):.2f}",
        "wall ratio": f"{median(sample.wall / other.wall for sample, other in pairs):.2f}",
        "µs/file over it": "" if name == floor else f"{over:+,.0f}",
        "CPU s": _spread([sample.cpu for sample in own]),
        "wall s": _spread([sample.wall for sample in own]),
        "peak MiB": f"{max(sample.peak_mib for sample in own):.0f}",
        **{note: f"{median(sample.notes[note] for sample in own):.2f}" for note in own[0].notes},
    }


def _added(case: Case, name: str, rounds: Rounds) -> Row:
    """What the contender adds to the one without, against what the first such contender adds; differences are noisy."""
    if name not in case.without:
        return {}
    first = next(iter(case.without))
    ratios = [
        (samples[name].wall - samples[case.without[name]].wall)
        / (samples[first].wall - samples[case.without[first]].wall)
        for samples in rounds
    ]
    return {"added ratio": _spread(ratios)}


def _spread(figures: list[float]) -> str:
    if len(figures) == 1:
        return f"{figures[0]:.2f}"
    return f"{median(figures):.2f} ({min(figures):.2f}–{max(figures):.2f})"


def as_markdown(rows: Sequence[Row]) -> str:
    """A table that reads well both as text and as Markdown."""
    headings = list(dict.fromkeys(chain.from_iterable(rows)))
    table = [headings, *([row.get(heading, "") for heading in headings] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    first, *rest = [_line(row, widths) for row in table]
    rule = "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths))
    return "\n".join([first, f"|{rule}|", *rest])


def _line(row: Sequence[str], widths: list[int]) -> str:
    name, *numbers = zip(row, widths, strict=True)
    cells = [name[0].ljust(name[1]), *(text.rjust(width) for text, width in numbers)]
    return "| " + " | ".join(cells) + " |"


def where_and_when(workdir: Path) -> str:
    """The machine, the file system, the versions and the date."""
    versions = ", ".join([*(f"{name} {version(name)}" for name in _PACKAGES), *pinned()])
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {len(os.sched_getaffinity(0))} cores, "
        f"{_file_system(workdir)}, Linux {platform.release()}, Python {platform.python_version()}, {versions}; "
        f"load {os.getloadavg()[0]:.1f} at the start."
    )


def _processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else platform.machine()


def _file_system(path: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
