"""Draw up a stage's plan: what its options and its base mean for what runs and what is carried over."""

from __future__ import annotations

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.fingerprint import fingerprint, fingerprint_of_all
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.plan.context import RunContext
from airflow_dirops.core.plan.plan import Plan
from airflow_dirops.core.plan.recorded import finished_inputs, recorded_inputs
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.stage import Stage


def code_of(stage: Stage) -> Code | None:
    """What the outputs are made with: the functions' code, the codec, and the params that a function asks for.

    :returns: None for a plan without functions.
    """
    if not stage.functions:
        return None
    return fingerprint_of_all(
        fingerprint(
            function.function,
            codec=stage.output_codec.name,
            params=stage.params if "params" in function.wanted else None,
            version=stage.version,
            by_keyword=function.wanted,
        )
        for function in stage.functions
    )


def terms_of(stage: Stage, code: Code | None) -> Terms:
    """What a stage asks of its target."""
    return Terms(
        stage=stage.name,
        fingerprint=code.fingerprint if code else None,
        limit=stage.limit,
        may_replace=stage.may_replace,
        full=stage.redoes_all,
        dimensions=stage.dimensions or {},
    )


def draw_up(run: RunContext) -> Plan:
    """List the source and set it beside what is there already."""
    stage, base = run.stage, run.base
    changes = run.code_changes(base)
    is_accepted = changes is not None and stage.accept_code_change
    if is_accepted:
        _check_codec(stage, base)
    return Plan(
        inputs=run.list_inputs(),
        recorded=None if base is None or run.full else recorded_inputs(base, run.sorter("recorded")),
        finished=finished_inputs(run.dead, run.sorter("finished")),
        base=base,
        decided=run.decided,
        code_changes=None if is_accepted else changes,
        full=run.full,
        is_due=run.full or is_accepted or run.own_base is None,
        verify=stage.redoes_damaged,
    )


def may_accept_code(stage: Stage, base: Manifest | None) -> bool:
    """Whether what is there can be kept as the work of other code: file by file, and in the same format."""
    return stage.aggregate is None and base is not None and base.codec.name == stage.output_codec.name


def _check_codec(stage: Stage, base: Snapshot | None) -> None:
    if base and (before := base.manifest.codec.name) != stage.output_codec.name:
        raise ArgumentRefused(
            f"accept_code_change=True keeps the files that are there, and they were written with codec {before!r}, "
            f"not {stage.output_codec.name!r}; leave it out, so that they are made again. In "
            "the trigger form it is 'Accept a code change'"
        )
