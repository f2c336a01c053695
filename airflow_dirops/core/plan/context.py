"""What every room of one run knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from typing import NoReturn

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.format.code import Code
from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Leftover
from airflow_dirops.core.plan.decided import NOTHING_DECIDED, Decided
from airflow_dirops.core.report.changes import Change, changes_since
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.source.inputs import Inputs
from airflow_dirops.core.source.source import Source
from airflow_dirops.core.stage.stage import Stage


def _no_replacement(digest: str) -> NoReturn:
    raise ValueError(f"nobody has given a replacement {digest}")


@dataclass(frozen=True)
class RunContext:
    """What is asked for, what is read, and what is there already.

    :param base: the snapshot that would be replaced, if there is one.
    :param code: of the stage's functions; None where there are none to compare.
    :param full: everything is made anew.
    :param sorter: makes one that sorts long lists where only this run writes; one of each name.
    :param dead: what dead attempts left whose finished files may be reused.
    :param decided: what people have decided about inputs that failed.
    :param open_replacement: opens a file that somebody gave, by its digest.
    """

    stage: Stage
    source: Source
    base: Snapshot | None
    code: Code | None
    full: bool
    sorter: Callable[[str], Sorter]
    dead: Sequence[Leftover] = ()
    decided: Decided = NOTHING_DECIDED
    open_replacement: Callable[[str], BufferedReader] = _no_replacement

    @property
    def is_aggregate(self) -> bool:
        """Whether all inputs become one thing; a plan without functions is for whichever stage made the base."""
        if self.stage.functions or self.base is None:
            return self.stage.aggregate is not None
        return self.base.manifest.inputs_digest is not None

    @property
    def own_base(self) -> Snapshot | None:
        """The base, if it is this stage's own work, and as whole as what this run makes."""
        if self.base is None or self.stage.name not in ("", self.base.manifest.stage):
            return None
        return self.base if self.base.manifest.limit is None or self.stage.limit is not None else None

    def code_changes(self, base: Snapshot | None) -> tuple[Change, ...] | None:
        """What of the code has changed since a base was made, as far as it is known; None if nothing has."""
        return None if base is None else changes_since(base.manifest.function.code, self.code)

    def list_inputs(self) -> Inputs:
        """The inputs, in order, as often as asked."""
        inputs = self.source.list_inputs(self.sorter("source"))
        return inputs if self.stage.limit is None else _First(inputs, self.stage.limit)


@contextmanager
def context_of(
    stage: Stage,
    source: Source,
    place: Place,
    claim: Claim,
    code: Code | None,
    dead: Sequence[Leftover] | None = None,
) -> Iterator[RunContext]:
    """What a run knows under its claim, the base held open for as long as the block lasts.

    :param dead: what may be reused, if that is not what the claim has found.
    """
    held = claim.hold_base()
    with ExitStack() as opened:
        yield RunContext(
            stage=stage,
            source=source,
            base=opened.enter_context(Snapshot(held)) if held else None,
            code=code,
            full=claim.full,
            sorter=claim.sorter,
            dead=claim.dead if dead is None else dead,
            decided=Decided.on(place, claim.base),
            open_replacement=place.open_replacement,
        )


@dataclass(frozen=True)
class _First(Inputs):
    """The first few inputs, as often as asked."""

    inputs: Inputs
    count: int

    def ordered(self) -> Iterator[tuple[bytes, Input]]:
        return islice(self.inputs.ordered(), self.count)
