"""What a manifest says about the code that its entries were made with.

A manifest lies beside the data, for years, and others read it. So a part has a digest that is too short to confirm a
guessed password, and a value only where that is a plain number under a harmless name: ``docs/decisions/0020``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta

from airflow_dirops.core.format.members import Word
from airflow_dirops.core.messages.shown import shown

MAX_PARTS = 100
"""Of a fingerprint that are kept: some 15 kB."""
_MAX_NAME = 100
_MAX_VALUE = 40
_DIGITS = 4
"""16 bits: of 65,536 changes one is missed here. The fingerprint itself misses none."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET = re.compile(r"passw|passphrase|secret|token|credential|apikey|privatekey|accesskey")
_SECRET_WORDS = frozenset(
    {"account", "auth", "authorization", "card", "code", "cvv", "iban", "key", "keys", "login", "otp", "pass", "pin"}
    | {"private", "pw", "pwd", "salt", "signature", "tan"}
)


class CodePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a fingerprint goes over.

    :param kind: ``function``, ``class``, ``constant``, ``param``, ``codec``, ``version`` or ``package``.
    :param file: the name of the file that it is in, without folders.
    :param digest: of its content, without what it refers to.
    :param value: what it is or, of a package, its version; where that may be told.
    """

    kind: Word
    name: Annotated[str, Meta(max_length=_MAX_NAME)]
    file: Annotated[str, Meta(max_length=_MAX_NAME)] = ""
    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]*\Z", max_length=64)] = ""
    value: Annotated[str, Meta(max_length=_MAX_VALUE)] | None = None


CodeParts = Annotated[tuple[CodePart, ...], Meta(max_length=10 * MAX_PARTS)]


@dataclass(frozen=True)
class Code:
    """What stands for the code of a stage.

    :param fingerprint: decides whether it is the same.
    :param parts: what it goes over, the most telling first.
    :param left_out: how many parts there are besides.
    """

    fingerprint: str
    parts: tuple[CodePart, ...] = ()
    left_out: int = 0


def collected(parts: Iterable[CodePart]) -> tuple[tuple[CodePart, ...], int]:
    """Parts as they are kept: one of each name, so many as are kept at all; and how many are left out."""
    by_name: dict[tuple[str, ...], CodePart] = {}
    for part in parts:
        before = by_name.setdefault(_place(part), part)
        if before != part:
            by_name[_place(part)] = _both(before, part)
    kept = tuple(by_name.values())
    return kept[:MAX_PARTS], len(kept[MAX_PARTS:])


def part_name(text: str) -> str:
    """A name as a part may have it."""
    return _cut(shown(text, _MAX_NAME), _MAX_NAME)


def part_value(name: str, value: object) -> str | None:
    """What a manifest may say of a value: a number of ordinary size, yes or no, or that there is none.

    :param name: under which the code knows it, with those of what it is in.
    """
    if type(value) not in (bool, int, float, type(None)) or (isinstance(value, int) and abs(value) >= 10**12):
        return None
    text = repr(value)
    return None if _may_be_secret(name) or shown(text) != text else text


def part_text(text: str) -> str:
    """A text that is meant to be seen, such as a version, as a part may have it."""
    return _cut(shown(text, _MAX_VALUE), _MAX_VALUE)


def short_digest(content: bytes) -> str:
    """As a part has it."""
    return sha256(content).hexdigest()[:_DIGITS]


def _place(part: CodePart) -> tuple[str, ...]:
    return part.kind, part.name, part.file


def _both(one: CodePart, other: CodePart) -> CodePart:
    """Two things of one name, such as lambdas of one file, as one part."""
    digest = short_digest("\n".join(sorted((one.digest, other.digest))).encode())
    value = one.value if one.value == other.value else None
    return msgspec.structs.replace(one, digest=digest, value=value)


def _may_be_secret(name: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(name)}
    return bool(words & _SECRET_WORDS) or _SECRET.search(name.lower().replace("_", "")) is not None


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
