"""Who competes, by label: the loops that one would write by hand, and our stages doing the same work.

Each takes a source and a scratch directory of its own, and leaves the same results there. The peers are in
:mod:`benchmarks.peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import loops, million, resume, shards, stages
from benchmarks.stages import Notes

Contender = Callable[[Path, Path], Notes | Callable[[], Notes] | None]
"""What it notes besides; a function is called for that when the clock has stopped."""


def _with_durabilities(label: str, stage: Callable[..., Any]) -> dict[str, Contender]:
    return {
        f"{label}, process": partial(stage, durability="process"),
        f"{label}, full": partial(stage, durability="full"),
    }


def _with_workers(label: str, stage: Callable[..., Any]) -> dict[str, Contender]:
    return _with_durabilities(label, stage) | _with_durabilities(f"{label}, 2 workers", partial(stage, workers=2))


def _loops_over(case: str) -> dict[str, Contender]:
    return {
        f"{case}: loop": partial(loops.steps_by_loop, case=case),
        f"{case}: loop, Pool(2)": partial(loops.steps_by_loop, case=case, run=loops.pooled_loop),
    }


def _in_airflow(source: Path, scratch: Path, *, dag_id: str) -> None:
    from benchmarks.mapped import run_dag  # imports psutil, which only the tests' and the demo's Airflow need

    run_dag(source, scratch, dag_id=dag_id)


CONTENDERS: dict[str, Contender] = {
    **_loops_over("images"),
    "images: loop, array not copied": partial(loops.steps_by_loop, case="images, not copied"),
    "images: loop, with digests": partial(loops.steps_by_loop, case="images", run=loops.digesting_loop),
    **_with_workers("images: stages", stages.images_by_stages),
    **_loops_over("python"),
    **_with_workers("python: stage", stages.python_by_stage),
    **{f"python: stage in {count} shards": partial(stages.python_in_shards, shards=count) for count in (1, 2, 4)},
    "arrays: loop": loops.arrays_by_loop,
    "arrays: loop, fsync each": partial(loops.arrays_by_loop, fsync=True),
    **_with_workers("arrays: stage", stages.arrays_by_stage),
    "copies: cp + sha256": loops.copies_by_cp,
    **_with_workers("copies: stage", stages.copies_by_stage),
    "nothing new: rsync -an": loops.nothing_new_by_rsync,
    "nothing new: stage": stages.nothing_new_by_stage,
    "nothing new: stage after a stage": stages.nothing_new_in_a_snapshot,
    "commit over a snapshot": stages.commit_again,
    **_with_durabilities("resume: full run", resume.whole),
    **_with_durabilities("resume: retry", resume.retried),
    "shards: the stage alone": shards.alone,
    **{f"shards: {count}": partial(shards.in_shards, shards=count) for count in (1, 8, 64, 256)},
    **{f"waiting: in {count} shards": partial(shards.waiting, shards=count) for count in (1, 4, 16, 64)},
    "million: loop": loops.bytes_by_loop,
    "million: stage": million.many,
    "million: stage, 2 workers": partial(million.many, workers=2),
    "airflow: 2 stages": partial(_in_airflow, dag_id="per_directory"),
    "airflow: 2 stages, each in 2 shards": partial(_in_airflow, dag_id="in_shards"),
    "airflow: a mapped task per half of the files": partial(_in_airflow, dag_id="per_batch"),
    "airflow: a mapped task per file": partial(_in_airflow, dag_id="per_file"),
}
