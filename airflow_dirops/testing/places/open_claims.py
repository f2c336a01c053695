"""A claim that outlives its process: who may go on with it, until when, and who commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import (
    ArgumentRefused,
    AttemptSuperseded,
    ManifestMissing,
    SnapshotExpired,
    TargetRefused,
)
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.claim import Lost, Won
from airflow_dirops.core.rules.ownership import OPEN_SECONDS
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place


class OpenClaimTests(Promises):
    """What becomes of a claim that its process has left open."""

    def test_another_process_goes_on_and_commits_what_both_wrote(self, place: Place) -> None:
        committed(place, {"a.bin": b"old"}, attempt_of("old"))
        first = Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"})
        first.leave()
        expect(seen_in(place) == {"a.bin": b"old"}, "nothing is seen of a claim that is left open")
        second = Driven.resume(place, first)
        expect(second.claim.attempt == first.claim.attempt, "it is the same attempt")
        expect(second.claim.base == first.claim.base, "on the same base")
        expect(second.claim.area != first.claim.area, "in a staging area of its own")
        second.take_others(first.claim.area).put({"b.bin": b"2"}).finish()
        expect(seen_in(place) == {"a.bin": b"1", "b.bin": b"2"}, "what both wrote is committed")
        expect(place.clean(KEEP_NONE).orphans == [], "nothing of either is left behind")

    def test_several_work_at_once_under_one_claim(self, place: Place) -> None:
        first = Driven.begin(place)
        first.leave()
        shards = [Driven.resume(place, first) for _ in range(3)]
        for number, shard in enumerate(shards):
            shard.put({"same.bin": b"a try", f"{number}.bin": b"%d" % number})
            shard.leave()
        last = Driven.resume(place, first)
        ids = [other.id for other in last.claim.others]
        expect(ids == [first.claim.area, *(one.claim.area for one in shards)], f"all of them are told: {ids}")
        last.take_others(shards[0].claim.area).put({"last.bin": b"x"}).finish()
        wanted = {"same.bin": b"a try", "0.bin": b"0", "last.bin": b"x"}
        expect(seen_in(place) == wanted, "what nobody takes does not exist")

    def test_what_is_finished_can_be_taken_while_its_process_is_at_work(self, place: Place) -> None:
        first = Driven.begin(place)
        first.leave()
        busy = Driven.resume(place, first).put({"a.bin": b"1"})
        busy.staging.drain()
        Driven.resume(place, first).take_others(busy.claim.area).finish()
        expect(seen_in(place) == {"a.bin": b"1"}, "an input is finished once it is journaled")
        busy.fail()

    def test_only_a_claim_that_was_left_open_is_gone_on_with(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        with pytest.raises(AttemptSuperseded):
            Driven.resume(place, driven)
        driven.fail()
        with pytest.raises(AttemptSuperseded):
            Driven.resume(place, driven)
        for attempt in (new_id(), first_id(place)):
            with pytest.raises(AttemptSuperseded):
                place.resume(attempt, terms())
        for attempt in ("../x", "", "x" * 5000, "a\0b", f"{driven.claim.attempt.id}-2"):
            with pytest.raises(ArgumentRefused):
                place.resume(attempt, terms())

    def test_it_is_for_the_same_stage_and_code(self, place: Place) -> None:
        first = Driven.begin(place).put({"a.bin": b"1"})
        first.leave()
        for other in (terms("other"), terms(fingerprint="1" * 64), terms(fingerprint=None)):
            with pytest.raises(TargetRefused):
                place.resume(first.claim.attempt.id, other)
        Driven.resume(place, first).fail()

    def test_it_is_nobody_elses_until_its_run_begins_anew(self, place: Place) -> None:
        first = Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1"})
        first.leave()
        cleaned = place.clean(KEEP_NONE)
        expect(cleaned.orphans == [] and len(cleaned.left) == 1, f"it is left, and named: {cleaned}")
        other = Driven.begin(place, attempt_of("other"))
        expect(not other.claim.dead, "what it has finished is not offered to another run")
        other.fail()
        second = Driven.begin(place, attempt_of("run", 2))
        expect([dead.id for dead in second.claim.dead] == [first.claim.area], "to its own run's next try it is")
        second.fail()

    def test_a_newer_try_ends_it(self, place: Place) -> None:
        first = Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1"})
        first.leave()
        old = Driven.resume(place, first).take_others(first.claim.area)
        newer = Driven.begin(place, attempt_of("run", 2)).put({"a.bin": b"2"})
        with pytest.raises(AttemptSuperseded, match="try 2"):
            Driven.resume(place, first)
        with pytest.raises(AttemptSuperseded, match="try 2"):
            old.claim.leave_open()
        lost = old.commit("last")
        expect(isinstance(lost, Lost) and isinstance(lost.error, AttemptSuperseded), f"the older one loses: {lost}")
        old.fail()
        newer.finish()
        expect(seen_in(place) == {"a.bin": b"2"}, "the newer one commits")

    def test_of_several_processes_one_commits(self, place: Place) -> None:
        planner = Driven.begin(place).put({"a.bin": b"planner"})
        planner.claim.leave_open()
        Driven.resume(place, planner).put({"a.bin": b"other"}).finish()
        with pytest.raises(AttemptSuperseded):
            Driven.resume(place, planner)
        with pytest.raises(AttemptSuperseded, match="has committed"):
            planner.claim.leave_open()
        sight = seen_in(place)
        planner.fail()
        expect(sight == seen_in(place) == {"a.bin": b"other"}, "what was committed stands")

    @pytest.mark.parametrize("since", ["", "replaced", "removed", "removed, replaced"])
    def test_a_process_that_wakes_late_does_not_commit_again(self, place: Place, since: str) -> None:
        committed(place, {"a.bin": b"old"}, attempt_of("old"))
        planner = Driven.begin(place).put({"a.bin": b"planner"})
        sealed = planner.seal()
        planner.claim.leave_open()
        successor = Driven.resume(place, planner).put({"a.bin": b"other"})
        expect(successor.commit() == Won(), "who goes on commits")
        successor.close_staging()
        if "removed" in since:
            self.remove(place)
        if "replaced" in since:
            committed(place, {"a.bin": b"third"}, attempt_of("third"))
        lost = planner.claim.commit(sealed, "last")
        expect(isinstance(lost, Lost) and isinstance(lost.error, AttemptSuperseded), f"the late one loses: {lost}")
        with pytest.raises(AttemptSuperseded):
            Driven.resume(place, planner)
        planner.fail()
        successor.claim.__exit__(None, None, None)
        if since == "removed":
            with pytest.raises(ManifestMissing):
                place.read_header()
        else:
            expect(seen_in(place) == {"a.bin": b"third" if since else b"other"}, "what is there stays")

    def test_a_target_that_was_removed_before_the_commit_is_no_hindrance(self, place: Place) -> None:
        committed(place, {"a.bin": b"old"}, attempt_of("old"))
        planner = Driven.begin(place).put({"a.bin": b"1"})
        planner.leave()
        self.remove(place)
        with pytest.raises(SnapshotExpired, match="from its beginning"):
            Driven.resume(place, planner)
        committed(place, {"a.bin": b"2"}, attempt_of(try_number=2))
        expect(seen_in(place) == {"a.bin": b"2"}, "the advice works")

    def test_a_process_that_fails_leaves_it_open(self, place: Place) -> None:
        first = Driven.begin(place).put({"a.bin": b"1"})
        first.leave()
        failing = Driven.resume(place, first).put({"b.bin": b"2"})
        failing.fail()
        expect(place.clean(KEEP_NONE).orphans == [], "the others may go on")
        last = Driven.resume(place, first).take_others(first.claim.area, failing.claim.area)
        last.finish()
        expect(seen_in(place) == {"a.bin": b"1", "b.bin": b"2"}, "what it had finished is there for them")

    def test_its_base_is_kept(self, place: Place) -> None:
        base = committed(place, {"a.bin": b"base"}, attempt_of("base"))
        first = Driven.begin(place, attempt_of("run", 1))
        first.leave()
        committed(place, {"a.bin": b"other"}, attempt_of("other"))
        expect(place.clean(KEEP_NONE).snapshots == [], "a claim that is left open may build on it still")
        second = Driven.resume(place, first).put({"a.bin": b"1"})
        expect(second.claim.base == base, "it is the base of who goes on")
        expect(second.commit("last") == Won(), "and is replaced on request")
        second.claim.__exit__(None, None, None)
        expect(base.snapshot in place.clean(KEEP_NONE).snapshots, "then it goes")

    def test_its_base_is_kept_for_as_long_as_somebody_works_on_it(self, place: Place) -> None:
        base = committed(place, {"a.bin": b"base"}, attempt_of("base"))
        first = Driven.begin(place, attempt_of("run"))
        first.leave()
        at_work = Driven.resume(place, first).put({"a.bin": b"1"})
        committed(place, {"a.bin": b"other"}, attempt_of("other"))
        self.let_pass(place, OPEN_SECONDS * 2)
        expect(place.clean(KEEP_NONE).snapshots == [], "a process of it is at work, however long it takes")
        Driven.resume(place, first).fail()
        at_work.fail()
        self.let_pass(place, OPEN_SECONDS * 2)
        expect(place.clean(KEEP_NONE).snapshots == [base.snapshot], "then it goes")

    def test_a_claim_that_nobody_works_on_is_given_up(self, place: Place) -> None:
        first = Driven.begin(place).put({"a.bin": b"1"})
        first.leave()
        self.let_pass(place, OPEN_SECONDS / 2)
        expect(place.clean(KEEP_NONE).orphans == [], "not before a week is over")
        self.let_pass(place, OPEN_SECONDS)
        with pytest.raises(AttemptSuperseded, match="for a week"):
            Driven.resume(place, first)
        expect(place.clean(KEEP_NONE).orphans == [first.claim.attempt.id], "then it goes")


def first_id(place: Place) -> str:
    """The id of an attempt that has committed, and left nothing."""
    return committed(place, {"x.bin": b"x"}, attempt_of("gone")).attempt.id
