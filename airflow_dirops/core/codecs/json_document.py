"""``json``: one JSON document per file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import msgspec

from airflow_dirops.core.codecs.refusal import cannot_write, type_name
from airflow_dirops.core.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHALLOW = 100
_DEEPER = 300
_REFUSALS = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


@dataclass(frozen=True, slots=True)
class JsonCodec:
    """What JSON can give back as it was: dicts with str keys, lists, str, numbers, booleans and None.

    Numpy scalars are written as the numbers they are, and tuples as lists. Anything that would silently come
    back as something else is refused: NaN and infinity, other keys than str, dates, sets, bytes, arrays.
    UTF-8, one line, a newline at the end.
    """

    name: ClassVar[str] = "json"
    suffix: ClassVar[str] = ".json"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write a document, after reading it back to see that nothing changed."""
        try:
            document, same = _round_trip(value)
        except _REFUSALS as error:
            raise _refusal(value, str(error)) from error
        # A tuple differs from its list, and only a look at every part tells it from real harm.
        if not same and any(_found(value)):
            raise _refusal(value, "parts of it would come back as something else")
        file.write(document + b"\n")

    def decode(self, file: BinaryIO) -> Any:
        """Read a document; without its last newline it may be half a number, so that counts as damage."""
        document = file.read()
        if not document.endswith(b"\n"):
            raise ValueError("the JSON document is cut off: it does not end with a newline")
        return msgspec.json.decode(document)


def _round_trip(value: Any) -> tuple[bytes, bool]:
    document = msgspec.json.encode(value, enc_hook=_number)
    # Who reads it may be deeper in calls of functions than we are: what is nested too deeply for that is refused.
    is_shallow = document.count(b"[") + document.count(b"{") <= _SHALLOW
    return document, bool((msgspec.json.decode(document) if is_shallow else _decode_below(document, _DEEPER)) == value)


def _decode_below(document: bytes, calls: int) -> Any:
    return _decode_below(document, calls - 1) if calls else msgspec.json.decode(document)


def _number(value: Any) -> Any:
    """A numpy scalar as Python's own number, told by its shape so that numpy need not be imported."""
    if getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"JSON has no {type_name(value)}")


def _findings(value: Any, where: str = "value") -> Iterator[str]:
    """Where a document is not what JSON can hold, part by part."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _findings(item, f"{where}[{key!r}]")
            else:
                yield f"{where} has the key {key!r}, of type {type_name(key)}; use str({key!r})"
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _findings(item, f"{where}[{index}]")
    elif not _survives(value):
        shown = " ".join(f"{value!r:.60}".split())
        yield f"{where} is {shown}, of type {type_name(value)}"


def _survives(scalar: Any) -> bool:
    try:
        return _round_trip(scalar)[1]
    except _REFUSALS:
        return False


def _refusal(value: Any, reason: str) -> EncodeError:
    instead = "None for what is missing, str for keys and dates, .tolist() for arrays"
    error = cannot_write("json", value, reason, instead=instead)
    return EncodeError(str(error), _found(value))


def _found(value: Any) -> Iterator[str]:
    try:
        yield from _findings(value)
    except RecursionError:
        yield "value contains itself, or is nested too deeply"
