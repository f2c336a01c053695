"""What somebody has let a stage replace, once, though it is not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import ArgumentRefused, TargetRefused
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place


class AdoptionTests(Promises):
    """A permission: for one stage, for what is there, for one commit."""

    def test_another_stages_snapshot_is_replaced_once(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"copy"}, attempt_of("copy"))
        expect(place.adoption() is None, "nobody has given it")
        given = place.adopt("other")
        expect((given.stage, given.snapshot) == ("other", made.snapshot), f"it says what it is for: {given}")
        expect(place.adoption() == given, "it is told")
        with pytest.raises(TargetRefused):
            place.claim(attempt_of("third"), terms("third"))
        held = place.look(terms("other"))
        expect(held is not None, "a dry run sees it")
        if held:
            held.close()
        committed(place, {"a.bin": b"other"}, attempt_of("other"), terms("other"))
        expect(place.adoption() is None, "the commit uses it up")
        with pytest.raises(TargetRefused):
            place.claim(attempt_of("again"), terms("copy"))
        expect(seen_in(place) == {"a.bin": b"other"}, "nothing else was let through")

    def test_what_no_stage_wrote_is_moved_aside_once(self, place: Place) -> None:
        self.put_foreign(place)
        place.adopt(None)
        committed(place, {"a.bin": b"1"})
        expect(place.adoption() is None, "the commit uses it up")
        expect(len(place.clean(KEEP_NONE).unmanaged) == 1, "what was there is kept")

    def test_there_must_be_something_in_the_way(self, place: Place) -> None:
        with pytest.raises(ArgumentRefused):
            place.adopt("copy")
        committed(place, {"a.bin": b"1"})
        with pytest.raises(ArgumentRefused):
            place.adopt("copy")
        expect(place.adoption() is None, "nothing was written")

    def test_it_is_for_the_snapshot_that_was_there(self, place: Place) -> None:
        committed(place, {"a.bin": b"1"}, attempt_of("first"))
        at_work = Driven.begin(place, attempt_of("second")).put({"a.bin": b"2"})
        place.adopt("other")
        at_work.finish()
        expect(place.adoption() is None, "it is outlived")
        with pytest.raises(TargetRefused):
            place.claim(attempt_of("other"), terms("other"))
        expect(seen_in(place) == {"a.bin": b"2"}, "an old permission lets nothing through")

    def test_it_is_for_the_directory_as_it_was(self, place: Place) -> None:
        self.put_foreign(place)
        place.adopt("copy")
        self.change_foreign(place)
        expect(place.adoption() is None, "it is outlived")
        with pytest.raises(TargetRefused, match="changed since"):
            place.claim(attempt_of(), terms())
        place.adopt("copy")
        committed(place, {"a.bin": b"1"})
        expect(seen_in(place) == {"a.bin": b"1"}, "a new one holds")

    def test_an_attempt_that_fails_keeps_it(self, place: Place) -> None:
        committed(place, {"a.bin": b"copy"}, attempt_of("copy"))
        place.adopt("other")
        Driven.begin(place, attempt_of("other"), terms("other")).put({"a.bin": b"other"}).fail()
        expect(place.adoption() is not None, "it was not used")

    def test_who_goes_on_with_a_claim_uses_it_up(self, place: Place) -> None:
        self.put_foreign(place)
        place.adopt("copy")
        first = Driven.begin(place).put({"a.bin": b"1"})
        first.leave()
        expect(place.adoption() is not None, "not before the commit")
        Driven.resume(place, first).take_others(first.claim.area).finish()
        expect(place.adoption() is None, "the commit uses it up")
        expect(len(place.clean(KEEP_NONE).unmanaged) == 1, "what was there is kept")
