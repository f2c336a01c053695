"""A progress bar on a terminal, for those who wait at one; elsewhere nothing is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from airflow_dirops.core.report.outcome import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


@contextmanager
def shown_progress(
    callback: Callable[[Progress], None] | None, title: str
) -> Iterator[Callable[[Progress], None] | None]:
    """Who is told of the progress: the callback, where there is one, or a bar, where somebody looks at a terminal.

    :param title: what the bar is of.
    """
    if callback is not None or not _is_terminal(sys.stderr):
        yield callback
        return
    bar = _Bar(title)
    try:
        yield bar.show
    finally:
        bar.close()


def _is_terminal(stream: TextIO | None) -> bool:
    with suppress(ValueError):  # it is closed
        return stream is not None and stream.isatty()
    return False


class _Bar:
    """One line, drawn when there is news.

    Never from a thread, which a fork would not survive; and with the cursor left alone, so that even a process that
    is killed leaves the terminal as it was.
    """

    def __init__(self, title: str) -> None:
        self._title = _printable(title)
        self._bar: RichProgress | None = None
        self._is_gone = False

    def show(self, progress: Progress) -> None:
        if self._is_gone:
            return
        try:
            if self._bar is None:
                # Not before: by now the workers are forked, and have their own way to stderr.
                self._bar = _make_bar(self._title, progress.total)
                self._bar.start()
            self._bar.update(
                self._bar.task_ids[0],
                completed=progress.done,
                rate=f"{progress.per_second:,.1f}/s",
                left=_clock(progress.seconds_left),
                failed=f"{progress.quarantined} failed" if progress.quarantined else "",
                current=_printable(progress.current),
                refresh=True,
            )
        except OSError:
            self._is_gone = True  # the terminal was closed; the work goes on

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()  # a line that has not ended yet
                self._bar.stop()


def _make_bar(title: str, total: int) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    class Terminal(Console):
        def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - it is never hidden
            return False

    def column(field: str, style: str = "") -> TextColumn:
        return TextColumn(f"{{task.fields[{field}]}}", style=style, markup=False)

    current = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    bar = RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        column("rate"),
        column("left"),
        column("failed", "red"),
        TextColumn("{task.fields[current]}", style="dim", markup=False, table_column=current),
        console=Terminal(stderr=True),
        auto_refresh=False,
        # What functions print to a terminal comes above the bar; into a pipe or a file it goes as it would.
        redirect_stdout=_is_terminal(sys.stdout),
        expand=True,
    )
    bar.add_task(title, total=total, rate="", left="", failed="", current="")
    return bar


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left"


def _printable(text: str) -> str:
    """A name as it may be printed: a terminal obeys some characters."""
    return "".join(character if character.isprintable() else "�" for character in text)
