"""What DESIGN promises of one target, as plain dictionaries: what is there, what is kept, and what a run may do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

Inputs = dict[str, int]
"""Name of a file in the source → its version."""

NOTHING = "none.txt"
_incarnations = count()


def text_of(name: str, version: int) -> str:
    return f"{name} {version}"


@dataclass(frozen=True)
class Identity:
    """Who tries: a run, which try of it, and the first try since a user cleared it."""

    run: int
    try_number: int
    first_try: int
    ti_id: str

    @property
    def order(self) -> str:
        return f"{self.run:03}"


@dataclass(frozen=True)
class Options:
    stage: str = "copy"
    code: str = "1"
    plain: bool = False
    keep: int | None = None
    on_conflict: str = "fail"
    replace_unmanaged: bool = False
    take_over_stage: bool = False


@dataclass(eq=False)
class Made:
    """A snapshot that was committed.

    :param files: every file's bytes, when it was committed.
    :param missing: entries that somebody removed by hand.
    :param restored: the one that was brought back with it.
    """

    id: str
    by: Identity
    incarnation: int
    stage: str
    code: str
    inputs: Inputs
    files: dict[str, bytes] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    restored: str | None = None

    def brought_back(self, snapshot: str) -> Made:
        """A new snapshot with all that is in this one."""
        return replace(self, id=snapshot, missing=set(), restored=self.restored or self.id)

    @property
    def values(self) -> dict[str, str]:
        return {name.removesuffix(".txt"): text_of(name, self.inputs[name]) for name in self.names}

    @property
    def names(self) -> list[str]:
        return sorted(name for name in self.inputs if name != NOTHING)


@dataclass(eq=False)
class Tried:
    """An attempt that claimed the target.

    :param sees: the source when it was planned.
    :param runs: what the base does not have as it should be.
    :param to_read: what of it is still to be computed, in order.
    :param holds: dead attempts whose directories are its own now.
    :param is_full: it makes everything anew, since its run had committed before a user cleared it.
    :param is_disturbed: what it builds on was damaged since.
    """

    id: str
    by: Identity
    options: Options
    incarnation: int = 0
    base: Made | None = None
    sees: Inputs = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    to_read: list[str] = field(default_factory=list)
    holds: list[Tried] = field(default_factory=list)
    finished: Inputs = field(default_factory=dict)
    is_new: bool = False
    is_full: bool = False
    may_replace_foreign: bool = False
    is_disturbed: bool = False

    def has_reached(self, gate: str) -> None:
        """All before this gate is finished, and stays so when the attempt dies."""
        done = {*self.runs, NOTHING}
        self.finished = {
            name: version for name, version in self.sees.items() if name in done and (gate == "commit" or name < gate)
        }

    def misses(self, gate: str | None) -> None:
        """What it meant to carry over is gone, so it computes that too."""
        if gate in self.sees and gate not in self.runs:
            self.runs.add(gate)
            self.to_read.insert(0, gate)


@dataclass
class Target:
    """A target, and what its control directory remembers.

    :param is_foreign: somebody else's directory lies there.
    :param is_half_swapped: between two renames; its readers follow the intent.
    :param retired: kept snapshots.
    :param done: of each run and incarnation, the latest try whose snapshot was replaced.
    :param foreign_kept: how many directories of others were moved aside.
    :param fence: the newest claim of each run.
    :param dead: attempts that are gone, and have their directory still.
    """

    source: Inputs = field(default_factory=dict)
    current: Made | None = None
    is_foreign: bool = False
    is_half_swapped: bool = False
    retired: list[Made] = field(default_factory=list)
    done: dict[tuple[int, int], int] = field(default_factory=dict)
    foreign_kept: int = 0
    fence: dict[int, Tried] = field(default_factory=dict)
    live: list[Tried] = field(default_factory=list)
    dead: list[Tried] = field(default_factory=list)

    def refusal(self, by: Identity, options: Options) -> str | None:
        """Why a claim fails."""
        if self.is_foreign and not options.replace_unmanaged:
            return "TargetRefused"
        if self.current and self.current.stage != options.stage and not options.take_over_stage:
            return "TargetRefused"
        newest = self.fence.get(by.run)
        if newest and newest.by.try_number > by.try_number and newest.by.ti_id > by.ti_id:
            return "AttemptSuperseded"
        return None

    def claim(self, tried: Tried) -> None:
        """Note a claim, and work out what it has to do."""
        newest = self.fence.get(tried.by.run)
        continues = newest is not None and newest.by.try_number < tried.by.try_number
        tried.incarnation = newest.incarnation if newest and continues else next(_incarnations)
        self.fence[tried.by.run] = tried
        tried.may_replace_foreign = self.is_foreign
        tried.base, tried.sees = self.current, dict(self.source)
        tried.holds = self.up_for_grabs()
        self._plan(tried)
        self.live.append(tried)

    def _plan(self, tried: Tried) -> None:
        base = tried.base
        tried.is_full = 0 < self._last_commit(tried) < tried.by.first_try
        tried.runs = {
            name for name, version in tried.sees.items() if tried.is_full or _must_run(base, name, version, tried)
        }
        tried.to_read = sorted(name for name in tried.runs if not _is_finished(tried, name))
        is_renamed = base is not None and base.stage != tried.options.stage
        tried.is_new = bool(tried.runs or base is None or base.inputs.keys() - tried.sees or is_renamed)

    def _last_commit(self, tried: Tried) -> int:
        """The latest try of this run whose commit is here, or was until another one replaced it."""
        here = tried.base.by.try_number if tried.base and self._is_own(tried) else 0
        return max(here, self.done.get((tried.by.run, tried.incarnation), 0))

    def _is_own(self, tried: Tried) -> bool:
        base = tried.base
        return base is not None and (base.by.run, base.incarnation) == (tried.by.run, tried.incarnation)

    def outcome_without_work(self, tried: Tried) -> str:
        """Of a run with nothing to do: an earlier try's commit is taken over, anybody else's is just there."""
        return "committed" if self._is_own(tried) else "unchanged"

    def verdict(self, tried: Tried) -> str:
        """How its commit ends."""
        if self.fence[tried.by.run] is not tried:
            return "AttemptSuperseded"
        if self.is_foreign:
            return "committed" if tried.may_replace_foreign else "TargetConflict"
        current, policy = self.current, tried.options.on_conflict
        if current is None:
            return "committed"
        if policy == "newest" and current.by.order > tried.by.order:
            return "TargetConflict"
        if tried.base is not None and current.id == tried.base.id:
            return "committed"
        return "TargetConflict" if policy == "fail" or current.stage != tried.options.stage else "committed"

    def commit(self, tried: Tried, snapshot: str) -> Made:
        """Note a commit, whether or not anybody was told of it."""
        options = tried.options
        made = Made(snapshot, tried.by, tried.incarnation, options.stage, options.code, dict(tried.sees))
        self.foreign_kept += self.is_foreign
        self.is_foreign = False
        self.replace(made)
        tried.finished = {}
        return made

    def replace(self, made: Made | None) -> None:
        """Put a snapshot in place; what was there is retired."""
        if (current := self.current) is not None:
            self.retired.append(current)
            whose = current.by.run, current.incarnation
            self.done[whose] = max(current.by.try_number, self.done.get(whose, 0))
        self.current = made

    def mended(self, snapshot: str) -> Made | None:
        """The current snapshot as a repair can leave it; None if some bytes are nowhere else."""
        current = self.current
        if current is None or not current.missing:
            return None
        for name in current.missing:
            if not any(_has(kept, name, current.inputs[name]) for kept in self.retired):
                return None
        return replace(current.brought_back(snapshot), files={})

    def sweep(self) -> list[Tried]:
        """Drop what is left of the dead, but for what a live attempt holds; returns what is dropped."""
        gone = self.up_for_grabs()
        self.dead = [dead for dead in self.dead if dead not in gone]
        return gone

    def up_for_grabs(self) -> list[Tried]:
        """The dead whom no live attempt holds."""
        held = [dead for tried in self.live for dead in tried.holds]
        return [dead for dead in self.dead if dead not in held]

    def lets_go(self, tried: Tried, *, has_succeeded: bool) -> None:
        """An attempt ended: a success removes all it held, a failure leaves it to the next one."""
        self.live.remove(tried)
        if has_succeeded:
            self.dead = [dead for dead in self.dead if dead not in tried.holds]
        else:
            self.dead.append(tried)
        tried.holds = []


def _must_run(base: Made | None, name: str, version: int, tried: Tried) -> bool:
    if base is None or base.code != tried.options.code:
        return True
    return base.inputs.get(name) != version or name in base.missing


def _is_finished(tried: Tried, name: str) -> bool:
    return any(
        dead.options.code == tried.options.code
        and dead.finished.get(name) == tried.sees[name]
        and (not tried.is_full or _made_anew_for(dead, tried))
        for dead in tried.holds
    )


def _made_anew_for(dead: Tried, tried: Tried) -> bool:
    is_same_run = (dead.by.run, dead.incarnation) == (tried.by.run, tried.incarnation)
    return dead.is_full and is_same_run and dead.by.try_number >= tried.by.first_try


def _has(kept: Made, name: str, version: int) -> bool:
    return kept.inputs.get(name) == version and name not in kept.missing and name != NOTHING


def options_of(by: Identity, options: Options) -> dict[str, Any]:
    """What the package's door takes, as far as it is not an object of the package."""
    return {
        "stage": options.stage,
        "version": options.code,
        "plain": options.plain,
        "on_conflict": options.on_conflict,
        "may_replace": [
            *(["unmanaged"] if options.replace_unmanaged else []),
            *(["other_stage"] if options.take_over_stage else []),
        ],
    }
