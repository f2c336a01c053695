"""``text``: one str per file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from airflow_dirops.core.codecs.refusal import cannot_write


@dataclass(frozen=True, slots=True)
class TextCodec:
    """UTF-8, with newlines left as they are, so that it comes back character for character."""

    name: ClassVar[str] = "text"
    suffix: ClassVar[str] = ".txt"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write a str."""
        if not isinstance(value, str):
            raise cannot_write("text", value, "it takes str")
        try:
            file.write(value.encode("utf-8"))
        except UnicodeEncodeError as error:
            instead = f"value.encode('utf-8', {_handler(value)!r}) with codec='bytes'"
            reason = f"character {error.start} is half a surrogate pair, which UTF-8 has no bytes for"
            raise cannot_write("text", value, reason, instead=instead) from error

    def decode(self, file: BinaryIO) -> str:
        """Read a str; bytes that are not UTF-8 raise."""
        return file.read().decode("utf-8")


def _handler(text: str) -> str:
    """What makes bytes of half surrogate pairs: the bytes that Python read as such, where they are."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "surrogatepass"
    return "surrogateescape"
