"""The policies of a stage: which values they take, and how many failures are too many.

An option whose type is one of the names below takes one of its choices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, get_args

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.option import Option

Empty = Literal["fail", "skip", "commit"]
OnError = Literal["fail", "quarantine"]
Redo = Literal["needed", "damaged", "all"]
Replaceable = Literal["unmanaged", "other_stage"]
Durability = Literal["full", "process"]
Join = Literal["inner", "outer", "strict"]
OnConflict = Literal["fail", "newest", "last"]
Publish = Literal["commit", "hold", "if_passed"]

_MOST_HOURS = 24 * 366 * 100
# Of a handful of results half are gone soon.
_ENOUGH_TO_JUDGE = 20


def choices_of(option: Option) -> tuple[str, ...]:
    """What an option may be, where its type is one of the names above."""
    return get_args(globals().get(option.type.removesuffix(" | None")))


def check_policies(options: Mapping[str, Any], defined: Mapping[str, Option]) -> None:
    """Refuse options that cannot be used, all at once.

    :param options: a stage's options by name.
    :param defined: their definitions.
    :raises ArgumentRefused: with every one that cannot be used.
    """
    if findings := [*_no_choice(options, defined), *_no_text(options, defined), *_findings(options)]:
        raise ArgumentRefused("this stage cannot run", findings)


def failure_budget(max_failures: int | str | None, total: int) -> int:
    """How many of ``total`` inputs may be quarantined."""
    if max_failures is None:
        # If nothing at all can be read, the mount or the function is at fault, and not the files.
        return max(total - 1, 0)
    if isinstance(max_failures, int):
        return max_failures
    return int(total * _percentage(max_failures) / 100)


def removal_bound(max_removed: int | str | None, results: int) -> int:
    """How many of ``results`` may go in one run. By default half, where there are enough for that to mean something."""
    if max_removed is None:
        return results // 2 if results >= _ENOUGH_TO_JUDGE else results
    if isinstance(max_removed, int):
        return max_removed
    return int(results * _percentage(max_removed) / 100)


def _no_choice(options: Mapping[str, Any], defined: Mapping[str, Option]) -> Iterator[str]:
    for name, option in defined.items():
        choices, may_be_none = choices_of(option), option.type.endswith(" | None")
        if choices and options[name] not in choices and not (may_be_none and options[name] is None):
            yield f"{name}={options[name]!r} is none of {', '.join(map(repr, choices))}"


def _no_text(options: Mapping[str, Any], defined: Mapping[str, Option]) -> Iterator[str]:
    for name, option in defined.items():
        value = options[name]
        if option.type == "str | None" and not (value is None or isinstance(value, str)):
            yield f"{name}={value!r} is no text; write {name}={str(value)!r}"
        if option.type == "bool" and not isinstance(value, bool):
            yield f"{name}={value!r} is neither True nor False"


def _findings(options: Mapping[str, Any]) -> Iterator[str]:
    for name in ("max_failures", "max_removed"):
        if not _is_budget(budget := options[name]):
            yield f"{name}={budget!r} is neither a count, such as 5, nor a percentage, such as '1%'"
    if (workers := options["workers"]) != "auto" and not (_is_number(workers, int) and workers >= 1):
        yield f"workers={workers!r} is neither a count of at least 1 nor 'auto'"
    if not (_is_number(retries := options["file_retries"], int) and retries >= 0):
        yield f"file_retries={retries!r} is no count"
    if (timeout := options["file_timeout"]) is not None and not (_is_number(timeout, int | float) and timeout > 0):
        yield f"file_timeout={timeout!r} is no number of seconds"
    if not (_is_number(hours := options["hold_hours"], int | float) and 0 < hours <= _MOST_HOURS):
        yield f"hold_hours={hours!r} is no number of hours, of a hundred years at most"
    yield from _not_replaceable(options["may_replace"])
    yield from _uncountable(options)


def _not_replaceable(given: Any) -> Iterator[str]:
    choices = get_args(Replaceable)
    if isinstance(given, str) or not isinstance(given, Collection) or not all(each in choices for each in given):
        named = " and ".join(map(repr, choices))
        yield f"may_replace={given!r} is no set of some of {named}, such as may_replace={{{choices[0]!r}}}"


def _uncountable(options: Mapping[str, Any]) -> Iterator[str]:
    for name in ("batch_size", "limit", "shards"):
        if (count := options[name]) is not None and not (_is_number(count, int) and count >= 1):
            yield f"{name}={count!r} is no count of at least 1"


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_budget(budget: int | str | None) -> bool:
    if budget is None or (_is_number(budget, int) and isinstance(budget, int) and budget >= 0):
        return True
    try:
        return isinstance(budget, str) and 0 <= _percentage(budget) <= 100
    except ValueError:
        return False


def share_of(text: str) -> float:
    """A percentage as a number from 0 to 1.

    :raises ValueError: if it is none.
    """
    share = _percentage(text) / 100
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _percentage(text: str) -> float:
    if not text.endswith("%"):
        raise ValueError(text)
    return float(text[:-1])
