"""Who may claim and who may commit, over any state: pure functions, so thousands of states a second."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_dirops.core.errors import AttemptSuperseded, DiropsError, TargetConflict, TargetRefused
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.control import Adoption, FencedRun, OpenClaim, Owner
from airflow_dirops.core.format.manifest import (
    FORMAT,
    CodecRecord,
    Counts,
    FunctionRecord,
    Manifest,
    SourceRecord,
)
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.rules import ownership, replacing
from airflow_dirops.core.stage.policies import OnConflict

RUN = LogicalRun("dag", "run", "task")
OTHER = LogicalRun("dag", "other", "task")
IDS = [new_id() for _ in range(8)]
CODE = Code("0" * 64).fingerprint
ids = st.sampled_from(IDS)
tries = st.integers(1, 4)
orders = st.sampled_from(["", "1", "2"])
attempts = st.builds(
    Attempt, run=st.just(RUN), try_number=tries, first_try_number=tries, ti_id=ids, id=ids, order=orders
)
commits = st.dictionaries(ids, st.integers(1, 4), max_size=3)
rows = st.builds(FencedRun, tries, ids, ids, commits, done=st.integers(0, 4), began=ids, open=st.booleans())
fences = st.fixed_dictionaries({RUN.fence_key: rows}, optional={OTHER.fence_key: rows})


def manifest(
    snapshot: str, attempt: Attempt, stage: str = "copy", limit: int | None = None, restored: str | None = None
) -> Manifest:
    return Manifest(
        format=FORMAT,
        snapshot=snapshot,
        base=None,
        stage=stage,
        partition=None,
        created="2026-01-01T00:00:00.000Z",
        attempt=attempt.record(),
        source=SourceRecord(location="source"),
        function=FunctionRecord(name="f", fingerprint=CODE),
        codec=CodecRecord(name="bytes", suffix=".bin"),
        durability="full",
        digest="sha256",
        counts=Counts(inputs=0, entries=0, skipped=0, quarantined=0, ignored=0),
        bytes=0,
        lists={},
        seconds=0.0,
        writer={},
        limit=limit,
        restored=restored,
    )


manifests = st.builds(
    manifest, ids, attempts, st.sampled_from(["copy", "other"]), st.none() | st.just(1), st.none() | ids
)
codes = st.sampled_from([CODE, "1" * 64])
owners = st.builds(
    Owner,
    host=st.just("host"),
    boot=st.just("boot"),
    process=st.just(1),
    fingerprint=codes,
    run=st.sampled_from([None, RUN, OTHER]),
    try_number=st.integers(0, 4),
    ti_id=ids,
    full=st.booleans(),
)


def refused(rule: object, *arguments: object) -> type[DiropsError] | None:
    """What a rule raises, if it does."""
    try:
        rule(*arguments)  # type: ignore[operator]
    except DiropsError as error:
        return type(error)
    return None


class TestClaims:
    @given(attempts, st.none() | rows)
    def test_only_what_is_older_in_number_and_in_time_may_not_claim(
        self, attempt: Attempt, before: FencedRun | None
    ) -> None:
        is_older = before and before.try_number > attempt.try_number and before.ti_id > attempt.ti_id
        row = ownership.next_row(attempt, before)
        assert (row is None) == bool(is_older)
        if row:
            assert (row.try_number, row.ti_id, row.attempt) == (attempt.try_number, attempt.ti_id, attempt.id)
            fence = {RUN.fence_key: row}
            ownership.refuse_superseded("target", attempt, fence)
            with pytest.raises(AttemptSuperseded):
                ownership.refuse_superseded("target", msgspec.structs.replace(attempt, id=new_id()), fence)

    @given(st.lists(attempts, max_size=6))
    def test_after_any_claims_one_attempt_may_commit(self, claims: list[Attempt]) -> None:
        fence: dict[str, FencedRun] = {}
        numbered = [msgspec.structs.replace(one, id=IDS[number]) for number, one in enumerate(claims)]
        for attempt in numbered:
            with suppress(AttemptSuperseded):
                fence[RUN.fence_key] = ownership.claiming_row("target", attempt, fence)
        allowed = [one for one in numbered if not refused(ownership.refuse_superseded, "target", one, fence)]
        assert len(allowed) == bool(numbered)

    @given(attempts, st.none() | rows)
    def test_a_row_of_another_incarnation_forgets(self, attempt: Attempt, before: FencedRun | None) -> None:
        row = ownership.next_row(attempt, before)
        if row and (before is None or before.try_number >= attempt.try_number):
            assert (row.committed, row.done) == ({}, 0)
        elif row and before:
            assert row.began == (before.began or before.ti_id)
            assert row.committed.items() <= before.committed.items()
            assert row.done in (0, before.done)
            if max(before.done, *before.committed.values(), 0) <= before.try_number:
                assert (row.committed, row.done) == (before.committed, before.done)

    @given(attempts, st.none() | rows, st.none() | manifests)
    def test_nothing_that_a_line_says_ends_a_try_that_only_begins(
        self, attempt: Attempt, before: FencedRun | None, current: Manifest | None
    ) -> None:
        row = ownership.next_row(attempt, before)
        assert row is None or not ownership.has_committed(row, current, ())

    @given(st.integers(0, 3), st.none() | rows)
    def test_tries_are_counted_only_where_nobody_else_counts(self, number: int, before: FencedRun | None) -> None:
        attempt = Attempt(run=RUN, try_number=number)
        fence = {RUN.fence_key: before} if before else {}
        counted = ownership.numbered(attempt, fence)
        assert counted.try_number == (number or (before.try_number + 1 if before else 1))
        assert counted.id == attempt.id
        if not number:
            assert ownership.next_row(counted, before) is not None

    @given(attempts, rows, st.none() | manifests)
    def test_a_cleared_task_had_committed_before_it_was_cleared(
        self, attempt: Attempt, row: FencedRun, base: Manifest | None
    ) -> None:
        made = ownership.try_that_committed(row, base)
        assert made in (0, *row.committed.values())
        assert base is None or made >= row.committed.get(base.snapshot, 0)
        was_cleared = ownership.was_cleared(attempt, row, base)
        assert was_cleared == (0 < max(made, row.done) < attempt.first_try_number)
        committed_since = made >= attempt.first_try_number
        assert not (was_cleared and committed_since)


class TestReuse:
    @given(owners, attempts, rows, codes, st.booleans())
    def test_only_work_of_the_same_code_is_reused(
        self, owner: Owner, attempt: Attempt, row: FencedRun, code: str, full: bool
    ) -> None:
        may = ownership.can_reuse(owner, attempt, row, code, full=full)
        assert not may or owner.fingerprint == code
        if not full:
            assert may == (owner.fingerprint == code)

    @given(owners, attempts, rows)
    def test_where_all_is_made_anew_only_what_this_run_made_anew_since_it_was_cleared(
        self, owner: Owner, attempt: Attempt, row: FencedRun
    ) -> None:
        if ownership.can_reuse(owner, attempt, row, CODE, full=True):
            assert ownership.can_reuse(owner, attempt, row, CODE, full=False)
            assert owner.full
            assert owner.run == attempt.run
            assert owner.ti_id >= row.began
            assert owner.try_number >= attempt.first_try_number
        mine = msgspec.structs.replace(
            owner, fingerprint=CODE, full=True, run=RUN, ti_id=row.began, try_number=attempt.first_try_number
        )
        assert ownership.can_reuse(mine, attempt, row, CODE, full=True)


class TestCommits:
    @given(attempts, fences, st.none() | manifests, ids)
    def test_a_commit_is_noted_in_its_own_line_and_in_that_of_what_it_replaces(
        self, attempt: Attempt, fence: dict[str, FencedRun], current: Manifest | None, snapshot: str
    ) -> None:
        changed = ownership.rows_after(attempt, fence, current, snapshot)
        key = attempt.run.fence_key
        assert list(changed)[-1] == key
        assert changed[key].committed[snapshot] == attempt.try_number
        assert list(changed[key].committed)[-1] == snapshot or snapshot in fence[key].committed
        for run, row in fence.items():
            made = ownership.try_that_committed(row, current)
            assert (run in changed) == (bool(made) or run == key)
            after = changed.get(run, row)
            assert after.done == max(row.done, made)
            assert (after.try_number, after.attempt, after.ti_id) == (row.try_number, row.attempt, row.ti_id)
            assert run == key or after.committed == row.committed

    @given(attempts, st.integers(0, 30))
    def test_the_latest_commits_are_known(self, attempt: Attempt, count: int) -> None:
        fence = {RUN.fence_key: FencedRun(1, IDS[0], IDS[0])}
        made = [new_id() for _ in range(count)]
        for snapshot in made:
            fence |= ownership.rows_after(attempt, fence, None, snapshot)
        assert list(fence[RUN.fence_key].committed) == made[-ownership.COMMITS_KNOWN :]

    @given(
        attempts, st.none() | manifests, st.none() | manifests, manifests, st.sampled_from(["fail", "newest", "last"])
    )
    def test_who_loses_to_whom(
        self,
        attempt: Attempt,
        base: Manifest | None,
        current: Manifest | None,
        sealed: Manifest,
        on_conflict: OnConflict,
    ) -> None:
        answer = refused(replacing.refuse_conflict, "target", attempt, base, current, sealed, on_conflict)
        assert answer in (None, TargetConflict)
        if current is None:
            assert answer is None
            return
        is_same = base is not None and base.snapshot == current.snapshot
        is_later = on_conflict == "newest" and current.attempt.order > attempt.order
        if is_same:
            assert bool(answer) == is_later
        elif answer is None:
            assert on_conflict != "fail"
            assert not is_later
            assert current.stage == sealed.stage
            assert sealed.limit is None or current.limit is not None
        else:
            allowed = on_conflict != "fail" and not is_later and current.stage == sealed.stage
            assert not allowed or (sealed.limit is not None and current.limit is None)


class TestOpenClaims:
    @given(attempts, st.none() | rows)
    @example(Attempt(run=RUN, try_number=2, ti_id=IDS[1]), FencedRun(1, IDS[0], IDS[0], open=True))
    def test_a_new_claim_is_not_open(self, attempt: Attempt, before: FencedRun | None) -> None:
        row = ownership.next_row(attempt, before)
        assert row is None or not row.open

    @given(attempts, fences, st.none() | manifests)
    def test_a_claim_commits_once(
        self, attempt: Attempt, fence: dict[str, FencedRun], current: Manifest | None
    ) -> None:
        attempt = msgspec.structs.replace(attempt, id=new_id())
        row = ownership.next_row(attempt, fence[RUN.fence_key])
        if row is None or ownership.has_committed(row, current, ()):
            return
        fence |= {RUN.fence_key: row}
        mine = manifest(new_id(), attempt)
        fence |= ownership.rows_after(attempt, fence, current, mine.snapshot)
        # The swap may fail: then it may try again.
        assert not refused(ownership.refuse_ended, "target", attempt, fence, current, {mine.snapshot})
        for now in (mine, current, None):
            assert refused(ownership.refuse_ended, "target", attempt, fence, now, {new_id()}) is AttemptSuperseded
        # Whoever replaces it notes that it was there.
        other = Attempt(run=OTHER)
        fence.setdefault(OTHER.fence_key, FencedRun(1, other.ti_id, other.id))
        theirs = manifest(new_id(), other)
        fence |= ownership.rows_after(other, fence, mine, theirs.snapshot)
        for now in (theirs, None):
            assert refused(ownership.refuse_ended, "target", attempt, fence, now, {mine.snapshot}) is AttemptSuperseded
            assert ownership.open_until(fence[RUN.fence_key], now, {mine.snapshot}, 0.0) is None

    @given(rows, st.none() | manifests, st.sets(ids), st.floats(0, 1e10))
    def test_what_is_open_is_a_claim_that_has_not_committed(
        self, row: FencedRun, current: Manifest | None, sealed: set[str], last_work: float
    ) -> None:
        until = ownership.open_until(row, current, sealed, last_work)
        assert (until is not None) == (row.open and not ownership.has_committed(row, current, sealed))
        assert until is None or until == last_work + ownership.OPEN_SECONDS
        while_at_work = ownership.open_until(row, current, sealed, last_work, while_at_work=True)
        assert while_at_work == (None if until is None else last_work)

    @given(st.booleans(), st.none() | st.floats(0, 1e10), st.floats(0, 1e10))
    def test_an_attempt_is_dead_when_nobody_works_on_it_or_may(
        self, is_at_work: bool, until: float | None, now: float
    ) -> None:
        dead = ownership.is_dead(is_at_work=is_at_work, until=until, now=now)
        assert not (dead and is_at_work)
        assert not (dead and until is not None and now < until)
        assert dead or is_at_work or (until is not None and now < until)

    @given(st.sampled_from(["copy", "other"]), codes, st.none() | codes, st.none() | st.floats(0, 2), st.floats(0, 2))
    def test_it_is_gone_on_with_while_it_is_open_and_for_the_same_work(
        self, stage: str, code: str, mine: str | None, until: float | None, now: float
    ) -> None:
        attempt = Attempt(run=RUN)
        claim = OpenClaim.of(attempt, stage=stage, fingerprint=code, base=None, full=False, dimensions={})
        answer = refused(
            ownership.refuse_to_go_on, "target", attempt, claim, Terms(stage="copy", fingerprint=mine), until, now
        )
        if ownership.is_dead(is_at_work=False, until=until, now=now):
            assert answer is AttemptSuperseded
        else:
            assert (answer is None) == (stage == "copy" and code == mine)
            assert answer in (None, TargetRefused)


class TestWhatIsReplaced:
    @given(st.integers(-1, 2), st.integers(-1, 2), st.sampled_from(["run", "other"]))
    def test_only_another_instance_of_the_same_run_is_a_sibling(self, mine: int, other: int, run_id: str) -> None:
        run = LogicalRun("dag", "run", "task", mine)
        theirs = LogicalRun("dag", run_id, "task", other)
        is_sibling = run_id == "run" and mine != other and min(mine, other) >= 0
        committer = Attempt(run=theirs).record()
        known = {theirs.fence_key: FencedRun(1, IDS[0], IDS[0], {IDS[1]: 1})}
        claimed = {theirs.fence_key: FencedRun(1, IDS[0], IDS[0])}
        for of, fence in ((committer, {}), (None, known), (committer, known)):
            if is_sibling:
                with pytest.raises(TargetRefused, match=f"instance {other}"):
                    replacing.refuse_sibling("target", run, of, fence)
            else:
                replacing.refuse_sibling("target", run, of, fence)
        replacing.refuse_sibling("target", run, None, claimed)

    @given(st.sets(st.sampled_from(["unmanaged", "other_stage"])), manifests, st.none() | st.just(1))
    def test_what_is_not_the_stages_own_is_replaced_only_if_allowed(
        self, may_replace: set[str], found: Manifest, limit: int | None
    ) -> None:
        terms = Terms(stage="copy", may_replace=may_replace, limit=limit)  # type: ignore[arg-type]
        unmanaged = refused(replacing.refuse_unmanaged, "target", ValueError("no manifest"), terms)
        assert (unmanaged is None) == ("unmanaged" in may_replace)
        foreign = refused(replacing.refuse_foreign, "target", found, terms)
        is_trial_over_full = limit is not None and found.limit is None
        is_ours = found.stage == "copy" or "other_stage" in may_replace
        assert (foreign is None) == (is_ours and not is_trial_over_full)
        assert {unmanaged, foreign} <= {None, TargetRefused}

    @given(
        st.builds(Adoption, st.sampled_from([None, "copy", "other"]), st.none() | ids, st.none() | st.integers(0, 2)),
        st.none() | manifests,
        st.none() | st.integers(0, 2),
    )
    def test_a_permission_is_for_one_stage_and_for_what_was_there(
        self, adoption: Adoption, found: Manifest | None, changed_ns: int | None
    ) -> None:
        terms = Terms(stage="copy")
        is_for_it = adoption.is_for(found.snapshot if found else None, changed_ns)
        is_for_us = adoption.stage in (None, "copy")
        if found is None:
            assert is_for_it == (
                adoption.snapshot is None and changed_ns is not None and changed_ns == adoption.changed_ns
            )
            why = ValueError("no manifest")
            answer = refused(replacing.refuse_unmanaged, "target", why, terms, adoption, changed_ns)
        else:
            assert is_for_it == (adoption.snapshot == found.snapshot)
            answer = refused(replacing.refuse_foreign, "target", found, terms, adoption)
            is_for_us = is_for_us or found.stage == "copy"
            is_for_it = is_for_it or found.stage == "copy"
        assert (answer is None) == (is_for_it and is_for_us)
