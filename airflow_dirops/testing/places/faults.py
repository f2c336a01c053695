"""What can go wrong at the seam, one accident at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from airflow_dirops.core.errors import StorageError

Step = Literal["claim", "stage", "seal", "commit", "retire"]
Accident = Literal["refused", "answer lost", "killed before", "killed after"]

STEPS: tuple[Step, ...] = ("claim", "stage", "seal", "commit", "retire")
ACCIDENTS: tuple[Accident, ...] = ("refused", "answer lost", "killed before", "killed after")


class Killed(BaseException):
    """The process of an attempt is gone: nothing of it runs any more, not even what lets go of a claim."""


class AnswerLost(StorageError):
    """The place did what it was asked to, and could not say so."""


@dataclass
class Fault:
    """An accident that happens once.

    :param step: where.
    :param accident: refused, with nothing done; done, with the answer lost; or the process is killed, before or after.
    :param number: at which call of this step, from 1.
    """

    step: Step
    accident: Accident
    number: int = 1

    def is_due(self, step: Step) -> bool:
        if step != self.step:
            return False
        self.number -= 1
        return self.number == 0


@contextmanager
def stumbling(fault: Fault | None, step: Step, name: str) -> Iterator[None]:
    """Do one step of the seam, with the accident that is due there.

    :param name: the target's.
    """
    accident = fault.accident if fault and fault.is_due(step) else None
    if accident == "refused":
        raise StorageError(step, name, OSError(errno.EIO, "the place refused"))
    if accident == "killed before":
        raise Killed(step)
    yield
    if accident == "answer lost":
        raise AnswerLost(step, name, OSError(errno.ETIMEDOUT, "no answer came"))
    if accident == "killed after":
        raise Killed(step)
