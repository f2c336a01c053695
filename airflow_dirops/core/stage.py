"""One stage: what is read, what is called, what is written, and the policies for what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

from airflow_dirops.core.attempts import Attempt
from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import resolve_codec
from airflow_dirops.core.commit import OnConflict
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.fingerprint import fingerprint
from airflow_dirops.core.functions import UserFunction
from airflow_dirops.core.outcome import Progress
from airflow_dirops.core.retention import Retention
from airflow_dirops.core.sources import SourceLike, checked_path
from airflow_dirops.core.staging import Durability

Empty = Literal["fail", "skip", "commit"]
OnError = Literal["fail", "quarantine"]


class StageOptions(TypedDict, total=False):
    """What both kinds of stage take by keyword.

    ``pattern``: glob over the source's paths. ``codec``: of the outputs, a name or a codec of your own.
    ``source_codec``: of the source's snapshot, needed for pickles and codecs that are not registered.
    ``stage``: the stage's name; by default the function's. ``partition``: the folder's name, for the manifest.
    ``params``: handed to functions that ask for ``params``. ``run``: calls naming the same run are tries of it.
    ``attempt``: the same, whole, from a scheduler. ``empty``: for a source with no matching file. ``on_error``:
    for an input that fails. ``max_failures``: how many inputs may fail, a count or a percentage such as ``"1%"``.
    ``durability``: ``full`` survives a power loss, ``process`` a crash of the process. ``on_conflict``: when
    another run committed meanwhile. ``full``: redo everything. ``version``: stands for the function's code.
    ``follow_symlinks``: descend into links to directories. ``replace_unmanaged``: move a directory that is not
    ours aside. ``take_over_stage``: replace another stage's snapshot. ``retention``: how long replaced snapshots
    are kept. ``verify``: compare kept outputs with their digests, and make damaged ones again. ``on_progress``:
    called about once a second.
    """

    pattern: str
    codec: str | Codec
    source_codec: str | Codec | None
    stage: str | None
    partition: str | None
    params: Mapping[str, Any] | None
    run: str | None
    attempt: Attempt | None
    empty: Empty
    on_error: OnError
    max_failures: int | str | None
    durability: Durability
    on_conflict: OnConflict
    full: bool
    version: str | None
    follow_symlinks: bool
    replace_unmanaged: bool
    take_over_stage: bool
    retention: Retention
    verify: bool
    on_progress: Callable[[Progress], None] | None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage, checked: see :class:`StageOptions` for the fields.

    :param read: called with a path; where it is None the source's codec decodes.
    :param transform: called with what was read or decoded; where it is None that is the result.
    :raises ArgumentRefused: with everything that cannot be used.
    """

    source: SourceLike
    target: str | os.PathLike[str]
    read: Callable[..., Any] | None = None
    transform: Callable[..., Any] | None = None
    pattern: str = "**/*"
    codec: str | Codec = "npy"
    source_codec: str | Codec | None = None
    stage: str | None = None
    partition: str | None = None
    params: Mapping[str, Any] | None = None
    run: str | None = None
    attempt: Attempt | None = None
    empty: Empty = "fail"
    on_error: OnError = "fail"
    max_failures: int | str | None = None
    durability: Durability = "full"
    on_conflict: OnConflict = "fail"
    full: bool = False
    version: str | None = None
    follow_symlinks: bool = False
    replace_unmanaged: bool = False
    take_over_stage: bool = False
    retention: Retention = field(default_factory=Retention)
    verify: bool = False
    on_progress: Callable[[Progress], None] | None = None
    functions: tuple[UserFunction, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        checked_path("target", self.target)
        self._check_choices()
        if not isinstance(self.source, Mapping):
            checked_path("source", self.source)
        functions = [
            UserFunction(function, role)
            for role, function in (("read", self.read), ("transform", self.transform))
            if function is not None
        ]
        object.__setattr__(self, "functions", tuple(functions))

    @property
    def function_name(self) -> str:
        return " then ".join(function.name for function in self.functions)

    @property
    def name(self) -> str:
        return self.stage or self.function_name

    @property
    def output_codec(self) -> Codec:
        return resolve_codec(self.codec)

    def fingerprint(self) -> str:
        """What the outputs were made with: the functions' code, the codec, and the params that a function asks for."""
        parts = [
            fingerprint(
                function.function,
                codec=self.output_codec.name,
                params=self.params if "params" in function.wanted else None,
                version=self.version,
            )
            for function in self.functions
        ]
        return "+".join(parts)

    def identify(self) -> Attempt:
        return self.attempt or Attempt.outside_airflow(self.name, self.run)

    def allowed_failures(self, total: int) -> int:
        """How many of ``total`` inputs may fail."""
        if self.on_error == "fail":
            return 0
        if self.max_failures is None:
            # If nothing at all can be read, the mount or the function is at fault, and not the files.
            return max(total - 1, 0)
        if isinstance(self.max_failures, int):
            return self.max_failures
        return int(total * _percentage(self.max_failures) / 100)

    def _check_choices(self) -> None:
        findings = [
            f"{name}={getattr(self, name)!r} is none of {', '.join(map(repr, get_args(choices)))}"
            for name, choices in (
                ("empty", Empty),
                ("on_error", OnError),
                ("durability", Durability),
                ("on_conflict", OnConflict),
            )
            if getattr(self, name) not in get_args(choices)
        ]
        if problem := _budget_problem(self.max_failures):
            findings.append(problem)
        if findings:
            raise ArgumentRefused("this stage cannot run", findings)


def _budget_problem(budget: int | str | None) -> str | None:
    if budget is None or (isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0):
        return None
    try:
        if isinstance(budget, str) and 0 <= _percentage(budget) <= 100:
            return None
    except ValueError:
        pass
    return f"max_failures={budget!r} is neither a count, such as 5, nor a percentage, such as '1%'"


def _percentage(text: str) -> float:
    if not text.endswith("%"):
        raise ValueError(text)
    return float(text[:-1])
