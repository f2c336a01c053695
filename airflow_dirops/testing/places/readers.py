"""What a reader sees who holds a snapshot, whatever becomes of the target."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import ManifestMissing, SnapshotDamaged, SnapshotExpired
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.testing.places.driving import KEEP_NONE, attempt_of, committed, content_of, seen_in
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place

_NO_SUCH = "0198a0b0-0000-7000-8000-000000000000"


class ReaderTests(Promises):
    """What readers see, and for how long."""

    def test_there_is_nothing_to_hold_in_a_fresh_place(self, place: Place) -> None:
        for ask in (place.hold, place.read_header):
            with pytest.raises(ManifestMissing):
                ask()

    def test_a_held_snapshot_outlives_its_successors(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"1", "d/b.bin": b"2"}, attempt_of("first"))
        held = place.hold()
        for run in ("second", "third"):
            committed(place, {"a.bin": run.encode()}, attempt_of(run))
            expect(made.snapshot not in place.clean(KEEP_NONE).snapshots, "what is read is not removed")
        expect(content_of(held) == {"a.bin": b"1", "d/b.bin": b"2"}, "its reader sees exactly one snapshot")
        expect(made.snapshot in place.clean(KEEP_NONE).snapshots, "once it is closed, it goes")
        with pytest.raises(SnapshotExpired, match=made.snapshot):
            place.hold(made.snapshot)

    def test_a_snapshot_is_held_by_its_id(self, place: Place) -> None:
        made = committed(place, {"a.bin": b"1"}, attempt_of("first"))
        committed(place, {"a.bin": b"2"}, attempt_of("second"))
        expect(content_of(place.hold(made.snapshot)) == {"a.bin": b"1"}, "the one that was named is held")
        with pytest.raises(SnapshotExpired):
            place.hold(_NO_SUCH)

    def test_files_are_opened_and_told_of(self, place: Place) -> None:
        committed(place, {"d/a.bin": b"123"})
        with closing(place.hold()) as held:
            status = held.status("d/a.bin")
            expect(status is not None and status.size == 3, f"its size is told: {status}")
            expect(held.status("d/b.bin") is None and held.status("d") is None, "what is no file has no status")
            with held.open("d/a.bin") as file:
                expect(file.read() == b"123", "its bytes are read")
            with held.local("d/a.bin") as path:
                expect(Path(path).read_bytes() == b"123", "a path opens this very file")
            expect(Path(held.path_of("d/a.bin")).read_bytes() == b"123", "and so does one for as long as it is held")
            expect(list(held.iter_files()) == ["d/a.bin"] and held.count_files() == 1, "it is the only file")
            with pytest.raises(SnapshotDamaged):
                held.open("gone")

    @pytest.mark.parametrize("content", [None, b"other!"])
    def test_a_damaged_entry_is_found(self, place: Place, content: bytes | None) -> None:
        committed(place, {"a.bin": b"123", "b.bin": b"456"})
        self.overwrite(place, "a.bin", content)
        with pytest.raises(SnapshotDamaged, match=r"a\.bin"):
            seen_in(place)

    def test_files_that_are_not_listed_are_told(self, place: Place) -> None:
        committed(place, {"a.bin": b"123"})
        self.overwrite(place, "stray", b"x")
        with closing(Snapshot(place.hold())) as snapshot:
            found = set(snapshot.held.iter_files())
            expect(found == {"a.bin", "stray"} and snapshot.held.count_files() == 2, f"all that lies there: {found}")
        expect(seen_in(place) == {"a.bin": b"123"}, "a reader who follows the manifest does not see them")
