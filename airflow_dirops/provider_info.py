"""What Airflow asks of a provider. Every Airflow process calls this, so it imports nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the package to Airflow's provider manager."""
    integration = "Directory stages"
    return {
        "package-name": "airflow-dirops",
        "name": "Directory stages",
        "description": "A folder in, a folder out: safe, fast, restartable directory stages.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://pypi.org/project/airflow-dirops/",
                "tags": ["software"],
            }
        ],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_dirops.operators.directory_read",
                    "airflow_dirops.operators.publish",
                    "airflow_dirops.operators.relay",
                    "airflow_dirops.operators.staged_transform",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": integration,
                "python-modules": ["airflow_dirops.sensors.directory", "airflow_dirops.sensors.manifest"],
            }
        ],
        "triggers": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_dirops.triggers.arrivals",
                    "airflow_dirops.triggers.directory",
                    "airflow_dirops.triggers.manifest",
                ],
            }
        ],
        "task-decorators": [
            {
                "name": "directory_read",
                "class-name": "airflow_dirops.decorators.directory_read.directory_read_task",
            },
            {
                "name": "staged_transform",
                "class-name": "airflow_dirops.decorators.staged_transform.staged_transform_task",
            },
        ],
        "hooks": [{"integration-name": integration, "python-modules": ["airflow_dirops.hooks.directory_root"]}],
        "connection-types": [
            {
                "connection-type": "dirops_root",
                "hook-name": "Directory root",
                "hook-class-name": "airflow_dirops.hooks.directory_root.DirectoryRootHook",
                "ui-field-behaviour": {"hidden-fields": ["host", "schema", "port", "login", "password", "extra"]},
                "conn-fields": {
                    "path": {
                        "label": "Path",
                        "description": "The absolute path, as workers see it, that relative paths in DAGs are below.",
                        "schema": {"type": "string", "minLength": 1},
                    }
                },
            }
        ],
        "cli": ["airflow_dirops.cli.airflow_command.get_airflow_commands"],
        "config": {"dirops": {"description": "Settings of airflow-dirops.", "options": _OPTIONS}},
    }


_OPTIONS = {
    "root": {
        "description": (
            "The directory that relative source and target paths in DAGs are resolved against. "
            "Without it they are an error, since a task's working directory is wherever its worker was started."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "/data",
        "default": None,
    },
    "workers": {
        "description": (
            "How many processes of a task work on files, or auto: one for each CPU. Operators may say otherwise."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "auto",
        "default": "1",
    },
    "durability": {
        "description": (
            "What a commit survives: full, a power loss; process, a crash of the process. Operators may say otherwise."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "process",
        "default": "full",
    },
    "keep_snapshots": {
        "description": "How many replaced snapshots of a target are kept at least. Operators may say otherwise.",
        "version_added": "0.1.0",
        "type": "integer",
        "example": None,
        "default": "1",
    },
    "keep_hours": {
        "description": "For how many hours each replaced snapshot is kept at least. Operators may say otherwise.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "24",
    },
}
