"""A sealed snapshot that is held: nobody sees it, nothing removes it, and one decision ends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from airflow_dirops.core.errors import NotHeld, TargetConflict
from airflow_dirops.core.format.control import Rejection
from airflow_dirops.core.place.claim import Lost, Won
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, content_of, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.format.manifest import Manifest
    from airflow_dirops.core.place.claim import Committed
    from airflow_dirops.core.place.place import Place

_AN_HOUR = 3600.0


class HoldTests(Promises):
    """Hold, publish, reject."""

    def test_what_is_held_is_seen_by_who_decides_and_by_nobody_else(self, place: Place) -> None:
        before = committed(place, {"a.bin": b"old"}, attempt_of("old"))
        made = _hold(place, {"a.bin": b"new"})
        expect(place.read_header() == before and seen_in(place) == {"a.bin": b"old"}, "the target is as it was")
        (held,) = place.list_held()
        expect(held.manifest == made and not held.is_current, f"it is listed: {held}")
        expect(held.until > time.time(), "with the end of its time")
        expect(content_of(held.hold()) == {"a.bin": b"new"}, "who decides can look at it")

    def test_what_is_held_outlives_cleaning_and_other_runs_until_it_is_published(self, place: Place) -> None:
        made = _hold(place, {"a.bin": b"new", "b.bin": b"too"})
        place.clean(KEEP_NONE)
        Driven.begin(place, attempt_of("another")).put({"c.bin": b"c"}).fail()
        place.clean(KEEP_NONE)
        expect([each.manifest for each in place.list_held()] == [made], "it is still held")
        expect(_publish(place, made) == Won(), "it is published")
        expect(seen_in(place) == {"a.bin": b"new", "b.bin": b"too"}, "all of it is seen")
        expect(place.list_held() == [], "and nothing is held any more")

    def test_what_was_replaced_by_publishing_is_kept(self, place: Place) -> None:
        before = committed(place, {"a.bin": b"old"}, attempt_of("old"))
        made = _hold(place, {"a.bin": b"new"})
        _publish(place, made)
        expect(content_of(place.hold(before.snapshot)) == {"a.bin": b"old"}, "the snapshot before is kept")

    def test_one_whose_base_was_replaced_is_not_published(self, place: Place) -> None:
        made = _hold(place, {"a.bin": b"held"})
        newer = committed(place, {"a.bin": b"newer"}, attempt_of("newer"))
        answer = _publish(place, made)
        expect(isinstance(answer, Lost) and isinstance(answer.error, TargetConflict), f"it is refused: {answer}")
        expect(place.read_header() == newer, "the target is as it was")
        expect([each.manifest.snapshot for each in place.list_held()] == [made.snapshot], "it is held as before")

    def test_one_that_lost_a_conflict_is_not_held(self, place: Place) -> None:
        late = Driven.begin(place, attempt_of("late")).put({"a.bin": b"late"})
        committed(place, {"a.bin": b"early"}, attempt_of("early"))
        sealed = late.seal()
        late.close_staging()
        answer = late.claim.hold_back(sealed, time.time() + _AN_HOUR)
        late.fail()
        expect(isinstance(answer, Lost) and place.list_held() == [], f"nobody can publish it: {answer}")

    def test_what_was_rejected_is_gone_and_its_files_are_taken_over(self, place: Place) -> None:
        made = _hold(place, {"a.bin": b"new"})
        place.reject(_rejection(made))
        expect(place.list_held() == [], "it is not held any more")
        expect([each.snapshot for each in place.rejections()] == [made.snapshot], "the decision is remembered")
        with pytest.raises(NotHeld):
            place.reject(_rejection(made))
        driven = Driven.begin(place, attempt_of("again"))
        (left,) = driven.claim.dead
        (line,) = left.finished()
        expect(driven.staging.reuse(line, left), "what it had finished stands for the work of the next one")
        driven.finish()
        expect(seen_in(place) == {"a.bin": b"new"}, "which commits it")

    def test_files_of_a_held_snapshot_can_be_reused_and_stay(self, place: Place) -> None:
        made = _hold(place, {"a.bin": b"new"})
        driven = Driven.begin(place, attempt_of("another"))
        for left in driven.claim.dead:
            for line in left.finished():
                expect(driven.staging.reuse(line, left), "they can be reused")
        driven.finish()
        (held,) = place.list_held()
        expect(content_of(held.hold()) == {"a.bin": b"new"}, f"{made.snapshot} is whole")

    def test_what_has_run_out_of_time_goes(self, place: Place) -> None:
        made = _hold(place, {"a.bin": b"new"}, hours=-2)
        place.clean(KEEP_NONE)
        expect(place.list_held() == [], "it is removed")
        driven = Driven.begin(place, attempt_of("publish"), terms(fingerprint=None))
        with pytest.raises(NotHeld, match=made.snapshot):
            driven.claim.publish(made)
        driven.fail()


def _hold(place: Place, files: dict[str, bytes], hours: float = 1) -> Manifest:
    driven = Driven.begin(place, attempt_of("held")).put(files)
    sealed = driven.seal()
    driven.close_staging()
    expect(content_of(driven.claim.hold_sealed()) == files, "a check sees what was sealed")
    expect(driven.claim.hold_back(sealed, time.time() + hours * _AN_HOUR) == Won(), "it is held")
    driven.claim.__exit__(None, None, None)
    return sealed


def _publish(place: Place, made: Manifest) -> Committed:
    header = msgspec.structs.replace(made, created="2026-11-27T12:00:00.000+00:00")
    with place.claim(attempt_of("publish"), terms(fingerprint=None)) as claim:
        answer = claim.publish(header)
    if answer == Won():
        expect(place.read_header() == header, "the header is the new one")
    return answer


def _rejection(made: Manifest) -> Rejection:
    return Rejection(
        snapshot=made.snapshot,
        stage=made.stage,
        created=made.created,
        rejected=made.created,
        user="somebody",
        host="here",
        reason="too dark",
    )
