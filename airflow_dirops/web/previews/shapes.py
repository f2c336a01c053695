"""What a preview can be. The process that decodes sends these, and is believed in no more than their bounds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_POINTS = 240
MOST_CURVES = 8
MOST_ROWS = 20
MOST_COLUMNS = 12
MAX_SIDE = 1024
MAX_PICTURE_BYTES = 4 << 20

Note = Annotated[str, Meta(max_length=600)]
Cell = Annotated[str, Meta(max_length=120)]


class Shown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that can be shown.

    :param note: what it is: shape, type, range.
    """

    note: Note = ""


class Picture(Shown, frozen=True, kw_only=True):
    """A PNG."""

    png: Annotated[bytes, Meta(max_length=MAX_PICTURE_BYTES)]


class Curve(msgspec.Struct, frozen=True):
    """Numbers in their order; None is a gap."""

    name: Cell
    points: Annotated[tuple[float | None, ...], Meta(max_length=MOST_POINTS)]


class Curves(Shown, frozen=True, kw_only=True):
    """Some curves over one axis."""

    curves: Annotated[tuple[Curve, ...], Meta(max_length=MOST_CURVES)]


class Table(Shown, frozen=True, kw_only=True):
    """The first rows of a table."""

    columns: Annotated[tuple[Cell, ...], Meta(max_length=MOST_COLUMNS)]
    rows: Annotated[tuple[Annotated[tuple[Cell, ...], Meta(max_length=MOST_COLUMNS)], ...], Meta(max_length=MOST_ROWS)]


class Text(Shown, frozen=True, kw_only=True):
    """The beginning of a text."""

    text: Annotated[str, Meta(max_length=8_000)]


class Nothing(Shown, frozen=True, kw_only=True):
    """There is nothing to be seen; ``note`` says why."""


Preview = Picture | Curves | Table | Text | Nothing


class Wanted(msgspec.Struct, frozen=True):
    """A file to look at.

    :param descriptor: open for reading, in the process that decodes.
    :param kind: of its content: a codec, or what its suffix says.
    :param side: how large a picture may be, in pixels.
    :param other: another one to look at how much it differs from.
    """

    descriptor: int
    kind: str
    side: int
    other: int | None = None
