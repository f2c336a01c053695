"""A chain of stages as an SVG: columns from the raw folders on, an arrow from each stage to those that read it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import NamedTuple

from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.upkeep.chain import Chain, ChainedStage

_WIDTH, _HEIGHT = 280, 66
_BETWEEN_COLUMNS, _BETWEEN_ROWS, _MARGIN = 90, 26, 24
_MAX_LETTERS = 36  # of 12 px in a box
_SWEEPS = 4

_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"
 font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">
<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L10 5L0 10z" fill="#5b6b66"/></marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>"""


Spot = tuple[str, ...]
"""Where a box is, by its name; or where an arrow passes, by both its ends and the column."""


class _Box(NamedTuple):
    x: int
    y: int


def svg_of(chain: Chain) -> str:
    """The drawing, as the text of a file."""
    ways = _ways(chain)
    columns = _columns(chain, ways)
    boxes = {spot: _box(column, row) for column, spots in enumerate(columns) for row, spot in enumerate(spots)}
    width = max((box.x for box in boxes.values()), default=0) + _WIDTH + _MARGIN
    height = max((box.y for box in boxes.values()), default=0) + _HEIGHT + _MARGIN
    arrows = (_arrow([boxes[spot] for spot in way]) for way in ways)
    drawn = (_drawn(name, box, chain.stages.get(name)) for (name, *more), box in boxes.items() if not more)
    return "\n".join([_HEAD.format(width=width, height=height), *arrows, *drawn, "</svg>\n"])


def _ways(chain: Chain) -> list[list[Spot]]:
    """For each reading the spots that its arrow takes: one in each column between, where no box is drawn."""
    layers = chain.layers()
    return [
        [(name,), *((name, reader, str(column)) for column in range(layers[name] + 1, layers[reader])), (reader,)]
        for reader, stage in chain.stages.items()
        for name in stage.reads
    ]


def _columns(chain: Chain, ways: list[list[Spot]]) -> list[list[Spot]]:
    """The spots by column, each near the middle of what it is joined with, so that few arrows cross."""
    layers = chain.layers()
    columns: list[list[Spot]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for name in sorted(layers):
        columns[layers[name]].append((name,))
    joined: dict[Spot, set[Spot]] = {(name,): set() for name in layers}
    for way in ways:
        for spot in way[1:-1]:
            columns[int(spot[2])].append(spot)
        for one, other in pairwise(way):
            joined.setdefault(one, set()).add(other)
            joined.setdefault(other, set()).add(one)
    for _ in range(_SWEEPS):
        rows = {spot: row for spots in columns for row, spot in enumerate(spots)}
        middle = {spot: _mean([rows[other] for other in others], rows[spot]) for spot, others in joined.items()}
        for spots in columns:
            spots.sort(key=lambda spot: (middle[spot], spot))
    return columns


def _mean(rows: list[int], own: int) -> float:
    return sum(rows) / len(rows) if rows else own


def _box(column: int, row: int) -> _Box:
    return _Box(_MARGIN + column * (_WIDTH + _BETWEEN_COLUMNS), _MARGIN + row * (_HEIGHT + _BETWEEN_ROWS))


def _arrow(way: list[_Box]) -> str:
    middle, bend = _HEIGHT // 2, _BETWEEN_COLUMNS // 2
    path = f"M{way[0].x + _WIDTH} {way[0].y + middle}"
    for one, other in pairwise(way):
        x, y, to_x, to_y = one.x + _WIDTH, one.y + middle, other.x, other.y + middle
        path += f"H{x}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"
    return f'<path d="{path}" fill="none" stroke="#5b6b66" stroke-width="1.5" marker-end="url(#arrow)"/>'


def _drawn(name: str, box: _Box, stage: ChainedStage | None) -> str:
    fill, line = ("#dcefe6", "#2f6f57") if stage else ("#f3f1ea", "#a09a86")
    lines = [_short(name), *map(_short, _facts(stage))] if stage else [_end_of(name)]
    frame = f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" stroke="{line}"/>'
    texts = (
        f'<text x="{box.x + 10}" y="{box.y + 20 + 17 * row}"{_style(row)}>{escape(text)}</text>'
        for row, text in enumerate(lines)
    )
    title = "\n".join([name, stage.target, f"run {stage.run}"] if stage else [name])
    return f"<g><title>{escape(shown(title))}</title>{frame}{''.join(texts)}</g>"


def _style(row: int) -> str:
    return ' fill="#48524e"' if row else ' font-weight="bold"'


def _facts(stage: ChainedStage) -> Iterator[str]:
    if stage.first is None:
        yield f"{stage.entries:,} files"
    else:
        which = stage.first if stage.first == stage.last else f"{stage.first} – {stage.last}"
        yield f"{stage.targets:,} × {stage.entries:,} files: {which}"
    failed = f", {stage.quarantined:,} quarantined" if stage.quarantined else ""
    yield f"{stage.committed[:16]}{failed}"


def _short(text: str) -> str:
    text = shown(text)
    return text if len(text) <= _MAX_LETTERS else f"{text[:10]}…{text[11 - _MAX_LETTERS :]}"


def _end_of(path: str) -> str:
    path = shown(path)
    return path if len(path) <= _MAX_LETTERS else f"…{path[1 - _MAX_LETTERS :]}"
