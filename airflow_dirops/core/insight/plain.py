"""What is returned here, as values that JSON can hold."""

from __future__ import annotations

from typing import Any

import msgspec


def to_plain(value: Any) -> Any:
    """Dataclasses as dictionaries, down to texts and numbers; names that are no UTF-8 are shown with escapes."""
    return _as_utf8(msgspec.to_builtins(value))


def _as_utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="surrogateescape").decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {_as_utf8(name): _as_utf8(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_as_utf8(member) for member in value]
    return value
