"""What people have decided about failed inputs, as a run looks it up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from airflow_dirops.core.format.entries import Input
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.core.format.triage import Decision
from airflow_dirops.core.place.place import Place


class Decided:
    """Decisions by the input that they are about.

    :param decisions: all of them.
    :param base: the id of the snapshot that is there; what is to be retried is meant for one snapshot.
    """

    def __init__(self, decisions: Iterable[Decision] = (), base: str | None = None) -> None:
        self._by_path: dict[str, Decision] = {}
        self._retried: set[str] = set()
        for each in decisions:
            if each.action != "retry":
                self._by_path[each.path] = each
            elif each.snapshot == base:
                self._retried.add(each.path)

    @classmethod
    def on(cls, place: Place, base: Manifest | None) -> Self:
        """What people have decided about the failed inputs of a target.

        :param base: its header, if there is one.
        """
        return cls(place.triage(), base.snapshot if base else None)

    def __bool__(self) -> bool:
        return bool(self._by_path or self._retried)

    def of(self, item: Input) -> Decision | None:
        """What is to become of an input; None if it is to be computed as any other."""
        decision = self._by_path.get(item.path)
        return decision if decision is not None and decision.is_for(item) else None

    def is_left(self, item: Input) -> bool:
        """Whether an input that failed is not to be tried again, since others are."""
        return bool(self._retried) and item.path not in self._retried

    def is_named(self, item: Input) -> bool:
        """Whether an input was named to be tried again, once."""
        return item.path in self._retried

    @property
    def has_retries(self) -> bool:
        """Whether some inputs were named to be tried again, once."""
        return bool(self._retried)


NOTHING_DECIDED = Decided()
