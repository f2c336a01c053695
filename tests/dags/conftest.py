"""The fixtures of the plugin, taken by name: only a conftest.py at the top can ask for it with pytest_plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.testing.plugin import airflow_database, dags, stages

__all__ = ["airflow_database", "dags", "stages"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow and its stack warn as they like; our own code must not."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for rule in ("default", "error:::airflow_dirops"):
                item.add_marker(pytest.mark.filterwarnings(rule))
