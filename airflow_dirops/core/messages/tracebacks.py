"""What an exception says, in text that can be written anywhere: also of one that cannot be printed, or is huge."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_dirops.core.messages.shown import MAX_SHOWN, is_shown, shown

_PACKAGE = os.path.join(Path(__file__).parents[2], "")
_MAX_NAME = 200
_MAX_MESSAGE = 1_000
_MAX_FRAMES = 40
_MAX_LINKS = 10
_MAX_MEMBERS = 10

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


class ErrorInWords(Exception):
    """Stands for an error that a log cannot hold, or that was raised in another process: its traceback as text."""


def kind_of(error: BaseException) -> str:
    """The name of an error's type."""
    return shown(type(error).__name__, _MAX_NAME)


def described(error: BaseException, limit: int = MAX_SHOWN) -> str:
    """``ValueError: no such channel``; the name alone where there is no message."""
    message = shown(error, limit)
    return f"{kind_of(error)}: {message}" if message else kind_of(error)


def sentence(error: BaseException) -> str:
    """The same as a sentence with one full stop, whether or not the message has its own."""
    return f"{described(error).rstrip('.')}."


def shown_traceback(error: BaseException, trace: TracebackType | None = None) -> str:
    """An error with its causes and its members, as Python prints them.

    :param trace: begins somewhere later than the error's own, which is the default.
    """
    return shown("".join(_lines(error, trace or error.__traceback__, depth=0)))


def users_part(error: BaseException) -> TracebackType | None:
    """An error's traceback from the first frame that is not ours."""
    trace = error.__traceback__
    while trace and _is_ours(trace) and trace.tb_next:
        trace = trace.tb_next
    return trace


def place_in_code(error: BaseException) -> str:
    """Where in the user's own file an error came from: ``/dags/images.py, line 17, in read_image``; else nothing."""
    trace = users_part(error)
    if trace is None or _is_ours(trace):
        return ""
    file = trace.tb_frame.f_code.co_filename
    inmost, following = trace, trace.tb_next
    while following is not None:
        if following.tb_frame.f_code.co_filename == file:
            inmost = following
        following = following.tb_next
    return shown(f"{file}, line {inmost.tb_lineno}, in {inmost.tb_frame.f_code.co_name}", _MAX_NAME)


def make_presentable(error: BaseException) -> None:
    """Replace what an error was caused by, and raised during, where a log could not hold it, by words.

    Airflow writes the whole chain of an error to its log, and its task dies without a word where it cannot.
    """
    with suppress(AttributeError):
        if not all(is_shown(note) for note in _notes(error)):
            error.__notes__ = [shown(note) for note in _notes(error)]
    link: BaseException | None = error
    for number in range(_MAX_LINKS):
        if link is None:
            return
        cause, context = link.__cause__, link.__context__
        is_last = number == _MAX_LINKS - 1
        if cause is not None and (is_last or not _is_presentable(cause)):
            link.__cause__ = _in_words(cause)
        if context is not None and (context is cause or is_last or not _is_presentable(context)):
            # Behind a cause nobody looks; it would only be kept.
            link.__context__ = link.__cause__ if context is cause else _in_words(context)
        link = link.__cause__ or link.__context__


def in_words(text: str) -> ErrorInWords:
    """An error that stands for another one; raised once, since Airflow's log leaves out causes without a traceback."""
    try:
        raise ErrorInWords(text) from None
    except ErrorInWords as error:
        error.__context__ = None
        return error


def _in_words(error: BaseException) -> ErrorInWords:
    return in_words(shown_traceback(error, users_part(error)))


def _is_presentable(error: BaseException) -> bool:
    if not is_shown(type(error).__name__, _MAX_NAME) or not isinstance(getattr(error, "__notes__", []), list):
        return False
    texts: list[Any] = [error, *_notes(error)]
    if isinstance(error, SyntaxError):
        texts += [error.msg, error.text or "", error.filename or ""]
    trace = error.__traceback__
    while trace is not None:
        texts.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return (
        len(texts) < MAX_SHOWN
        and len(members) <= _MAX_MEMBERS
        and all(is_shown(text) for text in _as_texts(texts))
        and all(map(_is_presentable, members))
    )


def _as_texts(values: list[Any]) -> Iterator[str]:
    for value in values:
        try:
            text = str(value)
        except (Exception, SystemExit, GeneratorExit):
            text = "\0"  # it has none
        yield text


def _notes(error: BaseException) -> list[Any]:
    notes = getattr(error, "__notes__", ())
    return list(notes) if isinstance(notes, list | tuple) else [notes]


def _lines(error: BaseException, trace: TracebackType | None, depth: int) -> Iterator[str]:
    for link, between in reversed(list(_chain(error))):
        yield from _of_one(link, trace if link is error else link.__traceback__, depth)
        yield between


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The error, what it came from, and so on; each with what is said after it."""
    link, between = error, ""
    for _ in range(_MAX_LINKS):
        yield link, between
        if link.__cause__ is not None:
            link, between = link.__cause__, _CAUSE
        elif link.__context__ is not None and not link.__suppress_context__:
            link, between = link.__context__, _CONTEXT
        else:
            return


def _of_one(error: BaseException, trace: TracebackType | None, depth: int) -> Iterator[str]:
    if trace is not None:
        yield "Traceback (most recent call last):\n"
        with suppress(Exception):
            # A source file may be gone, or be anything by now.
            yield "".join(traceback.format_list(traceback.extract_tb(trace, limit=-_MAX_FRAMES)))
    yield f"{described(error, _MAX_MESSAGE)}\n"
    for note in _notes(error)[:_MAX_MEMBERS]:
        yield f"{shown(note, _MAX_MESSAGE)}\n"
    if isinstance(error, BaseExceptionGroup) and depth < 2:
        for number, member in enumerate(error.exceptions[:_MAX_MEMBERS], 1):
            yield f"--- {number} of {len(error.exceptions)} ---\n"
            yield from _lines(member, member.__traceback__, depth + 1)


def _is_ours(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_PACKAGE)
