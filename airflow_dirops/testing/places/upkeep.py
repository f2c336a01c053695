"""What is kept, for how long, and how it is brought back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest

from airflow_dirops.core.errors import SnapshotDamaged
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.claim import Won
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.testing.places.driving import KEEP_NONE, Driven, attempt_of, committed, content_of, seen_in, terms
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.format.entries import Entry
    from airflow_dirops.core.format.manifest import Manifest
    from airflow_dirops.core.place.held import Held
    from airflow_dirops.core.place.place import Place


class UpkeepTests(Promises):
    """What happens to snapshots that were replaced."""

    def test_what_was_replaced_is_kept(self, place: Place) -> None:
        made = [committed(place, {"a.bin": b"%d" % number}, attempt_of(f"{number}")) for number in range(3)]
        kept = place.list_kept()
        ids = [one.manifest.snapshot for one in kept]
        expect(ids == [one.snapshot for one in reversed(made)], "the current one is first, then the latest retired")
        expect([one.is_current for one in kept] == [True, False, False], "one of them is current")
        expect([content_of(one.hold()) for one in kept][1:] == [{"a.bin": b"1"}, {"a.bin": b"0"}], "each can be read")

    @pytest.mark.parametrize(("keep", "hours", "left"), [(0, 0.0, 1), (1, 0.0, 2), (0, 24.0, 3), (5, 0.0, 3)])
    def test_retention_keeps_both_bounds(self, place: Place, keep: int, hours: float, left: int) -> None:
        for number in range(3):
            committed(place, {"a.bin": b"%d" % number}, attempt_of(f"{number}"))
        removed = place.clean(Retention(keep_snapshots=keep, keep_hours=hours)).snapshots
        expect(len(place.list_kept()) == left and len(removed) == 3 - left, f"{left} stay, {removed} went")
        expect(seen_in(place) == {"a.bin": b"2"}, "the current one is never removed")

    def test_a_claim_retires_what_has_expired(self, place: Place) -> None:
        for number in range(2):
            committed(place, {"a.bin": b"%d" % number}, attempt_of(f"{number}"))
        driven = Driven.begin(place, attempt_of("last")).put({"a.bin": b"2"})
        expect(driven.commit() == Won(), "it wins")
        driven.claim.retire(Retention(keep_snapshots=1, keep_hours=0.0))
        driven.claim.__exit__(None, None, None)
        expect(
            [content_of(one.hold()) for one in place.list_kept()] == [{"a.bin": b"2"}, {"a.bin": b"1"}], "one is kept"
        )

    def test_orphans_are_cleaned(self, place: Place) -> None:
        driven = Driven.begin(place).put({"a.bin": b"1"})
        driven.fail()
        expect(place.clean(KEEP_NONE).orphans == [driven.claim.attempt.id], "what a dead attempt left is removed")
        expect(place.clean(KEEP_NONE).orphans == [], "once")

    def test_an_earlier_snapshot_is_brought_back(self, place: Place) -> None:
        old = committed(place, {"a.bin": b"1", "d/b.bin": b"2"}, attempt_of("first"))
        committed(place, {"a.bin": b"3"}, attempt_of("second"))
        place.finish_what_crashed("rollback")
        back = _restored(place, place.hold(old.snapshot))
        expect(seen_in(place) == {"a.bin": b"1", "d/b.bin": b"2"}, "all of it is there again")
        expect(place.read_header() == back and back.lists == old.lists, "with the lists that it had")
        expect(len(place.list_kept()) == 3, "what was there is kept, and so is the earlier one")

    def test_a_damaged_snapshot_is_mended(self, place: Place) -> None:
        committed(place, {"a.bin": b"1", "b.bin": b"2"}, attempt_of("first"))
        committed(place, {"a.bin": b"1", "b.bin": b"3"}, attempt_of("second"))
        self.overwrite(place, "a.bin", None)
        retired = next(one for one in place.list_kept() if not one.is_current)
        with ExitStack() as opened:
            other = opened.enter_context(Snapshot(retired.hold())).held
            _restored(place, place.hold(), {"a.bin": other})
        expect(seen_in(place) == {"a.bin": b"1", "b.bin": b"3"}, "each file is from where its bytes are")

    def test_nothing_is_restored_from_damage(self, place: Place) -> None:
        old = committed(place, {"a.bin": b"1"}, attempt_of("first"))
        committed(place, {"a.bin": b"2"}, attempt_of("second"))
        self.overwrite(place, "a.bin", None)
        with pytest.raises((SnapshotDamaged, OSError)):
            _restored(place, place.hold())
        expect([one.manifest.snapshot for one in place.list_kept()][1:] == [old.snapshot], "nothing was committed")


def _restored(place: Place, like: Held, elsewhere: dict[str, Held] | None = None) -> Manifest:
    """Commit what an earlier snapshot was, as a person does who rolls back or repairs."""
    with Snapshot(like) as snapshot:

        def entries() -> Iterator[tuple[Entry, Held]]:
            return ((entry, (elsewhere or {}).get(entry.path, like)) for entry in snapshot.iter_entries())

        driven = Driven.begin(place, attempt_of(new_id()), terms(fingerprint=None))
        base = driven.claim.base
        sealed = msgspec.structs.replace(
            like.manifest,
            snapshot=new_id(),
            base=base.snapshot if base else None,
            attempt=driven.claim.attempt.record(),
            restored=like.manifest.snapshot,
        )
        try:
            driven.staging.restore(like, entries, sealed)
        except BaseException:
            driven.fail()
            raise
        driven.close_staging()
        expect(driven.claim.commit(sealed) == Won(), "nobody was faster")
        driven.claim.__exit__(None, None, None)
    return sealed
