"""What processes under one claim leave for each other, and how one of them gathers what the others have sealed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from airflow_dirops.core.errors import AttemptSuperseded, KeyRefused, ShardMissing
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.lines import LineDecoder
from airflow_dirops.core.format.lists import FILES, QUARANTINE, SKIPPED, SealedFile
from airflow_dirops.core.format.manifest import Manifest, SourceRecord
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.claim import Won
from airflow_dirops.core.place.staging import Gathered, Sealing, ShardLists, Totals
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.testing.places.driving import (
    KEEP_NONE,
    Driven,
    attempt_of,
    bytes_of,
    committed,
    seen_in,
    terms,
)
from airflow_dirops.testing.places.promises import Promises, expect

if TYPE_CHECKING:
    from airflow_dirops.core.place.claim import Claim
    from airflow_dirops.core.place.place import Place


class SharingTests(Promises):
    """One attempt in several processes, each with its part of the work."""

    def test_what_one_process_notes_another_reads(self, place: Place) -> None:
        first = Driven.begin(place)
        lines = [b"%d" % number for number in range(1000)]
        record = first.claim.write_note("plan.json", lines)
        first.leave()
        second = Driven.resume(place, first)
        content = _noted(second.claim, first.claim.area, "plan.json")
        expect(content == b"\n".join(lines) + b"\n", "it reads what was noted")
        expect((record.lines, record.bytes) == (1000, len(content)), f"which was told as {record}")
        for area, name in ((first.claim.area, "other"), (second.claim.area, "plan.json"), (new_id(), "plan.json")):
            expect(second.claim.open_note(area, name) is None, "and nothing where nothing was noted")
        for area in ("../x", "", "a\0b", "."):
            expect(second.claim.open_note(area, "plan.json") is None, "or where no process of ours can be")
            expect(second.claim.left_by(area) is None, "or where no process of ours can be")
        second.fail()

    def test_a_process_says_which_part_of_the_work_it_does(self, place: Place) -> None:
        first = Driven.begin(place)
        first.leave()
        shard = _resume(place, first, 7).put({"a.bin": b"1"})
        _leave(shard)
        last = Driven.resume(place, first)
        told = {other.id: other.shard for other in last.claim.others}
        expect(told == {first.claim.area: None, shard.claim.area: 7}, f"whoever comes later is told: {told}")
        found = last.claim.left_by(shard.claim.area)
        lines = [line.input.path for line in found.finished()] if found else []
        expect(lines == ["a.bin"], "and finds what it has finished, by its name")
        last.fail()

    def test_shards_are_gathered_and_committed_once(self, place: Place) -> None:
        committed(place, {"old.bin": b"old"}, attempt_of("old"))
        first = Driven.begin(place)
        first.leave()
        parts = [{"b.bin": b"2", "d/x.bin": b"3"}, {"a.bin": b"1"}, {}]
        sealed = [_seal_shard(place, first, number, files) for number, files in enumerate(parts)]
        _seal_shard(place, first, 1, {"a.bin": b"of a second try", "z.bin": b"z"})
        last = Driven.resume(place, first)
        made = _gather(last, sealed)
        expect(seen_in(place) == {"old.bin": b"old"}, "nothing is seen before the commit")
        last.close_staging()
        expect(last.claim.commit(made) == Won(), "whoever gathers commits")
        last.claim.__exit__(None, None, None)
        expect(seen_in(place) == {"a.bin": b"1", "b.bin": b"2", "d/x.bin": b"3"}, "what was gathered, and no more")
        expect((made.counts.entries, made.bytes) == (3, 3), f"the header counts it: {made.counts}, {made.bytes}")
        expect(place.clean(KEEP_NONE).orphans == [], "and nothing of any process is left")

    def test_who_gathers_dies_and_another_one_does_it(self, place: Place) -> None:
        first = Driven.begin(place)
        first.leave()
        sealed = [_seal_shard(place, first, number, {f"{number}.bin": b"%d" % number}) for number in range(3)]
        dying = Driven.resume(place, first)
        _gather(dying, sealed)
        dying.fail()
        last = Driven.resume(place, first)
        made = _gather(last, sealed)
        last.close_staging()
        expect(last.claim.commit(made) == Won(), "the next one finds all of it again")
        last.claim.__exit__(None, None, None)
        expect(sorted(seen_in(place)) == ["0.bin", "1.bin", "2.bin"], "and commits it")

    def test_a_name_cannot_be_had_twice(self, place: Place) -> None:
        clash = [{"a.bin": b""}, {"a.bin/b.bin": b""}]
        first = Driven.begin(place)
        first.leave()
        sealed = [_seal_shard(place, first, number, files) for number, files in enumerate(clash)]
        last = Driven.resume(place, first)
        with pytest.raises(KeyRefused):
            _gather(last, sealed)
        last.fail()

    @pytest.mark.parametrize("content", [None, b"other"])
    def test_what_a_shard_sealed_is_not_there(self, place: Place, content: bytes | None) -> None:
        first = Driven.begin(place)
        first.leave()
        shard = _resume(place, first, 5).put({"a.bin": b"1"})
        lists = shard.staging.seal_shard(1, shard.claim.write_note)
        self.overwrite_staged(shard.staging, "a.bin", content)
        _leave(shard)
        last = Driven.resume(place, first)
        with pytest.raises(ShardMissing, match="shard 5"):
            _gather(last, [(shard.claim.area, 5, lists)])
        last.fail()

    def test_a_claim_is_open_for_as_long_as_somebody_is_at_work(self, place: Place) -> None:
        first = Driven.begin(place, attempt_of("run")).put({"a.bin": b"1"})
        first.staging.drain()
        first.claim.leave_open(while_at_work=True)
        other = Driven.resume(place, first)
        expect(place.clean(KEEP_NONE).orphans == [], "nobody takes it while its processes are at work")
        other.fail()
        first.fail()
        with pytest.raises(AttemptSuperseded):
            Driven.resume(place, first)
        anybody = Driven.begin(place, attempt_of("other"))
        found = [dead.id for dead in anybody.claim.dead]
        expect(first.claim.area in found, f"then what it finished is anybody's, who finds {found}")
        anybody.fail()

    def test_a_claim_ends_with_its_process_after_all(self, place: Place) -> None:
        first = Driven.begin(place).put({"a.bin": b"1"})
        first.staging.drain()
        first.claim.leave_open(while_at_work=True)
        first.claim.end()
        first.close_staging()
        first.claim.__exit__(None, None, None)
        expect(place.clean(KEEP_NONE).orphans == [], "and leaves nothing behind")


def _resume(place: Place, first: Driven, shard: int) -> Driven:
    return Driven(place.resume(first.claim.attempt.id, first.on, shard=shard), first.on)


def _leave(shard: Driven) -> None:
    shard.close_staging()
    shard.claim.leave_open()
    shard.claim.__exit__(None, None, None)


_Sealed = tuple[str, int, ShardLists]


def _seal_shard(place: Place, first: Driven, number: int, files: dict[str, bytes]) -> _Sealed:
    shard = _resume(place, first, number).put(files)
    lists = shard.staging.seal_shard(len(files), shard.claim.write_note)
    _leave(shard)
    return shard.claim.area, number, lists


def _gather(last: Driven, sealed: list[_Sealed]) -> Manifest:
    files = sorted(_files(last.claim, sealed), key=lambda one: one.file.path)
    totals = Totals(len(files), sum(one.file.size for one in files), one_to_one=True)
    stage = Stage(source="source", target="target", read=bytes_of, codec="bytes", stage=terms().stage)
    sealing = Sealing(
        stage=stage,
        code=Code(last.on.fingerprint or ""),
        attempt=last.claim.attempt,
        base=last.claim.base,
        sources=(SourceRecord(location="source"),),
        ignored=0,
        began=time.monotonic(),
        planned=len(files),
    )
    return last.staging.gather(iter(files), {SKIPPED: (), QUARANTINE: ()}, sealing, totals)


def _files(claim: Claim, sealed: list[_Sealed]) -> Iterable[Gathered]:
    decode = LineDecoder(SealedFile)
    for name, number, lists in sealed:
        area = claim.left_by(name)
        expect(area is not None, f"what shard {number} has sealed is found by its name")
        content = _noted(claim, name, FILES).splitlines()
        expect(len(content) == lists.lists[FILES].lines, "with its lists")
        yield from (Gathered(decode(line), number, area) for line in content if area)


def _noted(claim: Claim, area: str, name: str) -> bytes:
    if (file := claim.open_note(area, name)) is None:
        return b""
    with file:
        return file.read()
