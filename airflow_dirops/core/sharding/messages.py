"""What the three calls tell each other, and what they found when there was nothing to cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.members import Count, Digest, Id, Text
from airflow_dirops.core.format.shards import Shard
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.report.outcome import Outcome

_MAX_SHOWN = 200


class _CutMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan: Id | None
    digest: Digest | None
    of: Count
    host: Text
    outcome: Outcome | None


@dataclass(frozen=True)
class Cut:
    """What became of planning a stage for several processes.

    :param plan: the id of the attempt that planned, where something has to be done.
    :param digest: of the plan.
    :param of: into how many shards it was cut. None is needed where results only have to go: then the commit alone
        remains to be done.
    :param host: which machine planned.
    :param outcome: how the stage has ended, where nothing has to be done: ``unchanged``, ``skipped``, or ``committed``
        by an earlier try that could not say so.
    :param shards: for each its task; not part of :meth:`to_dict`.
    """

    plan: str | None
    digest: str | None
    of: int
    host: str
    outcome: Outcome | None = None
    shards: tuple[Shard, ...] = field(default=(), compare=False)

    @classmethod
    def of_message(cls, given: Cut | Mapping[str, Any]) -> Cut:
        """From its plain values.

        :raises ArgumentRefused: if they are none.
        """
        if isinstance(given, Cut):
            return given
        try:
            message = msgspec.convert(dict(given), _CutMessage)
            if (message.plan is None or message.digest is None) == (message.outcome is None):
                raise ValueError("it has both a plan and an outcome, or neither")
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise ArgumentRefused(
                f"a cut is what cut() returned, unaltered; this is {shown(repr(given), _MAX_SHOWN)}: {error}"
            ) from error
        return cls(message.plan, message.digest, message.of, message.host, message.outcome)

    def to_dict(self) -> dict[str, Any]:
        """Plain and small, whatever the number of shards: fit for an XCom."""
        return {
            "plan": self.plan,
            "digest": self.digest,
            "of": self.of,
            "host": self.host,
            "outcome": self.outcome.to_dict() if self.outcome else None,
        }
