"""What is compared with what, at which sizes, and what we aim at."""

from __future__ import annotations

from dataclasses import dataclass

_WARM_UP_FILES = 3


@dataclass(frozen=True)
class Case:
    """One table.

    :param dataset: a maker in :mod:`benchmarks.datasets`.
    :param sizes: numbers of files; ``full_sizes`` with ``--full``.
    :param contenders: by label; the first is what the others are compared with.
    :param rounds: each contender runs once a round, in turn, so that a busy machine is as unkind to all.
    :param again: measure a second run over what the first one left.
    :param needs: a program that has to be installed.
    """

    title: str
    aim: str
    dataset: str
    sizes: tuple[int, ...]
    contenders: tuple[str, ...]
    full_sizes: tuple[int, ...] = ()
    rounds: int = 5
    again: bool = False
    needs: str | None = None

    def warm_up_size(self, size: int) -> int:
        return size if self.again else _WARM_UP_FILES


CASES: dict[str, Case] = {
    "images": Case(
        title="PNGs of 256×256 → npy → red channel",
        aim="1.05 × the loop's CPU",
        dataset="images",
        sizes=(2_000,),
        contenders=(
            "images: loop",
            "images: stages, process",
            "images: stages, full",
            "images: loop, Pool(2)",
        ),
    ),
    "tiny": Case(
        title="files of 1 KiB, npy → npy × 2",
        aim="40 µs a file over the loop",
        dataset="tiny",
        sizes=(10_000,),
        full_sizes=(100_000,),
        contenders=("arrays: loop", "arrays: stage, process", "arrays: stage, full"),
    ),
    "big": Case(
        title="files of 20 MB, npy → the same npy",
        aim="1.05 × cp and a digest",
        dataset="big",
        sizes=(20,),
        full_sizes=(200,),
        contenders=("copies: cp + sha256", "copies: stage, process", "copies: stage, full"),
    ),
    "memory": Case(
        title="peak memory, PNGs of 256×256 → npy → red channel",
        aim="the same within 10 MiB from 200 to 20,000 files",
        dataset="images",
        sizes=(200, 2_000, 20_000),
        contenders=("images: loop", "images: stages, process"),
        rounds=1,
    ),
    "rerun": Case(
        title="a rerun with nothing new, files of 1 KiB",
        aim="1.5 × rsync -an over the same trees",
        dataset="tiny",
        sizes=(10_000,),
        full_sizes=(100_000,),
        contenders=("nothing new: rsync -an", "nothing new: stage"),
        again=True,
        needs="rsync",
    ),
    "commit": Case(
        title="the commit itself, over an earlier snapshot",
        aim="the same time for any number of files",
        dataset="tiny",
        sizes=(100, 1_000, 10_000),
        contenders=("commit over a snapshot",),
        again=True,
    ),
    "durability": Case(
        title="what durability costs, files of 1 KiB",
        aim="full well below an fsync after each file; look at the wall time",
        dataset="tiny",
        sizes=(2_000,),
        full_sizes=(10_000,),
        contenders=(
            "arrays: loop",
            "arrays: loop, fsync each",
            "arrays: stage, process",
            "arrays: stage, full",
        ),
        rounds=3,
    ),
}
