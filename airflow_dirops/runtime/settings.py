"""What ``[dirops]`` in Airflow's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow_dirops.core import Retention


def root() -> str | None:
    """The directory that relative paths are resolved against: ``[dirops] root``."""
    return conf.get("dirops", "root", fallback=None) or None


def retention(given: Retention | None) -> Retention:
    """How long replaced snapshots are kept: as the operator says, else as the ``[dirops]`` section does.

    :param given: what the operator says, or None.
    """
    from airflow_dirops.core.stage.retention import Retention, check_retention

    retention = Retention() if given is None else given
    check_retention(retention)

    def setting(name: str, default: float) -> float:
        get = conf.getint if isinstance(default, int) else conf.getfloat
        configured: float = get("dirops", name, fallback=default)
        return configured

    return retention.completed(setting)
