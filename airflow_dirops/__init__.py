"""Directory stages for Apache Airflow: a folder in, a folder out, whole or not at all.

The Airflow classes are looked up when first asked for, so that the core can be used without Airflow
and importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dirops.operators.directory_read import DirectoryReadOperator as DirectoryReadOperator
    from airflow_dirops.operators.staged_transform import StagedTransformOperator as StagedTransformOperator
    from airflow_dirops.partitions import daily_partitions as daily_partitions
    from airflow_dirops.partitions import dirops_params as dirops_params
    from airflow_dirops.sensors.manifest import ManifestSensor as ManifestSensor

__version__ = "0.1.0"

_HOMES = {
    "DirectoryReadOperator": "airflow_dirops.operators.directory_read",
    "ManifestSensor": "airflow_dirops.sensors.manifest",
    "StagedTransformOperator": "airflow_dirops.operators.staged_transform",
    "daily_partitions": "airflow_dirops.partitions",
    "dirops_params": "airflow_dirops.partitions",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
