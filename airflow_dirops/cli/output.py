"""One result, two renderings: tables for a person, JSON for a program. Commands speak to these, never to stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_COLUMN = 7  # as wide as the longest reason for an input to run
_UNBOUNDED = 10**6


class Output(Protocol):
    """Where a command's result goes."""

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        """A table: the same members in every row."""

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        """One thing, described."""

    def text(self, title: str, text: str) -> None:
        """Text as it is, such as a traceback; for a person only."""

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        """Rows without end: shown as they come, and never all in memory. What they sum up to comes last."""

    def event(self, line: str, facts: dict[str, Any]) -> None:
        """One of several things, told on a line of its own as it happens.

        :param line: for a person.
        :param facts: for a program.
        """

    def error(self, kind: str, message: str) -> None:
        """Why there is no result."""


class Text:
    """For a terminal.

    :param about: the target, in front of errors where there are several.
    """

    def __init__(self, about: str = "") -> None:
        # Into a pipe or a file, a table keeps its lines whole.
        self._console = _Console(width=None if sys.stdout.isatty() else 200)
        self._errors = _Console(stderr=True)
        self._about = about

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        table = Table(title=_printable(title), title_justify="left")
        for name in rows[0] if rows else ():
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(_shown, row.values()))
        if rows and self._fits(table):
            self._console.print(table)
            return
        # Too narrow for a table that can be read: each row on lines of its own.
        self.facts(title, {})
        for row in rows:
            self.facts("-", row)

    def _fits(self, table: Table) -> bool:
        unbounded = self._console.options.update(max_width=_UNBOUNDED)
        return Measurement.get(self._console, unbounded, table).maximum <= self._console.width

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        self._console.print(_printable(title), style="bold")
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self._console.print(f"  {name:<{width}}  {_shown(value)}")

    def text(self, title: str, text: str) -> None:
        self._console.print(_printable(title), style="bold")
        for line in text.splitlines():
            self._console.print(_printable(line))

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        for row in rows:
            # The last column may be of any width.
            *first, last = map(_shown, row.values())
            sys.stdout.write("  ".join([*(f"{value:<{_COLUMN}}" for value in first), last]) + "\n")
        self.facts(f"{name}, in all", sum_up())

    def event(self, line: str, facts: dict[str, Any]) -> None:
        del facts
        self._console.print(_printable(line))
        sys.stdout.flush()

    def error(self, kind: str, message: str) -> None:
        sys.stdout.flush()  # so that the two streams come in order where they go to one place
        about = f"{_printable(self._about)}: " if self._about else ""
        text = "\n".join(map(_printable, message.splitlines()))
        self._errors.print(f"{about}{kind}: {text}", style="red")


class Json:
    """For a program: one document a result.

    :param write: where the document goes.
    """

    def __init__(self, write: Callable[[Any], None] | None = None) -> None:
        self._write = write or _write

    def rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        del title
        self._write(rows)

    def facts(self, title: str, facts: dict[str, Any]) -> None:
        del title
        self._write(facts)

    def text(self, title: str, text: str) -> None:
        """A program has it among the facts."""

    def stream(self, name: str, rows: Iterable[dict[str, Any]], sum_up: Callable[[], dict[str, Any]]) -> None:
        # The first one before anything is written: an error there is a document of its own.
        waiting = iter(rows)
        first = list(islice(waiting, 1))
        sys.stdout.buffer.write(b'{"%s": [' % name.encode())
        for number, row in enumerate(chain(first, waiting)):
            sys.stdout.buffer.write((b",\n  " if number else b"\n  ") + _encoded(row))
        sys.stdout.buffer.write(b"\n],\n" + _encoded(sum_up()).removeprefix(b"{") + b"\n")

    def event(self, line: str, facts: dict[str, Any]) -> None:
        del line
        sys.stdout.buffer.write(_encoded(facts) + b"\n")
        sys.stdout.buffer.flush()

    def error(self, kind: str, message: str) -> None:
        self._write({"error": kind, "message": message})


def output_of(*, json: bool) -> Output:
    """Where the one result of a command goes."""
    return Json() if json else Text()


@contextmanager
def outputs(*, json: bool, several: bool) -> Iterator[Callable[[str], Output]]:
    """For each target an output of its own; as JSON, several are one list with a member for each.

    :param several: whether there may be more than one.
    """
    if not json:
        yield lambda target: Text(target if several else "")
    elif not several:
        yield lambda _: Json()
    else:
        with _list_of_results() as result_of:
            yield result_of


@contextmanager
def _list_of_results() -> Iterator[Callable[[str], Output]]:
    written = 0

    def write(target: str, document: Any) -> None:
        nonlocal written
        failed = isinstance(document, dict) and "error" in document
        member = {"target": target, **(document if failed else {"result": document})}
        sys.stdout.buffer.write((b",\n" if written else b"[\n") + _encoded(member))
        sys.stdout.buffer.flush()
        written += 1

    yield lambda target: Json(lambda document: write(target, document))
    sys.stdout.buffer.write(b"\n]\n" if written else b"[]\n")


def note(text: str) -> None:
    """Say something beside the result."""
    print(f"note: {_printable(text)}", file=sys.stderr)  # noqa: T201 - where results go is stdout


class _Console(Console):
    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        # Names come as they are: "[red]" is part of one, and not a colour.
        super().__init__(stderr=stderr, width=width, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _write(document: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(_encoded(document), indent=2) + b"\n")


def _encoded(document: Any) -> bytes:
    return msgspec.json.encode(_as_utf8(document))


def _as_utf8(value: Any) -> Any:
    """Bytes that are no UTF-8 are shown with escapes: JSON cannot hold them."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {name: _as_utf8(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_utf8(member) for member in value]
    return value


def _printable(text: str) -> str:
    """As one line, with escapes for bytes that are no UTF-8 and for what a terminal would obey."""
    text = str(_as_utf8(text))
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{count} {_printable(name)}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "" if value is None else _printable(str(value))
