"""The sabotages are still about lines that are there. ``python -m tests.crash.sabotage`` commits them, for minutes."""

from __future__ import annotations

import pytest

from tests.crash.sabotage.__main__ import fits
from tests.crash.sabotage.sabotages import SABOTAGES, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.what)
def test_what_is_sabotaged_stands_there_once(sabotage: Sabotage) -> None:
    assert fits(sabotage)
    assert sabotage.text != sabotage.instead
