"""Every accident of a commit, played on a place in memory: all orders of the steps of a few attempts, and any history.

The same promises are checked on real disks, with real processes, by the crash and power tests; here each history takes
a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt
from airflow_dirops.core.place.claim import Lost, Unknown, Won
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.testing.places.driving import BYTES, Driven, attempt_of, line_of, seen_in
from airflow_dirops.testing.places.faults import ACCIDENTS, STEPS, Fault, Killed
from airflow_dirops.testing.places.memory import MemoryPlace
from airflow_dirops.testing.places.memory_store import MemoryHeld, Store

NAMES = ("a", "b")


@dataclass(eq=False)
class Player:
    """One attempt, which goes a step further when it is told to; an accident ends it."""

    attempt: Attempt
    store: Store
    fault: Fault | None = None
    driven: Driven | None = None
    sealed: Manifest | None = None
    answer: Won | Lost | Unknown | None = None
    ended: BaseException | None = None
    is_through: bool = False
    reused: int = 0
    steps: list[str] = field(default_factory=lambda: ["claim", "work", "commit", "retire"])

    @property
    def files(self) -> dict[str, bytes]:
        return {f"{name}.bin": self.attempt.run.run_id.encode() for name in NAMES}

    @property
    def is_over(self) -> bool:
        return self.is_through or self.ended is not None

    def go_on(self) -> None:
        if self.is_over:
            return
        try:
            getattr(self, f"_{self.steps.pop(0)}")()
        except (DiropsError, Killed) as error:
            self.ended = error
            self._end(error)
        if not self.steps and not self.ended:
            self.is_through = True
            assert self.driven
            self.driven.claim.__exit__(None, None, None)

    def kill(self) -> None:
        self.ended = Killed()
        self._end(self.ended)

    def _end(self, error: BaseException) -> None:
        if self.driven and isinstance(error, Killed):
            area = self.store.areas.get(self.attempt.id)
            if area:
                area.is_alive = False  # as the kernel lets go of a dead process's lock
            for other in self.store.areas.values():
                if other.holder == self.attempt.id:
                    other.holder = None
        elif self.driven:
            self.driven.fail()

    def _claim(self) -> None:
        self.driven = Driven.begin(MemoryPlace(self.store, fault=self.fault), self.attempt)

    def _work(self) -> None:
        """Stage and seal, of which nobody else sees anything."""
        assert self.driven
        staging, done = self.driven.staging, set()
        for dead in self.driven.claim.dead:
            for line in dead.finished():
                if line.input.path not in done and staging.reuse(line, dead):
                    done.add(line.input.path)
        self.reused = len(done)
        for name in NAMES:
            if name not in done:
                staging.stage(line_of(name), iter([(name, self.files[f"{name}.bin"])]), BYTES)
        self.sealed = self.driven.seal(planned=len(NAMES))

    def _commit(self) -> None:
        assert self.driven
        assert self.sealed
        self.answer = self.driven.claim.commit(self.sealed)
        if isinstance(self.answer, Lost | Unknown):
            raise self.answer.error

    def _retire(self) -> None:
        assert self.driven
        self.driven.claim.retire(Retention(keep_snapshots=0, keep_hours=0.0))


def current_of(store: Store) -> str | None:
    with suppress(DiropsError):
        return MemoryPlace(store).read_header().snapshot
    return None


def assert_promises(store: Store, players: Iterable[Player]) -> None:
    """What holds at any moment: the target is one sealed snapshot, whole, of whoever may have it."""
    by_snapshot = {player.sealed.snapshot: player for player in players if player.sealed}
    current = current_of(store)
    if current is not None:
        maker = by_snapshot[current]
        # Work of earlier tries of the same run may be in it, which is what made it, too.
        assert seen_in(MemoryPlace(store)).keys() == maker.files.keys()
    winners = [player for player in players if player.answer == Won()]
    if winners:
        assert current is not None
    for player in players:
        if isinstance(player.answer, Lost):
            assert player.sealed
            assert player.sealed.snapshot != current
            assert player.sealed.snapshot not in {kept.manifest.snapshot for kept in MemoryPlace(store).list_kept()}


def assert_next_run_ends_well(store: Store, try_number: int, run: str = "after") -> None:
    """Whatever happened, the next run commits, and leaves nothing behind."""
    last = Player(attempt_of(run, try_number), store)
    while not last.is_over:
        last.go_on()
    assert last.answer == Won(), last.ended
    place = MemoryPlace(store)
    assert place.read_header() == last.sealed
    place.clean(Retention(keep_snapshots=0, keep_hours=0.0))
    assert not {name for name, area in store.areas.items() if not area.is_alive}


def orders(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All orders in which so many steps of each attempt can follow each other."""
    if sum(counts) == 0:
        yield ()
        return
    for who, left in enumerate(counts):
        if left:
            fewer = (*counts[:who], left - 1, *counts[who + 1 :])
            yield from ((who, *rest) for rest in orders(fewer))


FAULTS = [None, *((step, accident) for step in STEPS for accident in ACCIDENTS)]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("runs", [("one", "two"), ("same", "same")], ids="-".join)
def test_two_attempts_in_any_order_with_an_accident(runs: tuple[str, str], fault: tuple[str, str] | None) -> None:
    for order in orders((4, 4)):
        store = Store()
        players = [
            Player(attempt_of(run, number), store, Fault(*fault) if fault and number == 1 else None)  # type: ignore[arg-type]
            for number, run in enumerate(runs, start=1)
        ]
        for who in order:
            players[who].go_on()
            assert_promises(store, players)
        overlapped = {0, 1} <= set(order[:4])
        winners = [player for player in players if player.answer == Won()]
        if fault is None and overlapped and runs[0] != runs[1]:
            assert len(winners) >= 1, order
        assert_next_run_ends_well(store, 3)


