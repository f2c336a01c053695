"""How a plan is cut, and how sorted lists are merged again."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.planned import Planned
from airflow_dirops.core.sharding.merging import Stream, merged
from airflow_dirops.core.sharding.slices import Costs, cost_of, cut_evenly

SIZES = st.sampled_from([0, 10, 10_000, 10_000_000])


@st.composite
def plans(draw: st.DrawFn) -> list[Planned]:
    """Inputs in order, some of which share their key with their neighbours."""
    walk = []
    for number, count in enumerate(draw(st.lists(st.integers(1, 3), max_size=30))):
        for suffix in "abc"[:count]:
            item = Input(f"{number:03}.{suffix}", draw(SIZES), 1)
            walk.append(Planned(item, draw(st.sampled_from([None, "new"])), shares_key=count > 1))
    return walk


@given(plans(), st.integers(1, 40))
def test_parts_are_contiguous_and_keep_together_what_shares_a_key(walk: list[Planned], shards: int) -> None:
    costs = Costs()
    for planned in walk:
        costs.note(planned)
    parts = [list(part) for part in cut_evenly(iter(walk), costs.total, shards)]
    assert [planned for part in parts for planned in part] == walk
    assert len(parts) <= shards
    assert all(parts)
    for before, after in pairwise(parts):
        assert before[-1].input.key != after[0].input.key


@given(plans(), st.integers(1, 10))
def test_no_part_costs_much_more_than_its_share(walk: list[Planned], shards: int) -> None:
    costs = [cost_of(planned) for planned in walk]
    groups = [sum(map(cost_of, group)) for _, group in groupby(walk, key=lambda planned: planned.input.key)]
    for part in cut_evenly(iter(walk), sum(costs), shards):
        assert sum(map(cost_of, part)) <= sum(costs) / shards + 2 * max(groups)


@given(st.lists(st.lists(st.binary(max_size=3), min_size=1).map(sorted), max_size=8))
def test_merged_lists_are_in_order_and_each_is_opened_when_its_turn_comes(lists: list[list[bytes]]) -> None:
    opened: list[int] = []

    def stream(number: int, lines: list[bytes]) -> Stream[int]:
        def lines_of():
            opened.append(number)
            yield from ((line, number) for line in lines)

        return Stream(lines[0], lines_of)

    found = []
    for order, number in merged(stream(number, lines) for number, lines in enumerate(lists)):
        assert all(lists[one][0] <= order for one in opened)
        found.append((order, number))
    assert [order for order, _ in found] == sorted(line for lines in lists for line in lines)
