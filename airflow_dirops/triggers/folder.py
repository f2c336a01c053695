"""What a sensor asks of a bare directory, and what it returns once that is so."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from airflow_dirops.triggers.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A bare directory that shall be complete.

    :param directory: where it is or will be.
    :param partition: which one it is, for whoever reads it.
    :param dimensions: likewise, the site and whatever else names it.
    :param root: what says which root relative paths are below, for the message.

    The others are those of :class:`~airflow_dirops.core.arrival.rules.Rules`.
    """

    directory: str
    partition: str | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None
    marker: str | None = None
    expected: Sequence[str] = ()
    min_files: int | None = None
    min_bytes: int | None = None
    quiet_for: float | None = None
    same_looks: int | None = None
    pattern: str = "**/*"
    follow_symlinks: bool = False

    @property
    def place(self) -> str:
        """The directory."""
        return self.directory

    def look(self, memory: dict[str, Any] | None = None) -> Finding:
        """Look once.

        :param memory: what the look before gave.
        :raises ArgumentRefused: if the directory can never be complete.
        :raises StorageError: if the file system refuses to be looked at.
        """
        from airflow_dirops.core.arrival.arrival import look_for
        from airflow_dirops.core.arrival.rules import Rules
        from airflow_dirops.core.format.pins import ListingPin

        rules = Rules(**{each.name: getattr(self, each.name) for each in fields(Rules)})
        arrived = look_for(self.directory, rules, memory)
        if arrived.listing is None:
            root = f"; {self.root}" if self.root and not arrived.is_there else ""
            return Finding(lacking=f"{arrived.lacking}{root}", memory=arrived.memory)
        pin = ListingPin(
            directory=self.directory,
            partition=self.partition,
            dimensions=dict(self.dimensions),
            listing=arrived.listing,
        )
        return Finding(summary=pin.to_dict(), memory=arrived.memory)

    def as_dict(self) -> dict[str, Any]:
        """All of this as plain values, for a trigger."""
        return asdict(self)
