"""What a staging area takes, what it refuses, and what it is sealed as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import EncodeError, KeyRefused, KeyTaken, StagingChanged
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.lists import LISTS, QUARANTINE
from airflow_dirops.core.snapshot.contents import iter_list
from airflow_dirops.testing.places.driving import (
    BYTES,
    KEEP_NONE,
    Driven,
    attempt_of,
    committed,
    failed,
    line_of,
    lines_of,
    seen_in,
    terms,
)
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.claim import Terms
    from airflow_dirops.core.place.place import Place


class StagingTests(Promises):
    """What is written before anybody sees it."""

    @pytest.mark.parametrize("count", [0, 1, 1000])
    def test_any_number_of_entries(self, place: Place, count: int) -> None:
        files = {f"d{number % 7}/{number:04}.bin": b"%d" % number for number in range(count)}
        made = committed(place, files)
        expect(seen_in(place) == files, f"{count} entries are there as they were staged")
        sizes = made.counts.entries, made.bytes
        expect(sizes == (count, sum(map(len, files.values()))), f"the header counts them, and says {sizes}")

    def test_the_lists_are_as_the_header_says(self, place: Place) -> None:
        driven = Driven.begin(place).put({"b.bin": b"2", "a.bin": b"1"})
        driven.staging.note(failed("bad"))
        driven.staging.note(JournalLine(Input("none", 1, mtime_ns=1), "skipped"))
        driven.finish()
        held = place.hold()
        lengths = {name: len(list(iter_list(held, name))) for name in LISTS}
        bad = [(line.path, line.error) for line in iter_list(held, QUARANTINE)]
        held.close()
        expect(lengths["files.jsonl"] == 2, f"each list has its digest, its order and its length, not {lengths}")
        expect(bad == [("bad", "ValueError")], f"what failed is in the quarantine, and not {bad}")

    @pytest.mark.parametrize("key", ["../out", "/abs", "", "a/../b", "_dirops/x", "a/.dirops/b", "x" * 300, "nul\0"])
    def test_a_name_that_leads_out_is_refused(self, place: Place, key: str) -> None:
        driven = Driven.begin(place).put({"good.bin": b"1"})
        with pytest.raises(KeyRefused):
            driven.staging.stage(line_of("in"), iter([("fine", b"0"), (key, b"1")]), BYTES)
        sealed = driven.seal()
        driven.fail()
        expect(sealed.counts.entries == 1, "of an input that was refused nothing stays")

    def test_a_name_is_given_once(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        with pytest.raises(KeyTaken):
            driven.staging.stage(line_of("in"), iter([("a", b"2")]), BYTES)
        driven.finish()
        expect(seen_in(place) == {"a.bin": b"1"}, "the first one stays")

    def test_a_file_is_no_folder(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        with pytest.raises(KeyRefused):
            driven.staging.stage(line_of("in"), iter([("a.bin/b", b"2")]), BYTES)
        driven.fail()

    def test_a_value_that_cannot_be_written_is_named(self, place: Place) -> None:
        driven = Driven.begin(place)
        with pytest.raises(EncodeError, match="'odd'"):
            driven.staging.stage(line_of("in"), iter([("odd", object())]), BYTES)
        driven.finish()
        expect(seen_in(place) == {}, "nothing stays of it")

    def test_what_a_worker_wrote_is_finished_once_it_is_accepted(self, place: Place) -> None:
        driven = Driven.begin(place)
        written = driven.staging.write(line_of("a"), iter([("a", b"1")]), BYTES)
        driven.staging.write(line_of("b"), iter([("b", b"half")]), BYTES)
        expect(list(driven.staging.finished()) == [], "what nobody accepted is not finished")
        driven.staging.accept(written)
        driven.staging.drop_unlisted()
        driven.finish()
        expect(seen_in(place) == {"a.bin": b"1"}, "what nobody accepted is dropped")

    def test_every_planned_input_has_its_line(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        with pytest.raises(StagingChanged, match="2 were planned"):
            driven.seal(planned=2)
        driven.fail()

    def test_a_base_is_kept_from(self, place: Place) -> None:
        committed(place, {"a.bin": b"1", "b.bin": b"2"})
        driven = Driven.begin(place, attempt_of("next"))
        held = driven.claim.hold_base()
        if held is None:
            pytest.fail("broken promise: the base can be held")
        for line in lines_of(held):
            if line.input.path == "a.bin":
                driven.staging.keep(line, held)
        held.close()
        driven.put({"c.bin": b"3"}).finish()
        expect(seen_in(place) == {"a.bin": b"1", "c.bin": b"3"}, "what was kept is there with what is new")

    def test_what_a_dead_attempt_finished_is_reused(self, place: Place) -> None:
        Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1", "b.bin": b"2"}).fail()
        driven = Driven.begin(place, attempt_of("run", 2))
        finished = [(dead, line) for dead in driven.claim.dead for line in dead.finished()]
        expect(len(finished) == 2, f"what it finished is offered: {len(finished)} of 2 inputs are")
        expect(all(driven.staging.reuse(line, dead) for dead, line in finished), "unchanged files can be reused")
        driven.put({"c.bin": b"3"}).finish()
        expect(seen_in(place) == {"a.bin": b"1", "b.bin": b"2", "c.bin": b"3"}, "all of it is there")
        expect(place.clean(KEEP_NONE).orphans == [], "a commit leaves no orphan behind")

    @pytest.mark.parametrize("on", [terms(fingerprint="1" * 64), terms(fingerprint=None), terms(full=True)])
    def test_what_other_code_finished_is_not_offered(self, place: Place, on: Terms) -> None:
        Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1"}).fail()
        driven = Driven.begin(place, attempt_of("run", 2), on)
        expect(not driven.claim.dead, "finished files stand only for work of the same code, and not if all is redone")
        driven.fail()

    def test_a_finished_file_that_changed_is_not_reused(self, place: Place) -> None:
        first = Driven.begin(place, attempt_of("run", 1)).put({"a.bin": b"1"})
        first.staging.drain()
        self.overwrite_staged(first.staging, "a.bin", b"other")
        first.fail()
        driven = Driven.begin(place, attempt_of("run", 2))
        taken = [driven.staging.reuse(line, dead) for dead in driven.claim.dead for line in dead.finished()]
        driven.fail()
        expect(not any(taken), "the input runs again")

    @pytest.mark.parametrize(("path", "content"), [("a.bin", None), ("a.bin", b"other"), ("stray", b"x")])
    def test_a_changed_staging_area_is_not_sealed(self, place: Place, path: str, content: bytes | None) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        driven.staging.drain()
        self.overwrite_staged(driven.staging, path, content)
        with pytest.raises(StagingChanged):
            driven.seal()
        driven.fail()

    def test_a_damaged_journal_is_not_sealed(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1", "b.bin": b"2"})
        driven.staging.drain()
        self.damage_journal(driven.staging)
        with pytest.raises(StagingChanged):
            driven.seal(planned=2)
        driven.fail()
