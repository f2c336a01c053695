"""What an argument puts into the manifest is refused before any work if no reader would take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, errors
from tests.core.conftest import Run

LONG = "x" * 4_097

TEXTS: dict[str, dict[str, Any]] = {
    "stage": {"stage": LONG},
    "partition": {"partition": LONG},
    "run": {"run": LONG},
    "no characters": {"partition": "caf\udce9"},
    "of a scheduler": {"attempt": Attempt(run=LogicalRun("dag", LONG, "task"))},
    "its order": {"attempt": Attempt(run=LogicalRun("dag", "run", "task"), order=LONG)},
}


@pytest.mark.parametrize("options", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("dry", [False, True])
def test_it_is_refused_before_work(run: Run, target: Path, options: dict[str, Any], dry: bool) -> None:
    called: list[str] = []
    with pytest.raises(errors.ArgumentRefused, match="cannot be written into a manifest") as refused:
        run(read=called.append, dry_run=dry, **options)
    assert (called, target.exists(), len(str(refused.value)) < 1_000) == ([], False, True)


def test_the_longest_that_readers_take(run: Run) -> None:
    assert run(stage=LONG[1:], partition=LONG[1:], run=LONG[1:]).outcome == "committed"


def test_params_may_be_long(run: Run) -> None:
    """They are not in the manifest, only a digest of them."""
    assert run(read=lambda path, *, params: "x", params={"text": LONG * 1_000}).outcome == "committed"
