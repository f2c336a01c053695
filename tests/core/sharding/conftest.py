"""A stage over a few texts that says what it has computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, Stage
from tests.core.sharding.sharded import numbered_texts, stage_of


@dataclass
class Sharded:
    """Makes stages over one target, each by a try of a run.

    :param computed: the inputs that were computed so far.
    """

    raw: Path
    target: Path
    computed: list[str] = field(default_factory=list)
    read: Callable[..., Any] | None = None

    def stage(self, run: str = "run", try_number: int = 1, **options: Any) -> Stage:
        attempt = Attempt(run=LogicalRun("dag", run, "group"), try_number=try_number)
        return stage_of(
            self.raw, self.target, self.read or self.copy, **{"version": "1", "attempt": attempt, **options}
        )

    def copy(self, path: str) -> bytes:
        self.computed.append(Path(path).name)
        return Path(path).read_bytes()

    def take_computed(self) -> list[str]:
        """What was computed since this was last asked."""
        computed, self.computed[:] = sorted(self.computed), []
        return computed


@pytest.fixture
def sharded(tmp_path: Path) -> Sharded:
    return Sharded(numbered_texts(tmp_path / "raw", 8), tmp_path / "target")
