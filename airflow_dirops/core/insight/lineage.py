"""Files, and what made them, as a trace tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_dirops.core.format.manifest import Manifest

FileState = Literal["made", "raw", "changed", "gone", "unlisted", "skipped", "quarantined"]
"""What a file is. ``made``: a stage made it, as it is; ``raw``: no stage did, and it is as it was read; ``changed``: it
is there, and not as it was; ``gone``: it is not there any more; ``unlisted``: it lies in a target, and no stage put it
there; ``skipped``: a stage read it, and it gave nothing; ``quarantined``: it failed.
"""


@dataclass(frozen=True)
class MadeBy:
    """What made a file: a stage, in one try of one run, with some code.

    :param target: the path of the target that the file is in.
    :param snapshot: the id of the snapshot that was looked at.
    :param created: when that was committed, UTC.
    :param dag_id: of the run; empty outside Airflow, as ``task_id`` may be.
    :param function: the name of the user's function.
    :param fingerprint: of the code; None where nobody compares it.
    :param version: where that stands for the code.
    :param writer: the versions that wrote it, such as that of this package.
    :param brought_back_by: who rolled back to it or repaired it, if somebody did.
    """

    target: str
    stage: str
    partition: str | None
    dimensions: dict[str, str]
    snapshot: str
    created: str
    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    function: str
    fingerprint: str | None
    version: str | None
    codec: str
    writer: dict[str, str]
    brought_back_by: str | None

    @classmethod
    def of(cls, target: str, manifest: Manifest) -> MadeBy:
        """As a header says.

        :param target: its path.
        """
        attempt, function, upkeep = manifest.attempt, manifest.function, manifest.upkeep
        return cls(
            target=target,
            stage=manifest.stage,
            partition=manifest.partition,
            dimensions=dict(manifest.dimensions),
            snapshot=manifest.snapshot,
            created=manifest.created,
            dag_id=attempt.dag_id,
            task_id=attempt.task_id,
            run_id=attempt.run_id,
            try_number=attempt.try_number,
            function=function.name,
            fingerprint=function.fingerprint,
            version=next((part.value for part in function.parts if part.kind == "version"), None),
            codec=manifest.codec.name,
            writer=dict(manifest.writer),
            brought_back_by=f"{upkeep.action} by {upkeep.user} on {upkeep.host}" if upkeep else None,
        )


@dataclass(frozen=True)
class TracedFile:
    """A file, and what it was made of or became.

    :param path: absolute.
    :param detail: what is to be said of its state, in a sentence.
    :param size: in bytes, as it was when a stage read or made it.
    :param digest: of its bytes, where a manifest has it.
    :param made_by: None for a raw file; of a skipped or quarantined one the stage that read it.
    :param inputs: of a trace back: what it was made of.
    :param of_all: it was made of all so many inputs of its stage together, of which ``inputs`` are the first.
    :param outputs: of a trace forward: what it became; where it gave nothing, the file itself, skipped or quarantined.
    :param more: how many inputs or outputs there are besides those that are listed.
    """

    path: str
    state: FileState
    detail: str = ""
    size: int | None = None
    digest: str | None = None
    made_by: MadeBy | None = None
    inputs: tuple[TracedFile, ...] = ()
    of_all: int | None = None
    outputs: tuple[TracedFile, ...] = ()
    more: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether all that it was made of, back to the raw files, is there as it was."""
        return self.state in ("made", "raw") and all(each.is_sound for each in self.inputs)
