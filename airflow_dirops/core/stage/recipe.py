"""What whoever works on an input has to know of its stage, and nothing of where that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.stage.functions import UserFunction
from airflow_dirops.core.stage.policies import Join, OnError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the records of an input are made.

    :param name: of the stage, for messages.
    :param read: called with a path; None where the source's codec decodes.
    :param make: called with what was read or decoded: a value, a list of values, or all of them; None where that is
        the result.
    :param codec: writes what comes of it.
    :param batch_size: how many values ``make`` gets at a time, if it gets lists.
    """

    name: str
    read: UserFunction | None
    make: UserFunction | None
    codec: Codec
    params: Mapping[str, Any]
    partition: str | None
    dimensions: Mapping[str, str]
    join: Join | None
    batch_size: int | None
    on_error: OnError

    @property
    def function_name(self) -> str:
        return " then ".join(function.name for function in (self.read, self.make) if function)

    def offers(self, name: str) -> bool:
        """Whether a function asks for something by this name."""
        return any(name in function.wanted for function in (self.read, self.make) if function)
