"""Directory stages for Apache Airflow: a folder in, a folder out, whole or not at all."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from airflow_dirops.core.stage.retention import Retention as Retention
    from airflow_dirops.operators.directory_read import DirectoryReadOperator as DirectoryReadOperator
    from airflow_dirops.operators.staged_transform import StagedTransformOperator as StagedTransformOperator
    from airflow_dirops.partitions import daily_partitions as daily_partitions
    from airflow_dirops.partitions import dirops_params as dirops_params
    from airflow_dirops.sensors.manifest import ManifestSensor as ManifestSensor

from airflow_dirops.version import __version__ as __version__

# Looked up when first asked for, so that the core can be used without Airflow, and an import costs nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "core.stage.retention": ["Retention"],
        "operators.directory_read": ["DirectoryReadOperator"],
        "operators.staged_transform": ["StagedTransformOperator"],
        "partitions": ["daily_partitions", "dirops_params"],
        "sensors.manifest": ["ManifestSensor"],
    },
)