def test_of_three_attempts_on_one_base_one_commits() -> None:
    for order in orders((2, 2, 2)):
        store = Store()
        players = [Player(attempt_of(run), store) for run in ("one", "two", "three")]
        for player in players:
            player.go_on()
            player.go_on()
        for who in order:
            players[who].go_on()
            assert_promises(store, players)
        assert sum(player.answer == Won() for player in players) == 1, order
        assert sum(isinstance(player.answer, Lost) for player in players) == 2, order


@pytest.mark.parametrize("fault", [Fault("stage", "killed before"), Fault("seal", "refused")], ids=str)
@pytest.mark.parametrize("number", [1, 2])
def test_a_retry_reuses_what_was_finished(fault: Fault, number: int) -> None:
    store = Store()
    first = Player(
        attempt_of("run", 1), store, Fault(fault.step, fault.accident, number if fault.step == "stage" else 1)
    )
    second = Player(attempt_of("run", 2), store)
    for player in (first, second):
        while not player.is_over:
            player.go_on()
    assert second.reused == (number - 1 if fault.step == "stage" else len(NAMES))
    assert second.answer == Won()
    assert not store.areas


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_power_cut_leaves_what_was_durable(durability: str) -> None:
    store = Store()
    driven = Driven.begin(MemoryPlace(store), attempt_of("run", 1))
    driven.staging = driven.claim.stage(durability)  # type: ignore[arg-type]
    driven.staging.stage(line_of("a"), iter([("a", b"run")]), BYTES)
    driven.staging.write(line_of("b"), iter([("b", b"half")]), BYTES)
    store.cut_power()
    retry = Player(attempt_of("run", 2), store)
    while not retry.is_over:
        retry.go_on()
    assert retry.reused == (1 if durability == "full" else 0)
    assert seen_in(MemoryPlace(store)) == {"a.bin": b"run", "b.bin": b"run"}


class AccidentMachine(RuleBasedStateMachine):
    """Any history of tries, accidents, readers, power cuts and cleanings."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.players: list[Player] = []
        self.tries: dict[str, int] = {}
        self.readers: list[tuple[MemoryHeld, dict[str, bytes]]] = []

    def _at_work(self) -> list[Player]:
        return [player for player in self.players if not player.is_over]

    @rule(
        run=st.sampled_from(["one", "two", "three"]),
        fault=st.none() | st.builds(Fault, st.sampled_from(STEPS), st.sampled_from(ACCIDENTS), st.integers(1, 2)),
        cleared=st.booleans(),
    )
    def begin(self, run: str, fault: Fault | None, cleared: bool) -> None:
        number = self.tries[run] = self.tries.get(run, 0) + 1
        attempt = attempt_of(run, number, first_try_number=number if cleared else 1)
        self.players.append(Player(attempt, self.store, fault))

    @precondition(lambda self: self._at_work())
    @rule(who=st.integers(0, 9), steps=st.integers(1, 4))
    def go_on(self, who: int, steps: int) -> None:
        at_work = self._at_work()
        player = at_work[who % len(at_work)]
        for _ in range(steps):
            player.go_on()

    @precondition(lambda self: self._at_work())
    @rule(who=st.integers(0, 9))
    def kill(self, who: int) -> None:
        at_work = self._at_work()
        at_work[who % len(at_work)].kill()

    @rule()
    def cut_power(self) -> None:
        for player in self._at_work():
            player.kill()
        self.store.cut_power()

    @precondition(lambda self: current_of(self.store))
    @rule()
    def read(self) -> None:
        held = MemoryPlace(self.store).hold()
        self.readers.append((held, dict(held.content.files)))

    @precondition(lambda self: self.readers)
    @rule()
    def close(self) -> None:
        self.readers.pop(0)[0].close()

    @rule(keep=st.integers(0, 2))
    def clean(self, keep: int) -> None:
        alive = {name for name, area in self.store.areas.items() if area.is_alive}
        cleaned = MemoryPlace(self.store).clean(Retention(keep_snapshots=keep, keep_hours=0.0))
        assert alive <= set(self.store.areas)
        assert not {held.manifest.snapshot for held, _ in self.readers} & set(cleaned.snapshots)

    @invariant()
    def the_promises_hold(self) -> None:
        assert_promises(self.store, self.players)

    @invariant()
    def readers_see_one_snapshot(self) -> None:
        for held, files in self.readers:
            assert held.content.files == files

    @invariant()
    def what_was_won_stays_until_it_is_replaced(self) -> None:
        there = {kept.manifest.snapshot for kept in MemoryPlace(self.store).list_kept()}
        newest = [player for player in self.players if player.answer == Won()]
        assert not newest or there

    def teardown(self) -> None:
        for player in self._at_work():
            player.kill()
        for held, _ in self.readers:
            held.close()
        assert_next_run_ends_well(self.store, 1)


TestAccidentMachine = AccidentMachine.TestCase
TestAccidentMachine.settings = settings(
    max_examples=50, derandomize=True, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
