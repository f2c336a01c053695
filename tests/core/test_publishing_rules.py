"""Who may publish what, over any state: pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_dirops.core.errors import NotHeld, TargetConflict
from airflow_dirops.core.format.control import FencedRun, Hold, Rejection
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.rules import ownership
from airflow_dirops.core.rules.publishing import chosen, is_open, must_stay, refuse_moved_base
from tests.core.test_rules import IDS, RUN, attempts, fences, ids, manifest

NOW = 1_000_000.0
times = st.floats(0, 2 * NOW)
DECIDER = LogicalRun("dag", "run", "publish")


@dataclass(frozen=True)
class OnHold:
    """What a place lists."""

    manifest: Manifest
    until: float
    is_current: bool = False
    name: str = "somewhere"
    may_replace: tuple[str, ...] = field(default=())

    def hold(self) -> Held:
        raise NotImplementedError


@st.composite
def made(draw: st.DrawFn) -> Manifest:
    one = manifest(draw(ids), draw(attempts), restored=draw(st.none() | ids))
    return msgspec.structs.replace(one, base=draw(st.none() | ids))


held_lists = st.lists(st.builds(OnHold, made(), times), max_size=4, unique_by=lambda one: one.manifest.snapshot)


def rejection_of(snapshot: str) -> Rejection:
    moment = "2026-01-01T00:00:00.000Z"
    return Rejection(
        snapshot=snapshot, stage="copy", created=moment, rejected=moment, user="ada", host="here", reason="dark"
    )


@given(held_lists, st.lists(st.builds(rejection_of, ids), max_size=3), st.none() | ids)
def test_only_what_is_held_and_meant_is_chosen(
    held: list[OnHold], rejections: list[Rejection], snapshot: str | None
) -> None:
    waiting = [one for one in held if one.until > NOW]
    fitting = [one for one in waiting if snapshot in (None, one.manifest.snapshot)]
    if len(fitting) == 1:
        assert chosen("target", held, rejections, snapshot, NOW) is fitting[0]
    else:
        with pytest.raises(NotHeld, match="target"):
            chosen("target", held, rejections, snapshot, NOW)


@given(made(), st.none() | made())
def test_it_is_published_onto_its_base_or_what_is_like_it_and_onto_nothing_else(
    held: Manifest, current: Manifest | None
) -> None:
    may = current is None or (held.base is not None and held.base in (current.snapshot, current.restored))
    if may:
        refuse_moved_base("target", held, current)
        return
    with pytest.raises(TargetConflict, match=held.snapshot) as refused:
        refuse_moved_base("target", held, current)
    assert "dirops reject target" in str(refused.value)


@given(st.none() | st.builds(lambda snapshot, until: Hold(snapshot=snapshot, until=until), ids, times), st.none() | ids)
def test_what_may_still_be_published_is_never_removed(hold: Hold | None, sealed: str | None) -> None:
    stays = must_stay(hold, sealed, NOW)
    if hold is not None and hold.snapshot == sealed and is_open(hold.until, NOW):
        assert stays
    if hold is None or hold.snapshot != sealed:
        assert not stays
    assert not must_stay(hold, sealed, 10 * NOW)


@given(fences, made(), st.none() | made())
def test_a_publish_is_noted_for_who_decides_and_for_who_made_it(
    fence: dict[str, FencedRun], held: Manifest, current: Manifest | None
) -> None:
    decider = Attempt(run=DECIDER, id=IDS[0], ti_id=IDS[0])
    fence = {**fence, DECIDER.fence_key: FencedRun(1, IDS[0], IDS[0])}
    rows = ownership.rows_after_publishing(decider, fence, current, held)
    *_, newest = rows
    assert newest == DECIDER.fence_key, "the last line is the newest claim"
    assert rows[newest].committed[held.snapshot] == 1
    maker = fence[RUN.fence_key]
    if held.attempt.try_number <= maker.try_number:
        assert rows[RUN.fence_key].committed[held.snapshot] == held.attempt.try_number
    else:
        assert held.snapshot not in rows.get(RUN.fence_key, maker).committed or held.snapshot in maker.committed
    for key, row in rows.items():
        before = fence[key]
        assert (row.try_number, row.ti_id, row.attempt) == (before.try_number, before.ti_id, before.attempt)
        assert row.done >= before.done


@given(fences, made())
def test_a_cleared_task_whose_snapshot_was_published_had_committed(fence: dict[str, FencedRun], held: Manifest) -> None:
    maker = fence[RUN.fence_key]
    assume(held.attempt.try_number <= maker.try_number)
    decider = Attempt(run=DECIDER, id=new_id())
    fence = {**fence, DECIDER.fence_key: FencedRun(1, decider.ti_id, decider.id)}
    row = ownership.rows_after_publishing(decider, fence, None, held)[RUN.fence_key]
    cleared = Attempt(run=RUN, try_number=maker.try_number + 1, first_try_number=maker.try_number + 1)
    following = ownership.next_row(cleared, row)
    assert following is not None
    assert ownership.was_cleared(cleared, following, held)
