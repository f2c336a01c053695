"""What of a stage's code has changed: the parts of two fingerprints, compared by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from airflow_dirops.core.format.code import Code, CodePart
from airflow_dirops.core.messages.first_few import FirstFew, first_few
from airflow_dirops.core.messages.shown import shown

_MAX_NAMED = 10
_MAX_SHOWN = 200

How = Literal["changed", "new", "gone"]

_CODE = ("function", "class", "constant")
# As they are told: first what a person has most likely just edited.
_TOLD = (*_CODE, "param", "codec", "version", "package")
_IN_ORDER = {kind: place for place, kind in enumerate(_TOLD)}

HOW_TO_KEEP = (
    "If that makes no difference to the results, keep those that are there, once: tick 'Accept a code change' in the "
    "trigger form, or call it with accept_code_change=True"
)
"""Where a change of the code may be accepted."""


class Change(NamedTuple):
    """One part that differs.

    :param before: its value before; None where that may not be told, or it is new.
    :param after: its value now; None where that may not be told, or it is gone.
    :param how: ``changed``, ``new`` or ``gone``.
    """

    kind: str
    name: str
    file: str
    before: str | None
    after: str | None
    how: How

    def __str__(self) -> str:
        name, before, after = (_on_one_line(text or "") for text in (self.name, self.before, self.after))
        if self.kind in _CODE:
            name = f"`{name}`"
        elif self.kind == "param":
            name = f"params[{name!r}]"
        elif self.kind != "package":
            name = self.kind
        if self.how == "changed":
            has_values = before and after and before != after
            return f"{name} {before} -> {after}" if has_values else f"{name}{self._place}"
        value = f" {after or before}" if self.kind not in _CODE and (after or before) else ""
        return f"{name}{value}{self._place} ({self.how})"

    @property
    def _place(self) -> str:
        return f" in {_on_one_line(self.file)}" if self.file else ""


def told(changes: Sequence[Change]) -> list[str]:
    """Changes as a few short texts, whatever their number."""
    return _few(changes).findings()


def _few(changes: Sequence[Change]) -> FirstFew[Change]:
    return first_few(changes, _MAX_NAMED)


def why_code(count: int, changes: Sequence[Change], *, may_be_accepted: bool) -> str:
    """Why inputs run for their code, and how to keep their results instead.

    :param count: of these inputs.
    :param may_be_accepted: whether results can be kept that other code made.
    """
    what = f"{count} code: {_few(changes).phrase()}" if changes else f"{count} code"
    return f"{what}. {HOW_TO_KEEP}" if may_be_accepted else what


def changes_since(before: Code, after: Code | None) -> tuple[Change, ...] | None:
    """What has changed since a snapshot; None if the code is the same.

    :param before: what made the snapshot.
    :param after: what would make it now; None where that is not looked at.
    """
    if after is None or after.fingerprint == before.fingerprint:
        return None
    return _changes_between(before, after)


def _changes_between(before: Code, after: Code) -> tuple[Change, ...]:
    """What differs, in the order in which it is told; nothing where that is not known.

    What lies in another file now, or has another name and the same content, has not changed.
    """
    old, new = _comparable(before.parts, after.parts)
    if not old or not new:
        return ()
    pairs = [pair for same in (_everywhere, _anywhere, _of_any_name) for pair in _paired(old, new, same)]
    found = [_change(was, now) for was, now in pairs if (was.digest, was.value) != (now.digest, now.value)]
    if not before.left_out:
        found += [_change(None, part) for part in new]
    if not after.left_out:
        found += [_change(part, None) for part in old]
    return tuple(sorted(found, key=lambda change: _IN_ORDER.get(change.kind, len(_IN_ORDER))))


def _comparable(before: Iterable[CodePart], after: Iterable[CodePart]) -> tuple[list[CodePart], list[CodePart]]:
    """Both lists; without the code where a version stands for it on either side."""
    old, new = [*before], [*after]
    if any(part.kind == "version" for part in (*old, *new)):
        without = {*_CODE, "package"}
        old, new = ([part for part in parts if part.kind not in without] for parts in (old, new))
    return old, new


def _everywhere(part: CodePart) -> tuple[str, ...]:
    return part.kind, part.name, part.file


def _anywhere(part: CodePart) -> tuple[str, ...]:
    return part.kind, part.name


def _of_any_name(part: CodePart) -> tuple[str, ...]:
    return (part.kind, part.digest, part.value or "") if part.kind in _CODE else (part.kind, part.name)


def _paired(
    old: list[CodePart], new: list[CodePart], same: Callable[[CodePart], tuple[str, ...]]
) -> Iterator[tuple[CodePart, CodePart]]:
    """Take what is the same thing out of both lists."""
    waiting = {same(part): part for part in reversed(old)}
    for part in [*new]:
        if was := waiting.pop(same(part), None):
            old.remove(was)
            new.remove(part)
            yield was, part


def _change(was: CodePart | None, now: CodePart | None) -> Change:
    part = now or was
    if part is None:
        raise ValueError("a change has a part")
    how: How = "changed" if was and now else "new" if now else "gone"
    before, after = (each.value if each else None for each in (was, now))
    return Change(part.kind, part.name, part.file, before, after, how)


def _on_one_line(text: str) -> str:
    clean = shown(text, _MAX_SHOWN)
    return clean if clean.isprintable() else " ".join(clean.split())
