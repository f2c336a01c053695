"""Who may claim and who may commit, over any state: pure functions, so thousands of states a second."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core import rules
from airflow_dirops.core.errors import AttemptSuperseded, TargetConflict, TargetRefused
from airflow_dirops.core.format.control import FencedRun
from airflow_dirops.core.format.runs import Attempt, LogicalRun, new_id
from airflow_dirops.core.place.claim import Terms

RUN = LogicalRun("dag", "run", "task")
IDS = [new_id() for _ in range(8)]
ids = st.sampled_from(IDS)
tries = st.integers(1, 4)
attempts = st.builds(Attempt, run=st.just(RUN), try_number=tries, first_try_number=tries, ti_id=ids, id=ids)
rows = st.builds(FencedRun, tries, ids, ids, done=st.integers(0, 4), began=ids)


@given(attempts, st.none() | rows)
def test_only_what_is_older_in_number_and_in_time_may_not_claim(attempt: Attempt, before: FencedRun | None) -> None:
    is_older = before and before.try_number > attempt.try_number and before.ti_id > attempt.ti_id
    row = rules.next_row(attempt, before)
    assert (row is None) == bool(is_older)
    if row:
        assert (row.try_number, row.ti_id, row.attempt) == (attempt.try_number, attempt.ti_id, attempt.id)
        fence = {RUN.fence_key: row}
        rules.refuse_superseded("target", attempt, fence)
        with pytest.raises(AttemptSuperseded):
            rules.refuse_superseded("target", msgspec.structs.replace(attempt, id=new_id()), fence)


@given(st.lists(attempts, max_size=6))
def test_after_any_claims_one_attempt_may_commit(claims: list[Attempt]) -> None:
    fence: dict[str, FencedRun] = {}
    numbered = [msgspec.structs.replace(one, id=IDS[number]) for number, one in enumerate(claims)]
    for attempt in numbered:
        with suppress(AttemptSuperseded):
            fence[RUN.fence_key] = rules.claiming_row("target", attempt, fence)
    allowed = 0
    for attempt in numbered:
        with suppress(AttemptSuperseded):
            rules.refuse_superseded("target", attempt, fence)
            allowed += 1
    assert allowed == bool(numbered)


@given(attempts, st.none() | rows)
def test_a_row_of_another_incarnation_forgets(attempt: Attempt, before: FencedRun | None) -> None:
    row = rules.next_row(attempt, before)
    if row and (before is None or before.try_number >= attempt.try_number):
        assert (row.committed, row.done) == ({}, 0)
    elif row and before:
        assert (row.committed, row.done, row.began) == (before.committed, before.done, before.began or before.ti_id)


@given(st.integers(-1, 2), st.integers(-1, 2), st.sampled_from(["run", "other"]))
def test_only_another_instance_of_the_same_run_is_a_sibling(mine: int, other: int, run_id: str) -> None:
    run = LogicalRun("dag", "run", "task", mine)
    committer = Attempt(run=LogicalRun("dag", run_id, "task", other)).record()
    is_sibling = run_id == "run" and mine != other and min(mine, other) >= 0
    if is_sibling:
        with pytest.raises(TargetRefused, match=f"instance {other}"):
            rules.refuse_sibling("target", run, committer, {})
    else:
        rules.refuse_sibling("target", run, committer, {})


@given(st.booleans())
def test_what_no_stage_wrote_is_replaced_only_if_allowed(replace: bool) -> None:
    terms = Terms(stage="copy", may_replace=("unmanaged",) if replace else ())
    if replace:
        rules.refuse_unmanaged("target", ValueError("no manifest"), terms)
    else:
        with pytest.raises(TargetRefused, match="adopt"):
            rules.refuse_unmanaged("target", ValueError("no manifest"), terms)


def test_no_base_and_nothing_there_is_no_conflict() -> None:
    with suppress(TargetConflict):
        rules.refuse_conflict("target", Attempt(run=RUN), None, None, None, "fail")  # type: ignore[arg-type]
        return
    pytest.fail("there is nobody to lose to")
