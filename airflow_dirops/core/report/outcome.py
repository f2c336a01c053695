"""What a run tells: while it goes on, and in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from airflow_dirops.core.format.lists import FILES
from airflow_dirops.core.format.manifest import HEADER, Manifest
from airflow_dirops.core.processes.home import Home

OutcomeName = Literal["committed", "unchanged", "skipped", "planned", "held"]

_REPORT_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    :param target: the target's path, as it was given.
    :param snapshot: the id of the snapshot that is there now; None if there is none.
    :param manifest: the path of its header.
    :param outcome: ``committed``; ``unchanged`` where nothing was new; ``skipped`` where there was nothing to publish
        and ``empty="skip"``; ``planned`` after a dry run; ``held`` where the snapshot waits for somebody to publish it:
        nobody sees it, and there is no ``manifest`` at the target for it.
    :param counts: those of the manifest, and how many inputs this run computed, carried over and reused; after a
        dry run how many would run for which reason, be carried over, or are removed.
    :param bytes: of the entries.
    :param digest: of the list of the entries, with their digests and inputs; None if there is no snapshot.
    :param seconds: wall time of this run.
    :param limit: of a trial run, over how many inputs the snapshot goes at most.
    :param reason: why nothing was made, where the outcome is ``skipped``.
    :param dimensions: the site, the camera and whatever else tells this target from others of the stage.
    :param missing: the partitions that a roll-up was made without, with ``missing="allow"``.
    :param code_changes: what of the code has changed, where inputs ran for that, as far as it is known.
    """

    target: str
    snapshot: str | None
    manifest: str | None
    outcome: OutcomeName
    stage: str
    partition: str | None
    counts: dict[str, int]
    bytes: int
    digest: str | None
    seconds: float
    limit: int | None = None
    reason: str | None = None
    code_changes: list[str] = field(default_factory=list)
    dimensions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        outcome: OutcomeName,
        target: str,
        manifest: Manifest | None,
        *,
        stage: str,
        partition: str | None,
        dimensions: Mapping[str, str] | None = None,
        seconds: float,
        done: Counter[str] | None = None,
        reason: str | None = None,
        code_changes: Sequence[str] = (),
    ) -> Outcome:
        done = done or Counter()
        counts = dict.fromkeys(("inputs", "entries", "skipped", "quarantined", "ignored"), 0)
        if manifest:
            counts |= msgspec.to_builtins(manifest.counts)
        return cls(
            target=target,
            snapshot=manifest.snapshot if manifest else None,
            manifest=str(Path(target) / HEADER) if manifest and outcome != "held" else None,
            outcome=outcome,
            stage=stage,
            partition=partition,
            counts=counts | {name: done[name] for name in ("computed", "carried", "reused")},
            bytes=manifest.bytes if manifest else 0,
            digest=manifest.lists[FILES].digest if manifest else None,
            seconds=round(seconds, 3),
            limit=manifest.limit if manifest else None,
            reason=reason,
            code_changes=list(code_changes),
            dimensions=dict(dimensions or {}),
            missing=manifest.missing if manifest else [],
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain and small: fit for an XCom; pins the snapshot when used as a source."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    :param done: inputs that are through, of ``total``.
    :param current: the path of the latest input, relative to the source.
    :param seconds: since the work began.
    """

    done: int
    total: int
    quarantined: int
    current: str
    seconds: float

    @property
    def per_second(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.per_second if self.done else None


@dataclass
class Reporter:
    """Counts what is done and calls back about once a second, whatever the number of files."""

    total: int
    callback: Callable[[Progress], None] | None
    done: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    def count(self, what: str, path: str) -> None:
        self.done[what] += 1
        self.done["all"] += 1
        if self.callback is None:
            return
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_SECONDS or self.done["all"] == self.total:
            self._reported = now
            Home().call(
                self.callback, Progress(self.done["all"], self.total, self.done["quarantined"], path, now - self._began)
            )
