"""The whole story of a stage: claim the target, plan, stage file by file, seal, commit, retire."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, Unpack

from airflow_dirops.core.claim import Claim, claim_target
from airflow_dirops.core.commit import commit
from airflow_dirops.core.control import ControlDirectory
from airflow_dirops.core.errors import ArgumentRefused, SourceEmpty, remaining_storage_errors
from airflow_dirops.core.manifest import Manifest
from airflow_dirops.core.ordering import Sorter
from airflow_dirops.core.outcome import Outcome, OutcomeName, Reporter
from airflow_dirops.core.plan import Plan, finished_inputs, recorded_inputs
from airflow_dirops.core.preflight import resolve_target
from airflow_dirops.core.reader import Snapshot, open_snapshot
from airflow_dirops.core.retention import drop_expired
from airflow_dirops.core.seal import Sealing, seal
from airflow_dirops.core.sources import Source, SourceLike, describe_source, open_source
from airflow_dirops.core.stage import Stage, StageOptions
from airflow_dirops.core.staging import StagingArea
from airflow_dirops.core.steps import Steps

log = logging.getLogger(__name__)


def read_directory(
    *,
    source: SourceLike,
    target: str | os.PathLike[str],
    read: Callable[..., Any],
    **options: Unpack[StageOptions],
) -> Outcome:
    """Read a directory file by file into a new snapshot of the target.

    :param source: the directory; or an outcome's ``to_dict()``, which pins the snapshot that it names.
    :param target: the directory that readers see, replaced as a whole.
    :param read: called with each file's path; returns None to skip it, a value, ``(path, value)``, or, as a
        generator, any number of ``(key, value)``.
    :param options: see :class:`~airflow_dirops.core.stage.StageOptions`.
    :raises DiropsError: of the families in :mod:`airflow_dirops.core.errors`; the target is untouched then.
    """
    return run_stage(Stage(source=source, target=target, read=read, **options))


def transform_directory(
    *,
    source: SourceLike,
    target: str | os.PathLike[str],
    transform: Callable[..., Any],
    read: Callable[..., Any] | None = None,
    **options: Unpack[StageOptions],
) -> Outcome:
    """Turn each record of a snapshot into a record of the target's new snapshot.

    :param source: a target that a stage committed; or a bare directory, with ``read=``.
    :param transform: called with each value; returns None, a value, or, as a generator, any number of
        ``(key, value)``.
    :param read: decodes files that no stage wrote, as for :func:`read_directory`.
    :param options: see :class:`~airflow_dirops.core.stage.StageOptions`.
    :raises DiropsError: as :func:`read_directory`.
    """
    return run_stage(Stage(source=source, target=target, read=read, transform=transform, **options))


def run_stage(stage: Stage) -> Outcome:
    """Run one stage: its target is then one new snapshot, or the one it was."""
    with remaining_storage_errors(stage.target):
        return _run_stage(stage, began=time.monotonic())


def _run_stage(stage: Stage, began: float) -> Outcome:
    with closing(
        open_source(
            stage.source,
            pattern=stage.pattern,
            codec=stage.source_codec,
            follow_symlinks=stage.follow_symlinks,
        )
    ) as source:
        _check_readable(stage, source)
        control = ControlDirectory(resolve_target(stage.target, source.path))
        fingerprint = stage.fingerprint()
        with claim_target(
            control,
            stage.identify(),
            stage=stage.name,
            fingerprint=fingerprint,
            replace_unmanaged=stage.replace_unmanaged,
            take_over_stage=stage.take_over_stage,
        ) as claim:
            return _Run(stage, source, claim, fingerprint, began).finish()


def _check_readable(stage: Stage, source: Source) -> None:
    if stage.read is not None:
        return
    if source.snapshot is None:
        raise ArgumentRefused(
            f"{str(source.path)!r} was not committed by a stage, so nothing says how to decode its files; "
            "give read=, a function that takes a path, or name a stage's target as the source"
        )
    # Asked for now: whether it may be decoded is known before anything is written.
    _ = source.snapshot.codec


class _Run:
    """A stage that holds its claim."""

    def __init__(self, stage: Stage, source: Source, claim: Claim, fingerprint: str, began: float) -> None:
        self._stage = stage
        self._source = source
        self._claim = claim
        self._fingerprint = fingerprint
        self._began = began

    def finish(self) -> Outcome:
        """Plan, stage, seal, commit, retire."""
        with ExitStack() as stack:
            base = _open_base(self._claim)
            if base is not None:
                stack.enter_context(base)
            plan = self._plan(base)
            if plan.total == 0 and self._stage.empty != "commit":
                return self._empty()
            if not plan.has_work:
                return self._nothing_new()
            reporter = Reporter(plan.total, self._stage.on_progress)
            staging = stack.enter_context(
                StagingArea(
                    self._claim.directory,
                    self._claim.alive,
                    durability=self._stage.durability,
                    like=self._claim.target,
                )
            )
            if not self._stage_all(plan, staging, reporter):
                return self._nothing_new()
            manifest = seal(staging, self._sealing())
        commit(self._claim, manifest, self._stage.on_conflict)
        drop_expired(self._claim.control, self._stage.retention)
        return self._outcome("committed", manifest, reporter)

    def _plan(self, base: Snapshot | None) -> Plan:
        spill, full = self._claim.spill, self._stage.full or self._claim.was_cleared
        dead = [] if full else self._claim.dead
        plan = Plan(
            inputs=self._source.list_inputs(Sorter(spill, "source")),
            recorded=None if base is None or full else recorded_inputs(base, Sorter(spill, "recorded")),
            finished=finished_inputs(dead, self._fingerprint, Sorter(spill, "finished")),
            base=base,
            code_changed=base is not None and base.manifest.function.fingerprint != self._fingerprint,
            full=full,
            is_due=full or base is None or base.manifest.stage != self._stage.name,
            verify=self._stage.verify,
        )
        plan.survey()
        log.info("%d inputs in %s: %s", plan.total, self._source.path, plan.describe())
        return plan

    def _stage_all(self, plan: Plan, staging: StagingArea, reporter: Reporter) -> bool:
        """Stage every input; returns whether that gave anything new."""
        claim = self._claim
        with Steps(self._stage, self._source, staging, plan, claim.dead, claim.spill, reporter) as steps:
            for planned in plan.passes():
                steps.take(planned)
                if not steps.is_new:
                    break
        return steps.is_new

    def _empty(self) -> Outcome:
        if self._stage.empty == "fail":
            raise SourceEmpty(
                f"no file in {str(self._source.path)!r} matches {self._stage.pattern!r} "
                f"({self._source.ignored} names were passed over); check the path and the pattern, "
                "or set empty='skip' or empty='commit' if that is to be expected"
            )
        return self._outcome("skipped", self._claim.base)

    def _nothing_new(self) -> Outcome:
        # The earlier try died before it could say that it had committed, so this one says it.
        return self._outcome("committed" if self._claim.committed_before else "unchanged", self._claim.base)

    def _outcome(self, outcome: OutcomeName, manifest: Manifest | None, reporter: Reporter | None = None) -> Outcome:
        return Outcome.of(
            outcome,
            os.fspath(self._stage.target),
            manifest,
            stage=self._stage.name,
            partition=self._stage.partition,
            seconds=time.monotonic() - self._began,
            done=reporter.done if reporter else None,
        )

    def _sealing(self) -> Sealing:
        return Sealing(
            stage=self._stage,
            claim=self._claim,
            source=describe_source(self._source, self._claim.target),
            fingerprint=self._fingerprint,
            ignored=self._source.ignored,
            began=self._began,
        )


def _open_base(claim: Claim) -> Snapshot | None:
    if claim.base is None:
        return None
    return open_snapshot({"target": os.fspath(claim.target), "snapshot": claim.base.snapshot})
