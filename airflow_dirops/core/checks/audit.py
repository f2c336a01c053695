"""Call the checks of a stage on what it has sealed, before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.errors import CheckFailed, DiropsError
from airflow_dirops.core.messages.shown import logger, shown
from airflow_dirops.core.messages.tracebacks import described, place_in_code
from airflow_dirops.core.place.claim import Claim
from airflow_dirops.core.place.held import Held
from airflow_dirops.core.processes.home import Home
from airflow_dirops.core.snapshot.reader import Snapshot
from airflow_dirops.core.stage.functions import UserFunction, Values
from airflow_dirops.core.stage.stage import Stage
from airflow_dirops.core.stops import is_stop

_MOST_FOUND = 50

log = logger(__name__)


def audit(stage: Stage, claim: Claim, place: str) -> None:
    """Let every check of a stage look at what was sealed, beside what it would replace.

    :param place: the target, for messages.
    :raises CheckFailed: with what all of them have found; what was computed stays, for the next try.
    :raises DiropsError: if a check could not read a snapshot, as where its file system failed.
    """
    if not stage.checks:
        return
    with ExitStack() as opened:
        snapshot = opened.enter_context(closing(_open(claim.hold_sealed(), stage.output_codec)))
        held = claim.hold_base()
        base = opened.enter_context(closing(_open(held, stage.output_codec))) if held else None
        findings = [finding for check in stage.checks for finding in _findings(stage, check, snapshot, base)]
    if findings:
        raise CheckFailed(
            f"the snapshot that stage {stage.name!r} made for the target {place!r} did not pass its checks, so nothing "
            "was published and the target is as it was. What was computed is kept: mend the input, the function or the "
            "check and run the stage again, which computes only what that changes",
            findings,
        )
    names = ", ".join(check.name for check in stage.checks)
    log.info("the snapshot has passed its checks: %s", names)


def _open(held: Held, codec: Codec) -> Snapshot:
    """The stage decodes what it wrote itself; what another codec wrote, only where that needs no trust."""
    return Snapshot(held, codec if held.manifest.codec.name == codec.name else None)


def _findings(stage: Stage, check: UserFunction, snapshot: Snapshot, base: Snapshot | None) -> Iterator[str]:
    recipe = stage.recipe
    offered = {"params": recipe.params, "partition": recipe.partition, "dimensions": recipe.dimensions}
    home = Home()
    try:
        answer = home.call(check, Values((snapshot, base)), offered.__getitem__)
        said = home.hand_on(islice(_said(answer), _MOST_FOUND))
        yield from (f"{check.name}: {shown(each)}" for each in said)
    except DiropsError as error:
        if error.findings or isinstance(error, CheckFailed):
            yield f"{check.name}: {error}"
            return
        raise
    except BaseException as error:
        if is_stop(error):
            raise
        where = place_in_code(error)
        yield f"{check.name}: {described(error)}{f' ({where})' if where else ''}"


def _said(answer: Any) -> Iterator[Any]:
    """What speaks against a snapshot, in what a check returned: None or nothing, a text, or several."""
    if answer is None or answer is True:
        return iter(())
    if answer is False:
        return iter(["it returned False"])
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        return iter([answer] if answer != "" else ())
    return (each for each in answer if each)
