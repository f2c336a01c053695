"""A line of a plan: what to do about one input."""

from __future__ import annotations

from typing import Literal

import msgspec

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.journal import JournalLine
from airflow_dirops.core.format.members import AreaName
from airflow_dirops.core.format.triage import Decision

Reason = Literal["new", "changed", "code", "missing", "retry", "redo"]


class Planned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to do about one input.

    :param reason: why it runs; None if the base's outputs are carried over.
    :param line: what it gave before: in the base where it is carried over, else in a dead attempt, else None.
    :param dead: the id of the dead attempt that finished it.
    :param decision: a person has decided what becomes of it, instead of that.
    :param shares_key: another input has the same key, so the two might want one name.
    """

    input: Input
    reason: Reason | None = None
    line: JournalLine | None = None
    dead: AreaName | None = None
    shares_key: bool = False
    decision: Decision | None = None
