"""Who may claim a target, and what a claim finds there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import AttemptSuperseded, TargetRefused
from airflow_dirops.core.format.runs import Attempt, LogicalRun
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, failed, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place
    from airflow_dirops.core.stage.policies import OnConflict


class ClaimTests(Promises):
    """Who may claim a target, and what a claim finds."""

    def test_a_fresh_place_has_nothing(self, place: Place) -> None:
        place.check([])
        expect(place.look(terms()) is None, "there is nothing that a claim would replace")
        expect(not place.list_kept(), "no snapshot is kept")
        expect(place.remains() == "", "nothing is left of anything")
        expect(place.newest_failed_try() is None, "no try has failed")
        expect(not place.is_tried(), "no try has begun")
        expect(not place.has_remains(), "nothing was ever here")

    def test_a_claim_knows_its_base(self, place: Place) -> None:
        first = Driven.begin(place)
        expect(first.claim.base is None and first.claim.hold_base() is None, "a first claim has no base")
        made = first.put({"a.bin": b"1"}).finish()
        second = Driven.begin(place, attempt_of("next"))
        base, held = second.claim.base, second.claim.hold_base()
        expect(base is not None and base.snapshot == made.snapshot, "the base is what is there")
        expect(held is not None and held.manifest.snapshot == made.snapshot, "the base can be held")
        if held:
            held.close()
        second.fail()

    def test_an_older_try_cannot_claim_after_a_newer_one(self, place: Place) -> None:
        old, new = attempt_of("run", 1), attempt_of("run", 2)
        newer = Driven.begin(place, new)
        with pytest.raises(AttemptSuperseded, match="try 2"):
            place.claim(old, terms())
        newer.fail()

    def test_a_run_that_was_deleted_and_made_again_can_claim(self, place: Place) -> None:
        committed(place, {"a.bin": b"1"}, attempt_of("run", 3))
        committed(place, {"a.bin": b"2"}, attempt_of("run", 1))
        expect(seen_in(place) == {"a.bin": b"2"}, "an older number with a newer id is another incarnation")

    def test_tries_are_counted_where_no_scheduler_counts(self, place: Place) -> None:
        numbers = []
        for _ in range(2):
            driven = Driven.begin(place, Attempt.outside_airflow("copy", "mine"))
            numbers.append(driven.claim.attempt.try_number)
            driven.fail()
        expect(numbers == [1, 2], f"tries of one run are numbered 1 and 2, and not {numbers}")

    def test_another_stages_target_is_refused(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"1"})
        for ask in (place.look, lambda on: place.claim(attempt_of("other"), on)):
            with pytest.raises(TargetRefused, match="'copy'"):
                ask(terms("other"))
        expect(place.read_header() == made, "a refused claim changes nothing")
        committed(place, {"a.bin": b"2"}, attempt_of("other"), terms("other", may_replace={"other_stage"}))
        expect(place.read_header().stage == "other", "a stage may take over what another one made, if told to")

    def test_what_another_site_made_is_refused(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"1"}, attempt_of("one"), terms(dimensions={"site": "Berlin", "press": "1"}))
        expect(made.dimensions == {"site": "Berlin", "press": "1"}, "the manifest says what the target is for")
        for ask in (place.look, lambda on: place.claim(attempt_of("other"), on)):
            with pytest.raises(TargetRefused, match=r"site='Berlin'.*site='berlin'"):
                ask(terms(dimensions={"site": "berlin", "press": "1"}, may_replace={"other_stage", "unmanaged"}))
        expect(place.read_header() == made, "a refused claim changes nothing")
        committed(place, {"a.bin": b"2"}, attempt_of("again"), terms(dimensions={"site": "Berlin", "camera": "left"}))
        expect(place.read_header().dimensions["camera"] == "left", "only a name that both have can contradict")

    @pytest.mark.parametrize("on_conflict", ["fail", "newest", "last"])
    def test_two_sites_at_once_do_not_replace_each_other(self, place: Place, on_conflict: OnConflict) -> None:
        one, other = (
            Driven.begin(place, attempt_of(site, order="1"), terms(dimensions={"site": site})).put({"a.bin": b"1"})
            for site in ("berlin", "hamburg")
        )
        made = one.finish()
        with pytest.raises(TargetRefused, match=r"site='berlin'.*site='hamburg'"):
            other.finish(on_conflict)
        expect(place.read_header() == made, "what one site committed stays")

    def test_a_trial_does_not_replace_a_full_snapshot(self, place: Place) -> None:
        committed(place, {"a.bin": b"trial"}, attempt_of("trial"), terms(limit=1))
        committed(place, {"a.bin": b"full"}, attempt_of("full"))
        with pytest.raises(TargetRefused, match="limit=1"):
            place.claim(attempt_of("again"), terms(limit=1))
        expect(seen_in(place) == {"a.bin": b"full"}, "a refused trial changes nothing")

    def test_what_no_stage_wrote_is_refused_and_kept(self, place: Place) -> None:
        self.put_foreign(place)
        with pytest.raises(TargetRefused, match="adopt"):
            place.claim(attempt_of(), terms())
        committed(place, {"a.bin": b"1"}, on=terms(may_replace={"unmanaged"}))
        expect(len(place.clean(KEEP_NONE).unmanaged) == 1, "what nobody here wrote stays, whatever retention says")

    def test_instances_of_one_mapped_task_do_not_replace_each_other(self, place: Place) -> None:
        first, second = (Attempt(run=LogicalRun("dag", "run", "task", number)) for number in (0, 1))
        committed(place, {"a.bin": b"0"}, first)
        with pytest.raises(TargetRefused, match="instance 0"):
            place.claim(second, terms())
        expect(seen_in(place) == {"a.bin": b"0"}, "a refused instance changes nothing")

    def test_a_claim_that_came_to_nothing_leaves_nothing(self, place: Place) -> None:
        with place.claim(attempt_of("skipped"), terms()):
            expect(place.has_remains(), "somebody is at work")
        expect(not place.has_remains(), "who had nothing to publish has left nothing")
        committed(place, {"a.bin": b"1"})
        expect(place.has_remains(), "a snapshot was committed")

    def test_a_cleared_task_makes_everything_anew(self, place: Place) -> None:
        committed(place, {"a.bin": b"1"}, attempt_of("run", 1))
        retried = Driven.begin(place, attempt_of("run", 2))
        expect(retried.claim.committed_before and not retried.claim.full, "a retry sees that its run has committed")
        retried.fail()
        cleared = Driven.begin(place, attempt_of("run", 3, first_try_number=3))
        expect(cleared.claim.full and not cleared.claim.committed_before, "a cleared task makes everything anew")
        cleared.fail()

    def test_the_newest_failed_try_is_told(self, place: Place) -> None:
        driven = Driven.begin(place)
        driven.staging.note(failed("bad"))
        driven.fail()
        expect(place.is_tried(), "a try has begun that is not committed")
        expect(place.has_remains(), "a try that failed is left")
        found = place.newest_failed_try()
        names = [one.path for one in found.inputs] if found else []
        expect(names == ["bad"], f"the try that failed is told with its inputs, not with {names}")
        expect(bool(place.remains()), "what is left of it is said")
        expect(place.newest_failed_try(newer_than=driven.claim.attempt.id) is None, "older tries do not count")
