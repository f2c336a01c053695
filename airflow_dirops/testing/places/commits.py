"""Who wins, who loses and to whom; and that a commit is whole, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import AttemptSuperseded, TargetConflict
from airflow_dirops.core.place.claim import Lost, Won
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place
    from airflow_dirops.core.stage.policies import OnConflict


class CommitTests(Promises):
    """Who commits, and that nobody sees half a commit."""

    def test_nothing_is_seen_before_the_commit(self, place: Place) -> None:
        committed(place, {"a.bin": b"old"}, attempt_of("old"))
        driven = Driven.begin(place).put({"a.bin": b"new"})
        expect(seen_in(place) == {"a.bin": b"old"}, "what is staged is not seen")
        sealed = driven.seal()
        expect(seen_in(place) == {"a.bin": b"old"}, "what is sealed is not seen")
        driven.close_staging()
        expect(driven.claim.commit(sealed) == Won(), "it wins")
        expect(seen_in(place) == {"a.bin": b"new"}, "all of it is seen")
        expect(place.read_header() == sealed, "the header is the one that was sealed")
        driven.claim.__exit__(None, None, None)

    def test_a_failed_attempt_changes_nothing(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"old"}, attempt_of("old"))
        driven = Driven.begin(place).put({"a.bin": b"new"})
        driven.seal()
        driven.fail()
        expect(place.read_header() == made and seen_in(place) == {"a.bin": b"old"}, "the target is what it was")

    def test_of_two_attempts_on_one_base_one_commits(self, place: Place) -> None:
        committed(place, {"a.bin": b"base"}, attempt_of("base"))
        first = Driven.begin(place, attempt_of("one")).put({"a.bin": b"1"})
        second = Driven.begin(place, attempt_of("two")).put({"a.bin": b"2"})
        won = second.finish()
        lost = first.commit()
        first.fail()
        expect(isinstance(lost, Lost) and isinstance(lost.error, TargetConflict), f"the other one loses: {lost}")
        said = str(lost.error) if isinstance(lost, Lost) else ""
        expect(won.snapshot in said and "'two'" in said, f"it is told to whom: {said}")
        expect(seen_in(place) == {"a.bin": b"2"}, "who lost changes nothing")

    def test_of_two_first_attempts_one_commits(self, place: Place) -> None:
        drivens = [Driven.begin(place, attempt_of(run)).put({"a.bin": run.encode()}) for run in ("one", "two")]
        answers = [driven.commit() for driven in drivens]
        for driven in drivens:
            driven.fail()
        expect(answers[0] == Won() and isinstance(answers[1], Lost), f"one wins: {answers}")
        expect(seen_in(place) == {"a.bin": b"one"}, "it is the one that was told so")

    def test_a_zombie_does_not_commit(self, place: Place) -> None:
        zombie = Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1"})
        newer = Driven.begin(place, attempt_of("run", 2)).put({"a.bin": b"2"})
        lost = zombie.commit("last")
        zombie.fail()
        expect(isinstance(lost, Lost) and isinstance(lost.error, AttemptSuperseded), f"the older try loses: {lost}")
        expect("try 2" in (str(lost.error) if isinstance(lost, Lost) else ""), "it is told to whom")
        newer.finish()
        expect(seen_in(place) == {"a.bin": b"2"}, "the newer one commits")

    @pytest.mark.parametrize(
        ("on_conflict", "orders", "wins"),
        [("last", ("", ""), True), ("newest", ("2", "1"), True), ("newest", ("1", "2"), False)],
    )
    def test_a_conflict_is_decided_as_was_asked(
        self, place: Place, on_conflict: OnConflict, orders: tuple[str, str], wins: bool
    ) -> None:
        late = Driven.begin(place, attempt_of("late", order=orders[0])).put({"a.bin": b"late"})
        committed(place, {"a.bin": b"early"}, attempt_of("early", order=orders[1]))
        answer = late.commit(on_conflict)
        late.fail()
        expect((answer == Won()) is wins, f"on_conflict={on_conflict!r} over times {orders}: {answer}")
        expect(seen_in(place) == {"a.bin": b"late" if wins else b"early"}, "what is there is what the answer says")

    def test_a_trial_never_wins_over_a_full_snapshot(self, place: Place) -> None:
        trial = Driven.begin(place, attempt_of("trial"), terms(limit=1)).put({"a.bin": b"trial"})
        committed(place, {"a.bin": b"full"}, attempt_of("full"))
        expect(isinstance(trial.commit("last"), Lost), "not even the last one")
        trial.fail()
        expect(seen_in(place) == {"a.bin": b"full"}, "the full one stays")

    def test_a_live_attempt_outlives_a_cleaning(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        cleaned = place.clean(KEEP_NONE)
        expect(cleaned.orphans == [] and len(cleaned.left) == 1, f"a live attempt is left, and named: {cleaned}")
        driven.finish()
        expect(seen_in(place) == {"a.bin": b"1"}, "it commits all the same")

    def test_a_permission_to_remove_is_for_one_snapshot(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"1"}, attempt_of("one"))
        expect(not place.permits_removal(made.snapshot), "nobody has given it")
        place.accept_removal(made.snapshot)
        expect(place.permits_removal(made.snapshot), "it was given")
        next_one = committed(place, {"a.bin": b"2"}, attempt_of("two"))
        Driven.begin(place, attempt_of("three")).fail()
        expect(not place.permits_removal(made.snapshot), "a claim forgets one that a commit has outlived")
        place.accept_removal(next_one.snapshot)
        place.forget_accepted_removal()
        expect(not place.permits_removal(next_one.snapshot), "it can be forgotten")
