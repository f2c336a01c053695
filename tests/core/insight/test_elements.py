"""How many elements differ, and by how much; the same in a comparison and on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from airflow_dirops.core.insight.elements import Differing, elements_between

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([1.0, 2.0], [1.0, 4.0], Differing(1, 2.0, 1.0)),
        ([NAN, 1.0], [NAN, 1.0], Differing(0, 0.0, 0.0)),
        ([NAN, 1.0], [3.0, 1.0], Differing(1, 0.0, 0.0)),
        ([INF, 1.0], [INF, 3.0], Differing(1, 2.0, 2.0)),
        ([True, False], [True, True], Differing(1, 1.0, 0.5)),
        (["a", "b"], ["a", "c"], Differing(1)),
        (5, 7, Differing(1, 2.0, 2.0)),
        ([], [], Differing(0, 0.0, 0.0)),
    ],
)
def test_it_is_counted(before: Any, after: Any, found: Differing) -> None:
    assert elements_between(np.array(before), np.array(after)) == found
