"""The ``airflow.cfg`` of a small, quick Airflow that listens on loopback only."""

from __future__ import annotations

import base64
import secrets
from configparser import ConfigParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG = "airflow.cfg"


def write_settings(
    home: Path, *, dags: Path, data: Path, port: int, parallelism: int, more: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the whole configuration, so that ``AIRFLOW_HOME=home airflow ...`` works by hand as well.

    :param data: what relative paths in a DAG are relative to, ``[dirops] root``.
    :param more: other settings, by section; they go before ours.
    """
    config = ConfigParser(interpolation=None)
    config.read(home / CONFIG)
    keys = {(section, key): config.get(section, key, fallback=new) for (section, key), new in _new_keys().items()}
    config.clear()
    config.read_dict(_settings(dags, data, port, parallelism))
    config.read_dict(more)
    for (section, key), value in keys.items():
        config.read_dict({section: {key: value}})
    with (home / CONFIG).open("w") as file:
        config.write(file)


def _settings(dags: Path, data: Path, port: int, parallelism: int) -> dict[str, dict[str, str]]:
    url = f"http://127.0.0.1:{port}"
    return {
        "core": {
            "dags_folder": _literal(dags),
            "dags_are_paused_at_creation": "False",
            "execution_api_server_url": f"{url}/execution/",
            "executor": "LocalExecutor",
            "load_examples": "False",
            "parallelism": str(parallelism),
            "simple_auth_manager_all_admins": "True",
        },
        "api": {"default_wrap": "True", "base_url": url, "host": "127.0.0.1", "port": str(port), "workers": "1"},
        "dag_processor": {
            "bundle_refresh_check_interval": "1",
            "min_file_process_interval": "60",
            "refresh_interval": "5",
        },
        "dirops": {"root": _literal(data)},
        "scheduler": {"scheduler_idle_sleep_time": "0.2"},
        "usage_data_collection": {"enabled": "False"},
        "workers": {"min_heartbeat_interval": "1"},  # a finished task may keep its slot that long
    }


def _new_keys() -> dict[tuple[str, str], str]:
    """The components must share these; left out, each process would make up its own."""
    return {
        ("core", "fernet_key"): base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        ("api", "secret_key"): secrets.token_urlsafe(32),
        ("api_auth", "jwt_secret"): secrets.token_urlsafe(32),
    }


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")  # Airflow interpolates what it reads
