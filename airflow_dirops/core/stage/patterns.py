"""Which names a stage reads: globs, and the names that one leaves out although they differ from it in case only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from wcmatch import glob

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.messages.first_few import FirstFew

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.CASE | glob.DOTGLOB | glob.EXTGLOB
_MAX_NAMED = 5
_MAX_SUFFIXES = 16
_MOST_LEFT_OUT = 3

Match = Callable[[str], re.Match[str] | bool | None]


class Selection:
    """Takes the paths that match a pattern, and notes those that do not.

    :param pattern: a glob over paths relative to the source: ``*`` stays within a folder, ``**/`` descends,
        ``{png,jpg}`` offers a choice.
    :raises ArgumentRefused: if the pattern is empty, absolute, or leaves the directory.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.matches = compile_pattern(pattern)
        self._matches_any_case = compile_pattern(pattern, any_case=True)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.names_left_out = FirstFew[str](_MOST_LEFT_OUT, repr)
        self._differ_in_case = FirstFew[str](_MAX_NAMED, repr)
        self._suffixes: set[str] = set()

    @property
    def left_out(self) -> int:
        """How many files do not match."""
        return self.names_left_out.count

    def leave_out(self, path: str) -> None:
        """Note the path of a file that does not match."""
        self.names_left_out.add(path)
        if self._matches_any_case(path):
            self._differ_in_case.add(path)
            if len(self._suffixes) < _MAX_SUFFIXES:
                self._suffixes.add(path[path.rfind(".") + 1 :])

    def hint(self) -> str:
        """What to say of the names that differ in case only; empty where there are none."""
        if not (count := self._differ_in_case.count):
            return ""
        which = f"{count} differ from it" if count > 1 else "1 differs from it"
        advice = pattern_for_case(self.pattern, self._differ_in_case.kept, self._suffixes)
        what_to_do = f"write the pattern as {advice!r}" if advice else "write the pattern as the names are written"
        return f"{which} in case only: {self._differ_in_case.phrase()}; to read them too, {what_to_do}"


def literal(text: str) -> str:
    """A text as a part of a pattern that matches nothing but it."""
    return str(glob.escape(text))


@lru_cache(maxsize=64)
def compile_pattern(pattern: object, *, any_case: bool = False) -> Match:
    """A test for relative paths.

    :param any_case: upper and lower case are the same.
    :raises ArgumentRefused: if the pattern is empty, absolute, or leaves the directory.
    """
    if not isinstance(pattern, str) or not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
        raise ArgumentRefused(
            f"the pattern {pattern!r} cannot select files of a source; give a glob relative to it, such as '**/*.png'"
        )
    if {"", "."} & set(pattern.split("/")):
        better = "/".join(part for part in pattern.split("/") if part not in ("", "."))
        better = f"{better}/**/*" if better and pattern.endswith("/") else better or "**/*"
        raise ArgumentRefused(
            f"the pattern {pattern!r} matches no file: a path has no '.' and no empty part, and no '/' at its end; "
            f"write {better!r}"
        )
    if pattern in ("**", "**/*"):
        return lambda _: True
    try:
        included, _ = glob.translate(pattern, flags=_FLAGS)
        # The whole name: a bare match would end before a newline that a name ends with.
        expression = "|".join(f"(?:{one})" for one in included)
        return re.compile(expression, re.IGNORECASE if any_case else 0).fullmatch
    except Exception as error:
        raise ArgumentRefused(f"the pattern {pattern!r} cannot be read as a glob: {error}") from error


def pattern_for_case(pattern: str, names: Iterable[str], suffixes: Iterable[str]) -> str | None:
    """A pattern that takes these names too, which differ from it in case only.

    :param names: some of them.
    :param suffixes: what they end with.
    """
    names = list(names)
    for candidate in (_with_suffixes(pattern, suffixes), _with_any_case(pattern)):
        if candidate and candidate != pattern and all(map(compile_pattern(candidate), names)):
            return candidate
    return None


def one_of(patterns: Iterable[str]) -> str:
    """One pattern that matches what any of several does: ``**/*.png`` and ``**/*.jpg`` are ``**/*.{png,jpg}``."""
    patterns = list(dict.fromkeys(patterns))
    if len(patterns) == 1:
        return patterns[0]
    shared = _shared_prefix(patterns)
    cut = max(shared.rfind("/"), shared.rfind(".")) + 1
    return f"{patterns[0][:cut]}{{{','.join(pattern[cut:] for pattern in patterns)}}}"


def _shared_prefix(patterns: list[str]) -> str:
    first, last = min(patterns), max(patterns)
    length = next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))
    shared = first[:length]
    # A choice that begins in the shared part ends behind it.
    return shared if not set("{[(").intersection(shared) else ""


def _with_suffixes(pattern: str, suffixes: Iterable[str]) -> str | None:
    """``*.jpg`` as ``*.{jpg,JPG}``."""
    if not (found := re.fullmatch(r"(.*\.)(?:(\w+)|\{([\w,]+)\})", pattern, re.DOTALL)):
        return None
    choices = (found[2] or found[3]).split(",")
    folded = {choice.casefold() for choice in choices}
    others = [suffix for suffix in sorted(suffixes) if suffix.casefold() in folded and suffix not in choices]
    return f"{found[1]}{{{','.join([*choices, *others])}}}"


def _with_any_case(pattern: str) -> str | None:
    """``raw*.jpg`` as ``[rR][aA][wW]*.[jJ][pP][gG]``."""
    if set("[]\\").intersection(pattern):
        return None
    return "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isascii() and letter.isalpha() else letter for letter in pattern
    )
