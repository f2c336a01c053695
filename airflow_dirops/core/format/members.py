"""What a member of a document on disk may hold, so that whoever decodes one has checked it.

The bounds hold while decoding only; what we write is decoded once before it is published.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RETIRED = rf"(?:{_ID}|unmanaged-\d{{8}}T\d{{6}}Z)(?:-\d{{1,9}})?"
MOST = 2**63 - 1
"""What fits into 64 bits."""

Id = Annotated[str, Meta(pattern=rf"\A{_ID}\Z", max_length=36)]
"""A UUID as its text. Directories are named by it, so it can be nothing else."""
AreaName = Annotated[str, Meta(pattern=rf"\A{_ID}(?:-\d{{1,9}})?\Z", max_length=46)]
"""What a staging area may be called: its attempt's id, and its number from the second on."""
RetiredName = Annotated[str, Meta(pattern=rf"\A{_RETIRED}\Z", max_length=64)]
"""What a directory in ``retired/`` may be called."""
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", max_length=64)]
InputDigest = Annotated[str, Meta(pattern=r"\A(?:joined:)?[0-9a-f]{64}\Z", max_length=71)]
"""Of a file, or of several inputs that were joined."""
Count = Annotated[int, Meta(ge=0, le=MOST)]
Number = Annotated[int, Meta(ge=-MOST, le=MOST)]
"""A time in nanoseconds, or a place among others."""
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Word = Annotated[str, Meta(pattern=r"\A[^\s/\0]+\Z", max_length=128)]
Suffix = Annotated[str, Meta(pattern=r"\A\.[^\s/\0]+\Z", max_length=128)]
_MAX_TEXT = 4096
Text = Annotated[str, Meta(max_length=_MAX_TEXT)]
LongText = Annotated[str, Meta(max_length=1 << 16)]
Moment = Annotated[
    str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)\Z", max_length=40)
]

UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises for content that is no such document: UnicodeError is a ValueError."""


def text_problem(text: object) -> str | None:
    """Why this cannot be a :data:`Text` of a document, or None if it can."""
    if not isinstance(text, str):
        return f"it is a {type(text).__name__}, and this is a str"
    if len(text) > _MAX_TEXT:
        return f"it has {len(text):,} characters, and readers take {_MAX_TEXT:,}"
    return None if text.isascii() or _is_unicode(text) else "it holds surrogates, which are no characters"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_is_id = re.compile(_ID).fullmatch


def is_id(text: object) -> bool:
    """Whether this is a UUID as we write it, and so may name a directory of ours."""
    return isinstance(text, str) and _is_id(text) is not None
