"""Text that a log, a manifest and a terminal can hold: printable, of bounded length, and without secrets.

Names of files, messages of exceptions and what they quote come from outside. One lone surrogate in them, and the log
of a task cannot be written; one message of many megabytes, and it is in every manifest from then on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

MAX_SHOWN = 4_000
"""Characters: some screens of text."""

Mask = Callable[[str], str]

# Control characters but tab and newline, what turns the direction of text or breaks lines, and lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Longer than any secret, so that one that a cut goes through is cut out as a whole.
_MARGIN = 1_024
# What the note about a cut takes; so much more is not worth a cut, and what was cut is not cut again.
_NOTE = 64
_TO_THE_AT = r"(?:[^\s/'\"<>]{0,512}|(?!\d{1,5}/)[^\s'\"<>@]{0,512})@"
_VALUE = r"(?!(?:None|True|False|null)\b)(?:\"[^\"\n]{1,512}\"|'[^'\n]{1,512}'|[^\s&,;'\"()\[\]{}<>]{1,512})"
_NAME = (
    r"(?:passwor[dt]|passwd|passphrase|pwd|secret|secret[_-]?(?:access[_-]?)?key|token|api[_-]?key|access[_-]?key|"
    r"account[_-]?key|private[_-]?key|signature|credential)"
)
_SECRETS = (
    (re.compile(rf"(://[^\s:/@'\"<>]{{0,256}}:){_TO_THE_AT}"), r"\1***@"),
    # A token alone, as GitHub takes it.
    (re.compile(r"(https?://)[^\s:/@'\"<>]{1,512}@", re.IGNORECASE), r"\1***@"),
    (re.compile(rf"({_NAME}\s?=\s?){_VALUE}", re.IGNORECASE), r"\1***"),
    (re.compile(rf"({_NAME}(?P<quote>['\"])\s?:\s?){_VALUE}", re.IGNORECASE), r"\1***"),
    (re.compile(r"(\b(?:sig|AccountKey|SharedAccessSignature)=)[^\s&,;'\"]{1,512}"), r"\1***"),
    (re.compile(r"(\b(?:Bearer|Basic)\s{1,3})[A-Za-z0-9._~+/=-]{8,2048}"), r"\1***"),
)

_mask: Mask | None = None


def shown(value: object, limit: int = MAX_SHOWN) -> str:
    """The text of anything, for others to read; never raises.

    Characters that cannot be printed are escaped, as Python writes them; of a long text the head and the tail are
    kept; passwords in URLs and whatever the mask of :func:`masked_by` knows become ``***``.

    :param value: a text, or what ``str()`` makes one of.
    :param limit: in characters, without the note that says how many were left out.
    """
    text = text_of(value)
    if len(text) <= limit + 2 * _MARGIN:
        clean = _escape(_without_secrets(text))
        return clean if len(clean) <= limit + _NOTE else _cut(clean, clean, limit, len(clean))
    # Cut first: what is left out costs no time.
    keep = limit // 2 + 2 * _MARGIN
    head, tail = _without_secrets(text[:keep])[:-_MARGIN], _without_secrets(text[-keep:])[_MARGIN:]
    return _cut(_escape(head), _escape(tail), limit, len(text))


def text_of(value: object) -> str:
    """What ``str()`` makes of a value, or what to say instead where that fails."""
    if isinstance(value, str):
        return str.__str__(value)
    try:
        return str.__str__(str(value))
    except (Exception, SystemExit, GeneratorExit) as error:
        return f"<a {type(value).__name__} that cannot be shown: its text raises {type(error).__name__}>"


def is_shown(text: str, limit: int = MAX_SHOWN) -> bool:
    """Whether a text is already as :func:`shown` would make it."""
    return len(text) <= limit + _NOTE and shown(text, limit) == text


@contextmanager
def masked_by(mask: Mask) -> Iterator[None]:
    """For the block, let something else hide secrets too: it knows their very values.

    :param mask: takes a text, returns it with every secret replaced.
    """
    global _mask
    before, _mask = _mask, mask
    try:
        yield
    finally:
        _mask = before


def logger(name: str) -> logging.Logger:
    """A logger whose every line can be written, whatever names and messages it quotes."""
    made = logging.getLogger(name)
    if not any(isinstance(known, _Shown) for known in made.filters):
        made.addFilter(_Shown())
    return made


class _Shown(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if (clean := shown(text)) != text:
            record.msg, record.args = clean, ()
        return True


def _without_secrets(text: str) -> str:
    if _mask is not None:
        with suppress(Exception):
            text = _mask(text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _escape(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _cut(head: str, tail: str, limit: int, length: int) -> str:
    kept = limit // 2
    return f"{head[:kept]} [… {length - 2 * kept:,} characters left out …] {tail[len(tail) - kept :]}"
