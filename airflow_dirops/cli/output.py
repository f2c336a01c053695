"""One result, two renderings: tables for a person, JSON for a program. Commands speak to these, never to stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.table import Table

_COLUMN = 7  # as wide as the longest reason for an input to run


class Output(Protocol):
    """Where a command's result goes."""

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        """A table: the same members in every row."""

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        """One thing, described."""

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        """Rows without end: shown as they come, and never all in memory. What they sum up to comes last."""

    def error(self, kind: str, message: str) -> None:
        """Why there is no result."""


class Text:
    """For a terminal."""

    def __init__(self) -> None:
        # Into a pipe or a file, a table keeps its lines whole.
        self._console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)
        self._errors = Console(stderr=True, soft_wrap=True, highlight=False)

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            self._console.print(title, markup=False)
            return
        table = Table(title=title, title_justify="left")
        for name in rows[0]:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(_shown(value) for value in row.values()))
        self._console.print(table)

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        self._console.print(title, style="bold", markup=False)
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self._console.print(f"  {name:<{width}}  {_shown(value)}", markup=False)

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        for row in rows:
            # The last column may be of any width.
            *first, last = map(_shown, row.values())
            self._console.print("  ".join([*(f"{value:<{_COLUMN}}" for value in first), last]), markup=False)
        self.facts(f"{name}, in all", sum_up())

    def error(self, kind: str, message: str) -> None:
        self._errors.print(f"{kind}: {_shown(message)}", style="red", markup=False)


class Json:
    """For a program: one document a result."""

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        del title
        _write(rows)

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        del title
        _write(facts)

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        # The first one before anything is written: an error there is a document of its own.
        waiting = iter(rows)
        first = list(islice(waiting, 1))
        sys.stdout.buffer.write(b'{"%s": [' % name.encode())
        for number, row in enumerate(chain(first, waiting)):
            sys.stdout.buffer.write((b",\n  " if number else b"\n  ") + _encoded(row))
        sys.stdout.buffer.write(b"\n],\n" + _encoded(sum_up()).removeprefix(b"{") + b"\n")

    def error(self, kind: str, message: str) -> None:
        _write({"error": kind, "message": message})


def _write(document: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(_encoded(document), indent=2) + b"\n")


def _encoded(document: Any) -> bytes:
    return msgspec.json.encode(_printable(document))


def _printable(value: Any) -> Any:
    """Names that are not UTF-8 are shown with escapes: JSON cannot hold them."""
    if isinstance(value, str):
        return os.fsencode(value).decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {name: _printable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_printable(member) for member in value]
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "" if value is None else str(_printable(str(value)))
