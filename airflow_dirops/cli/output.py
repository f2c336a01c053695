"""One result, two renderings: tables for a person, JSON for a program. Commands speak to these, never to stdout."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.table import Table


class Output(Protocol):
    """Where a command's result goes."""

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        """A table: the same members in every row."""

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        """One thing, described."""

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

    def error(self, kind: str, message: str) -> None:
        _write({"error": kind, "message": message})


def _write(document: Any) -> None:
    content = msgspec.json.format(msgspec.json.encode(_printable(document)), indent=2)
    sys.stdout.buffer.write(content + b"\n")


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
