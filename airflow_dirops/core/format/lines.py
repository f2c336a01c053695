"""Structures as lines of JSON, and back: whatever a line names is checked where it is decoded."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from airflow_dirops.core.format.entries import EVERY_INPUT, Input, is_plain, path_problem

BLOCK_BYTES = 1 << 18

LineT = TypeVar("LineT", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode


class LineTooLong(ValueError):
    """A line is longer than a reader takes."""


class LineCutOff(ValueError):
    """The last line has no end."""


class LineRefused(ValueError):
    """A line names what it must not, as a phrase: ``names '../x': …``."""


def iter_lines(read: Callable[[], bytes], limit: int) -> Iterator[bytes]:
    """The lines of a file, without their ends, in memory for no more than one of them.

    :param read: the next block, empty at the end; of :data:`BLOCK_BYTES` or so.
    :param limit: the bytes that a line may have.
    :raises LineTooLong: at a line that has more.
    :raises LineCutOff: after all whole lines, if something follows them.
    """
    parts: list[bytes] = []
    waiting = 0
    while block := read():
        first, *lines = block.split(b"\n")
        waiting += len(first)
        if waiting > limit:
            raise LineTooLong(f"it has more than {limit} bytes")
        parts.append(first)
        if lines:
            yield b"".join(parts)
            *whole, rest = lines
            yield from whole
            parts, waiting = [rest], len(rest)
    if waiting:
        raise LineCutOff("it is cut off")


def encode_line(line: msgspec.Struct) -> bytes:
    """One line of JSON, without its newline; a path that is not UTF-8 becomes ``path_b64``."""
    try:
        return _encode(line)
    except UnicodeEncodeError:
        return _encode(_escape_paths(msgspec.to_builtins(line)))


class LineDecoder:
    """Lines of one type back into structures.

    :param line_type: such as :class:`~airflow_dirops.core.format.lists.FileLine`.
    """

    def __init__(self, line_type: type[LineT]) -> None:
        self._type = line_type
        self._decode = msgspec.json.Decoder(line_type).decode
        shape = _shape_of(line_type)
        self._is_plain, self._problem = _ARE_PLAIN[shape], _PROBLEMS[shape]

    def __call__(self, line: bytes) -> Any:
        """One line, decoded.

        :raises msgspec.MsgspecError: if this is no such line.
        :raises ValueError: also if a path in it could lead out of its directory, or has a second spelling.
        :raises RecursionError: if it is nested too deeply.
        """
        if b'"path_b64"' in line:
            decoded = msgspec.convert(_unescape_paths(msgspec.json.decode(line)), self._type)
        else:
            decoded = self._decode(line)
        if not self._is_plain(decoded) and (problem := self._problem(decoded)):
            raise LineRefused(problem)
        return decoded


def _shape_of(line_type: type[msgspec.Struct]) -> str:
    """Where a line of this type has its paths: in itself, in its inputs too, or in its input and its outputs."""
    names = line_type.__struct_fields__
    if "line" in names:
        return "planned"
    if "outputs" in names:
        return "journal"
    return "file" if "inputs" in names else "input" if "parts" in names else "single"


# Called for every line of every list, and true of most: each is one frame and a match for each path.


def _is_plain_input(item: Input) -> bool:
    return not item.parts and bool(is_plain(item.path))


def _is_plain_file(line: Any) -> bool:
    if not is_plain(line.path):
        return False
    for item in line.inputs:  # noqa: SIM110 - a generator is another frame
        if item.parts or (item.path != line.path and not is_plain(item.path)):
            return False
    return True


def _is_plain_journal_line(line: Any) -> bool:
    if line.input.parts or not is_plain(line.input.path):
        return False
    for output in line.outputs:  # noqa: SIM110
        if not is_plain(output.path):
            return False
    return True


def _is_plain_planned(planned: Any) -> bool:
    return _is_plain_input(planned.input) and (planned.line is None or _is_plain_journal_line(planned.line))


def _problem_of_planned(planned: Any) -> str | None:
    problem = _problem_of_input(planned.input)
    return problem or (None if planned.line is None else _problem_of_journal_line(planned.line))


def _named(path: str) -> str | None:
    problem = path_problem(path)
    return problem and f"names {path[:300]!r}: {problem}"


def _problem_of_input(item: Input) -> str | None:
    return _named(item.path) or _first_problem(item.parts, _problem_of_input)


def _problem_of_file(line: Any) -> str | None:
    return _named(line.path) or _first_problem(line.inputs, _problem_of_input)


def _problem_of_journal_line(line: Any) -> str | None:
    problem = None if line.input == EVERY_INPUT else _problem_of_input(line.input)
    return problem or _first_problem(line.outputs, lambda output: _named(output.path))


def _first_problem(members: Iterable[Any], problem_of: Callable[[Any], str | None]) -> str | None:
    for member in members:
        if problem := problem_of(member):
            return problem
    return None


_ARE_PLAIN: dict[str, Callable[[Any], bool]] = {
    "single": lambda line: bool(is_plain(line.path)),
    "input": _is_plain_input,
    "file": _is_plain_file,
    "journal": _is_plain_journal_line,
    "planned": _is_plain_planned,
}
_PROBLEMS: dict[str, Callable[[Any], str | None]] = {
    "single": lambda line: _named(line.path),
    "input": _problem_of_input,
    "file": _problem_of_file,
    "journal": _problem_of_journal_line,
    "planned": _problem_of_planned,
}


def _escape_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(_escape_member(name, member) for name, member in value.items())
    if isinstance(value, list | tuple):
        return [_escape_paths(member) for member in value]
    if isinstance(value, str):
        # Messages quote names; what is not UTF-8 there is shown, not kept.
        return value.encode(errors="backslashreplace").decode()
    return value


def _escape_member(name: str, member: Any) -> tuple[str, Any]:
    if name == "path" and not _is_utf8(member):
        return "path_b64", base64.b64encode(os.fsencode(member)).decode()
    return name, _escape_paths(member)


def _unescape_paths(value: Any) -> Any:
    if isinstance(value, list):
        return [_unescape_paths(member) for member in value]
    if not isinstance(value, dict):
        return value
    if "path_b64" not in value:
        return {name: _unescape_paths(member) for name, member in value.items()}
    if "path" in value:
        raise LineRefused("has both path and path_b64")
    return {
        "path" if name == "path_b64" else name: _path_of(member) if name == "path_b64" else _unescape_paths(member)
        for name, member in value.items()
    }


def _path_of(encoded: object) -> str:
    """The path that stands in Base64: one whose bytes are not UTF-8, since it would have two spellings otherwise."""
    try:
        if not isinstance(encoded, str):
            raise TypeError(f"it is a {type(encoded).__name__}")
        name = base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise LineRefused(f"has a path_b64 that is no Base64: {error}") from error
    path = os.fsdecode(name)
    if _is_utf8(path):
        raise LineRefused(f"has a path_b64 for {path[:300]!r}, which is UTF-8 and belongs into path")
    if base64.b64encode(name).decode() != encoded:
        raise LineRefused("has a path_b64 that is not as Base64 writes it")
    return path


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
