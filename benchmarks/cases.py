"""What is compared with what, at which sizes, and what we aim at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.peers import PEERS

_WARM_UP_FILES = 3


@dataclass(frozen=True)
class Case:
    """One table.

    :param dataset: a maker in :mod:`benchmarks.datasets`.
    :param sizes: numbers of files; ``full_sizes`` with ``--full``.
    :param contenders: by label; the first is what the others are compared with.
    :param rounds: each contender runs once a round, in turn, so that a busy machine is as unkind to all.
    :param again: measure a second run over what the first one left.
    :param without: for some contenders, the one that does the same less what is looked at; what that adds by the clock
        is compared with what it adds to the first of them.
    :param needs: a program that has to be installed.
    :param is_long: only run by name, or with ``--full``.
    """

    title: str
    aim: str
    dataset: str
    sizes: tuple[int, ...]
    contenders: tuple[str, ...]
    full_sizes: tuple[int, ...] = ()
    rounds: int = 5
    again: bool = False
    without: Mapping[str, str] = field(default_factory=dict)
    needs: str | None = None
    is_long: bool = False

    def warm_up_size(self, size: int) -> int:
        return size if self.again else _WARM_UP_FILES


def _against_all(case: str, stage: str, *others: str) -> tuple[str, ...]:
    return (
        f"{case}: loop",
        *others,
        f"{stage}, process",
        f"{stage}, full",
        f"{stage}, 2 workers, process",
        f"{stage}, 2 workers, full",
        f"{case}: loop, Pool(2)",
        *(label for label in PEERS if label.startswith(f"{case}: ")),
    )


def _resume(durability: str) -> Case:
    return Case(
        title=f"a retry after kill -9 at 90 % of the files, PNGs of 256×256 → npy, durability {durability}",
        aim="0.15 × the full run",
        dataset="images",
        sizes=(2_000,),
        contenders=(f"resume: full run, {durability}", f"resume: retry, {durability}"),
        again=True,
    )


def _durability(size: str, dataset: str, sizes: tuple[int, ...], full_sizes: tuple[int, ...]) -> Case:
    return Case(
        title=f"what durability costs, files of {size}",
        aim="by the clock, full 2.2 × process, and adding 0.3 × what an fsync after each file adds",
        dataset=dataset,
        sizes=sizes,
        full_sizes=full_sizes,
        contenders=("arrays: loop", "arrays: loop, fsync each", "arrays: stage, process", "arrays: stage, full"),
        rounds=9,
        without={"arrays: loop, fsync each": "arrays: loop", "arrays: stage, full": "arrays: stage, process"},
    )


CASES: dict[str, Case] = {
    "images": Case(
        title="PNGs of 256×256 → npy → red channel",
        aim="1 worker 1.05 × the loop's CPU; 2 workers 0.53 × its wall time (1.9 × its speed), ahead of every peer",
        dataset="images",
        sizes=(2_000,),
        contenders=_against_all(
            "images", "images: stages", "images: loop, array not copied", "images: loop, with digests"
        ),
    ),
    "tiny": Case(
        title="files of 1 KiB, npy → npy × 2",
        aim="40 µs a file over the loop",
        dataset="tiny",
        sizes=(10_000,),
        full_sizes=(100_000,),
        contenders=(
            "arrays: loop",
            "arrays: stage, process",
            "arrays: stage, full",
            "arrays: stage, 2 workers, process",
        ),
    ),
    "big": Case(
        title="files of 20 MB, npy → the same npy",
        aim="1.05 × cp and a digest",
        dataset="big",
        sizes=(20,),
        full_sizes=(200,),
        contenders=(
            "copies: cp + sha256",
            "copies: stage, process",
            "copies: stage, full",
            "copies: stage, 2 workers, process",
        ),
    ),
    "python": Case(
        title="some milliseconds of pure Python for each file",
        aim="as for images",
        dataset="tiny",
        sizes=(500,),
        contenders=_against_all("python", "python: stage"),
    ),
    "memory": Case(
        title="peak memory, PNGs of 256×256 → npy → red channel",
        aim="the same within 10 MiB from 200 to 20,000 files",
        dataset="images",
        sizes=(200, 2_000, 20_000),
        contenders=("images: loop", "images: stages, process", "images: stages, 2 workers, process"),
        rounds=1,
    ),
    "rerun": Case(
        title="a rerun with nothing new, files of 1 KiB",
        aim="1.5 × rsync -an over the same trees",
        dataset="plain",
        sizes=(10_000,),
        full_sizes=(50_000,),
        contenders=("nothing new: rsync -an", "nothing new: stage", "nothing new: stage after a stage"),
        again=True,
        needs="rsync",
    ),
    "resume": _resume("process"),
    "resume-full": _resume("full"),
    "shards": Case(
        title="a stage in shards, one after the other, and one commit, files of 1 KiB",
        aim="committing 30 µs a file, whatever the number of shards",
        dataset="plain",
        sizes=(1_000, 10_000),
        full_sizes=(1_000, 10_000, 100_000, 1_000_000),
        contenders=("shards: the stage alone", *(f"shards: {count}" for count in (1, 8, 64, 256))),
        rounds=3,
    ),
    "parallel": Case(
        title="some milliseconds of pure Python for each file, in shards that are processes, and what else does that",
        aim="as fast as with as many workers, until the machine is full",
        dataset="tiny",
        sizes=(500,),
        full_sizes=(2_000,),
        contenders=(
            "python: loop",
            "python: stage, process",
            "python: stage, 2 workers, process",
            *(f"python: stage in {count} shards" for count in (1, 2, 4)),
            "python: loop, Pool(2)",
            "python: Dask bag, 2 processes",
            "python: Ray Data, 2 workers",
        ),
        rounds=3,
    ),
    "waiting": Case(
        title="a function that waits 20 ms for each file, in shards on threads",
        aim="so many times as fast as there are shards, until the machine is full",
        dataset="plain",
        sizes=(1_000,),
        contenders=tuple(f"waiting: in {count} shards" for count in (1, 4, 16, 64)),
        rounds=1,
    ),
    "commit": Case(
        title="the commit itself, over an earlier snapshot",
        aim="the same time for any number of files",
        dataset="tiny",
        sizes=(100, 1_000, 10_000),
        contenders=("commit over a snapshot",),
        again=True,
    ),
    "durability": _durability("1 KiB", "tiny", sizes=(2_000,), full_sizes=(10_000,)),
    "durability-100-KiB": _durability("100 KiB", "small", sizes=(1_000,), full_sizes=(5_000,)),
    "million": Case(
        title="a thousand to a million files of 1 KiB, copied",
        aim="the same memory, parent and workers together, and the same time a file, at every size",
        dataset="plain",
        sizes=(1_000, 100_000, 1_000_000),
        contenders=("million: loop", "million: stage", "million: stage, 2 workers"),
        rounds=1,
        is_long=True,
    ),
    "mapped": Case(
        title="inside Airflow, PNGs of 256×256 → npy → red channel",
        aim="none; that is why stages are",
        dataset="images",
        sizes=(20,),
        contenders=(
            "airflow: 2 stages",
            "airflow: 2 stages, each in 2 shards",
            "airflow: a mapped task per half of the files",
            "airflow: a mapped task per file",
        ),
        is_long=True,
    ),
}
