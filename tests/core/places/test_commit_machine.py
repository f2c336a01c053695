"""Any mix of runs, retries, crashes, zombies, readers and hands on one target, against a model of the promises.

The model is :mod:`tests.core.target_model`; runs and their attempts are in :mod:`tests.core.attempt_machine`.
``DIROPS_MACHINE_EXAMPLES=1000`` runs that many histories, with new random choices each time;
``DIROPS_MACHINE_RAW=1`` shows the first that fails as it is, and does not look for a shorter one.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from airflow_dirops.core import open_snapshot
from airflow_dirops.core.errors import SnapshotDamaged, TargetRefused
from airflow_dirops.core.stage.retention import Retention
from airflow_dirops.core.upkeep import clean, repair, rollback
from tests.core.attempt_machine import NAMES, AttemptMachine, exists, files_below, one_of, pick
from tests.core.directories import control_of, values_of
from tests.core.target_model import Made

EXAMPLES = int(os.environ.get("DIROPS_MACHINE_EXAMPLES", "0"))


class CommitMachine(AttemptMachine):
    """Every rule is something that happens to a target; what must hold is checked after each of them."""

    # Readers, hands, and upkeep

    @exists(lambda self: self.model.current)
    @rule()
    def pin(self) -> None:
        self.readers.append((open_snapshot(self.target), self.model.current))

    @exists(lambda self: self.readers)
    @rule(reader=pick)
    def release(self, reader: int) -> None:
        snapshot, _ = self.readers.pop(reader % len(self.readers))
        snapshot.close()

    @exists(lambda self: self.model.retired)
    @rule(kept=pick)
    def roll_back(self, kept: int) -> None:
        made = one_of(self.model.retired, kept)
        before = self.model.current
        try:
            there = rollback(self.target, made.id).snapshot
        except SnapshotDamaged:
            assert made.missing
            return
        except TargetRefused:
            assert self.model.is_foreign
            return
        self.model.is_half_swapped = False
        if before and made.id in (before.id, before.restored):
            assert there == before.id
            return
        assert not made.missing
        assert not self.model.is_foreign
        self.model.replace(made.brought_back(there))
        self._remember(self.model.current)

    @exists(lambda self: control_of(self.target).exists())
    @rule(keep=st.integers(0, 2))
    def clean(self, keep: int) -> None:
        cleaned = clean(self.target, Retention(keep_snapshots=keep, keep_hours=0.0))
        assert set(cleaned.orphans) == {dead.id for dead in self.model.sweep()}
        assert len(cleaned.unmanaged) == self.model.foreign_kept
        self.model.is_half_swapped = False
        self._has_expired(keep)

    @exists(lambda self: self.model.current and not self.model.is_half_swapped)
    @rule(name=st.sampled_from(NAMES))
    def remove_output(self, name: str) -> None:
        if name in self.model.current.names:
            (self.target / name).unlink(missing_ok=True)
            self.model.current.missing.add(name)
            self._disturb(self.model.current)

    @exists(lambda self: self.model.current)
    @rule()
    def mend(self) -> None:
        before = self.model.current
        done = repair(self.target)
        self.model.is_half_swapped = False
        mended = self.model.mended(done.snapshot)
        if mended is None:
            assert done.snapshot == before.id
            assert {finding.path for finding in done.remaining} == before.missing
            return
        assert set(done.restored) == before.missing
        self.model.replace(mended)
        self._remember(mended)

    @exists(lambda self: self.model.current and not self.model.is_half_swapped)
    @rule()
    def remove_target(self) -> None:
        gone = self.model.current
        shutil.rmtree(self.target)
        self.readers = [(snapshot, made) for snapshot, made in self.readers if made is not gone or snapshot.close()]
        self._disturb(gone)
        self.model.current = None

    @exists(lambda self: self.runs and self.model.current is None and not self.model.is_foreign)
    @rule()
    def put_foreign_directory(self) -> None:
        self.target.mkdir(parents=True)
        (self.target / "precious").write_text("mine")
        self.model.is_foreign = True

    def _disturb(self, made: Made) -> None:
        for tried in self.stages:
            tried.is_disturbed |= tried.base is made

    # What must hold

    @invariant()
    def the_target_is_what_was_committed_last(self) -> None:
        current = self.model.current
        if self.model.is_foreign:
            assert files_below(self.target) == {"precious": b"mine"}
        elif current is None:
            assert not self.target.exists()
        elif self.model.is_half_swapped:
            assert values_of(self.target) == current.values
        else:
            there = {name: content for name, content in current.files.items() if name not in current.missing}
            assert files_below(self.target) == there

    @invariant()
    def what_is_kept_and_what_is_read_is_whole(self) -> None:
        for made in self.model.retired:
            if not made.missing:
                assert values_of({"target": os.fspath(self.target), "snapshot": made.id}) == made.values
        for snapshot, made in self.readers:
            if not made.missing:
                assert {record.key: record.value for record in snapshot} == made.values

    @invariant()
    def nobody_elses_directory_is_lost(self) -> None:
        places = control_of(self.target).glob("retired/unmanaged-*/precious")
        swapped_out = control_of(self.target).glob("attempts/*/tree/precious")
        assert [path.read_text() for path in (*places, *swapped_out)] == ["mine"] * self.model.foreign_kept

    @invariant()
    def every_staging_area_is_of_a_live_or_a_dead_attempt(self) -> None:
        known = {tried.id for tried in (*self.stages, *self.model.dead)}
        with suppress(FileNotFoundError):
            assert set(os.listdir(control_of(self.target) / "attempts")) == known


TestCommitMachine = pytest.mark.timeout(0 if EXAMPLES else 1_200)(CommitMachine.TestCase)
TestCommitMachine.settings = settings(
    max_examples=EXAMPLES or 50,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    phases=[Phase.generate, *([] if os.environ.get("DIROPS_MACHINE_RAW") else [Phase.shrink])],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
