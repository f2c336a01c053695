"""What runs and their attempts do to a target: begin, stage, seal, commit, die anywhere, wake up late, try again.

Half of the state machine in :mod:`tests.core.places.test_commit_machine`. Attempts are real processes
(:mod:`tests.core.paced`), killed with SIGKILL.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_dirops.core import Attempt, LogicalRun, Snapshot, open_snapshot
from airflow_dirops.core.errors import DiropsError, SnapshotExpired
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.stage.retention import Retention
from tests.core.directories import assert_whole, control_of, values_of
from tests.core.paced import PacedStage
from tests.core.target_model import NOTHING, Identity, Made, Options, Target, Tried, options_of

NAMES = ("a.txt", "b.txt", "c.txt", NOTHING)
KEEP_ALL = 99
T = TypeVar("T")

pick = st.integers(0, 5)
OPTIONS = st.builds(
    Options,
    stage=st.sampled_from([*["copy"] * 7, "renamed"]),
    code=st.sampled_from(["1", "1", "1", "2"]),
    plain=st.booleans(),
    keep=st.sampled_from([KEEP_ALL, KEEP_ALL, 1, 0]),
    on_conflict=st.sampled_from(["fail", "fail", "last", "newest"]),
    replace_unmanaged=st.sampled_from([True, True, True, False]),
    take_over_stage=st.sampled_from([True, True, True, False]),
)


def one_of(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


def exists(what: Callable[[Any], Any]) -> Callable[..., Any]:
    """The rule needs something to work on."""
    return precondition(lambda machine: bool(what(machine)))


class AttemptMachine(RuleBasedStateMachine):
    """A source, a target, and attempts at it; each of them goes on only when a rule says so."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.here = Path(tempfile.mkdtemp(prefix="dirops-", dir=memory if os.access(memory, os.W_OK) else None))
        self.source, self.target = self.here / "source", self.here / "out" / "day"
        self.source.mkdir()
        self.model = Target()
        self.stages: dict[Tried, PacedStage] = {}
        self.readers: list[tuple[Snapshot, Made]] = []
        self.runs: list[Identity] = []
        self.delayed: list[Identity] = []
        self.versions = 0

    def teardown(self) -> None:
        for stage in self.stages.values():
            stage.kill()
        for snapshot, _ in self.readers:
            snapshot.close()
        shutil.rmtree(self.here)

    # The source

    @initialize()
    def put_three_files(self) -> None:
        for name in NAMES[1:]:
            self.write(name)

    @rule(name=st.sampled_from(NAMES))
    def write(self, name: str) -> None:
        self.versions += 1
        self.model.source[name] = self.versions
        path = self.source / name
        path.write_text(f"{name} {self.versions}")
        os.utime(path, ns=(self.versions * 10**9, self.versions * 10**9))

    @rule(name=st.sampled_from(NAMES))
    def remove_input(self, name: str) -> None:
        self.model.source.pop(name, None)
        (self.source / name).unlink(missing_ok=True)

    # Runs and their tries: who may claim, and in which order of time

    @rule(options=OPTIONS)
    def begin(self, options: Options) -> None:
        self._begin(self._try_of(len(self.runs), 1, 1), options)

    @exists(lambda self: self.runs)
    @rule(run=pick, options=OPTIONS)
    def retry(self, run: int, options: Options) -> None:
        self._begin(self._next_try(run), options)

    @exists(lambda self: self.runs)
    @rule(run=pick, options=OPTIONS)
    def clear(self, run: int, options: Options) -> None:
        before = one_of(self.runs, run)
        self._begin(self._try_of(before.run, before.try_number + 1, before.try_number + 1), options)

    @exists(lambda self: self.runs)
    @rule(run=pick, options=OPTIONS)
    def delete_run_and_make_it_again(self, run: int, options: Options) -> None:
        self._begin(self._try_of(one_of(self.runs, run).run, 1, 1), options)

    @exists(lambda self: self.runs)
    @rule(run=pick)
    def start_slowly(self, run: int) -> None:
        self.delayed.append(self._next_try(run))

    @exists(lambda self: self.delayed)
    @rule(options=OPTIONS)
    def begin_late(self, options: Options) -> None:
        self._begin(self.delayed.pop(0), options)

    @rule(options=OPTIONS)
    def run_to_its_end(self, options: Options) -> None:
        self.begin(options)
        if (tried := next(reversed(self.stages), None)) and tried.by is self.runs[-1]:
            self._commit(tried)

    @exists(lambda self: self._late())
    @rule(attempt=pick)
    def wake_late(self, attempt: int) -> None:
        self._commit(one_of(self._late(), attempt))

    def _late(self) -> list[Tried]:
        """Zombies, and those whose base was replaced since they began."""
        model = self.model
        zombies = [tried for tried in self.stages if model.fence[tried.by.run] is not tried]
        return zombies + [tried for tried in self.stages if tried.base is not model.current and tried not in zombies]

    def _try_of(self, run: int, try_number: int, first_try: int) -> Identity:
        identity = Identity(run, try_number, first_try, new_id())
        self.runs[run : run + 1] = [identity]
        return identity

    def _next_try(self, run: int) -> Identity:
        before = one_of(self.runs, run)
        return self._try_of(before.run, before.try_number + 1, before.first_try)

    # An attempt's life

    def _begin(self, by: Identity, options: Options) -> None:
        tried = Tried(new_id(), by, options)
        refusal = self.model.refusal(by, options)
        self.model.is_half_swapped = False
        attempt = Attempt(
            run=LogicalRun(dag_id="dag", run_id=str(by.run), task_id="task"),
            try_number=by.try_number,
            first_try_number=by.first_try,
            ti_id=by.ti_id,
            order=by.order,
            id=tried.id,
        )
        retention = Retention(keep_snapshots=options.keep or 0, keep_hours=0.0)
        stage = PacedStage(
            source=self.source, target=self.target, attempt=attempt, retention=retention, **options_of(by, options)
        )
        assert stage.ended == refusal or refusal is None, stage.said
        if refusal is None:
            self._some_are_dropped(tried, stage)
            self.model.claim(tried)
            self.stages[tried] = stage
            self._has_moved(tried)

    def _some_are_dropped(self, tried: Tried, stage: PacedStage) -> None:
        """A claim drops what is of no use to it, and of the rest all but a few."""
        attempts = control_of(self.target) / "attempts"
        free = self.model.up_for_grabs()
        gone = [dead for dead in self.model.dead if not (attempts / dead.id).exists()]
        assert all(dead in free for dead in gone)
        self.model.dead = [dead for dead in self.model.dead if dead not in gone]
        useful = [dead for dead in free if dead.finished and dead.options.code == tried.options.code]
        if stage.ended is None and any(dead in useful for dead in gone):
            assert len([dead for dead in useful if dead not in gone]) >= 4

    @exists(lambda self: self.stages)
    @rule(attempt=pick)
    def stage_one(self, attempt: int) -> None:
        tried = one_of([*self.stages], attempt)
        if self.stages[tried].waits_for != "commit":
            self._pass_gate(tried)

    @exists(lambda self: self.stages)
    @rule(attempt=pick)
    def seal(self, attempt: int) -> None:
        self._seal(one_of([*self.stages], attempt))

    @exists(lambda self: self.stages)
    @rule(attempt=pick)
    def commit(self, attempt: int) -> None:
        self._commit(one_of([*self.stages], attempt))

    @exists(lambda self: self.stages)
    @rule(attempt=pick)
    def crash(self, attempt: int) -> None:
        tried = one_of([*self.stages], attempt)
        self.stages.pop(tried).kill()
        self.model.lets_go(tried, has_succeeded=False)

    @exists(lambda self: self.stages)
    @rule(attempt=pick, change=st.integers(1, 9))
    def crash_in_commit(self, attempt: int, change: int) -> None:
        tried = one_of([*self.stages], attempt)
        if not self._seal(tried):
            return
        verdict = self.model.verdict(tried)
        stage = self._pass_gate(tried, verdict, die_before=change)
        assert stage.ended in ("killed", verdict), stage.said

    def _commit(self, tried: Tried) -> None:
        if self._seal(tried):
            verdict = self.model.verdict(tried)
            stage = self._pass_gate(tried, verdict)
            assert stage.ended == verdict, stage.said

    def _seal(self, tried: Tried) -> bool:
        """Whether it got as far as its commit."""
        while tried in self.stages and self.stages[tried].waits_for != "commit":
            self._pass_gate(tried)
        return tried in self.stages

    def _pass_gate(self, tried: Tried, verdict: str | None = None, die_before: int = 0) -> PacedStage:
        stage = self.stages[tried]
        gate = stage.waits_for
        stage.go_on(die_before)
        if gate == "commit":
            self._has_met(tried, stage, verdict)
        else:
            assert gate == tried.to_read.pop(0)
            changed = self.model.source.get(str(gate)) != tried.sees[str(gate)]
            self._has_moved(tried, "SourceChanged" if changed else None)
        return stage

    def _has_moved(self, tried: Tried, error: str | None = None) -> None:
        """It waits at the gate that the plan says, or has ended as it should."""
        stage = self.stages[tried]
        if tried.is_disturbed:
            error = stage.ended if stage.ended in ("StorageError", "SnapshotDamaged") else error
            tried.misses(stage.waits_for)
        if error or not tried.is_new:
            assert stage.ended == (error or self.model.outcome_without_work(tried)), stage.said
            del self.stages[tried]
            self.model.lets_go(tried, has_succeeded=not error)
            return
        assert stage.waits_for == (tried.to_read[0] if tried.to_read else "commit"), (stage.said, tried)
        tried.has_reached(str(stage.waits_for))

    def _has_met(self, tried: Tried, stage: PacedStage, verdict: str | None) -> None:
        """It committed, or was refused, or died in between: the target tells."""
        del self.stages[tried]
        before = self.model.current
        visible = self._visible()
        if verdict == "committed" and visible not in (None, before and before.id):
            made = self.model.commit(tried, visible)
            self.model.is_half_swapped = not self.target.exists()
            self._remember(made)
        else:
            assert stage.ended != "committed", f"{visible} is at the target, after {stage.said}"
        held = tried.holds
        self.model.lets_go(tried, has_succeeded=stage.ended == "committed")
        if stage.ended == "killed":
            self._are_being_removed([tried, *held])
        self._has_expired(tried.options.keep or 0, before if stage.ended == "committed" else None)

    def _are_being_removed(self, dead: list[Tried]) -> None:
        """A crash may have cut off the removal of these: what is still there can be reused."""
        for tried in dead:
            directory = control_of(self.target) / "attempts" / tried.id
            if not directory.exists():
                self.model.dead.remove(tried)
            is_known = {"journal.jsonl", "owner.json"} <= set(os.listdir(directory)) if directory.exists() else False
            tried.finished = {
                name: version
                for name, version in tried.finished.items()
                if is_known and (name == NOTHING or (directory / "tree" / name).exists())
            }

    def _visible(self) -> str | None:
        with suppress(DiropsError), open_snapshot(self.target) as snapshot:
            return snapshot.manifest.snapshot
        return None

    def _remember(self, made: Made) -> None:
        if self.model.is_half_swapped:
            made.files = files_below(next(control_of(self.target).glob(f"attempts/{self._intended()}/tree")))
        else:
            assert_whole(self.target)
            made.files = files_below(self.target)
        assert values_of(self.target) == made.values

    def _intended(self) -> str:
        return str(json.loads((control_of(self.target) / "intent.json").read_bytes())["attempt"])

    def _has_expired(self, keep: int, just_retired: Made | None = None) -> None:
        """Retention took only what it may, and left no more than it should."""
        pinned = {made for _, made in self.readers}
        pinned |= {tried.base for tried, stage in self.stages.items() if stage.waits_for != "commit"}
        gone = {made for made in self.model.retired if not self._is_kept(made)}
        assert not gone & pinned
        assert len(self.model.retired) - len(gone) >= min(keep, len(self.model.retired))
        assert keep == 0 or just_retired not in gone
        self.model.retired = [made for made in self.model.retired if made not in gone]

    def _is_kept(self, made: Made) -> bool:
        try:
            open_snapshot({"target": os.fspath(self.target), "snapshot": made.id}).close()
        except SnapshotExpired:
            return False
        return True


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        os.fspath(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
