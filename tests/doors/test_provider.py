"""What Airflow sees of the package: the provider, its names, and what it costs to import."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema  # type: ignore[import-untyped]
import pytest

import airflow_dirops
from airflow_dirops.provider_info import get_provider_info

INFO = get_provider_info()


def test_airflow_finds_the_provider() -> None:
    (found,) = (e for e in entry_points(group="apache_airflow_provider") if e.dist and e.dist.name == "airflow-dirops")
    assert found.load()() == INFO
    assert INFO["package-name"] == "airflow-dirops"


def test_the_provider_says_only_what_airflow_understands() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)
    assert set(INFO) <= set(schema["properties"])


def _modules() -> list[str]:
    kinds = ("operators", "sensors", "triggers")
    return [module for kind in kinds for entry in INFO[kind] for module in entry["python-modules"]]


def _classes() -> list[str]:
    return [entry["class-name"] for entry in INFO["task-decorators"]]


@pytest.mark.parametrize("path", [*_modules(), *_classes()])
def test_every_path_in_the_provider_imports(path: str) -> None:
    module, _, name = path.rpartition(".") if path in _classes() else (path, "", "")
    assert not name or hasattr(import_module(module), name)


def test_airflow_finds_the_timetable() -> None:
    (found,) = (e for e in entry_points(group="airflow.plugins") if e.dist and e.dist.name == "airflow-dirops")
    assert found.load().timetables == [type(airflow_dirops.daily_partitions("@daily"))]


def test_the_root_is_a_setting_that_airflow_knows() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    settings = dict(manager.provider_configs)["airflow-dirops"]
    assert settings["dirops"]["options"]["root"]["type"] == "string"


@pytest.mark.parametrize("name", [name for name in airflow_dirops.__all__ if not name.startswith("_")])
def test_public_names_can_be_imported_from_the_package(name: str) -> None:
    assert getattr(airflow_dirops, name).__name__ == name


HEAVY = {"numpy", "skimage", "pandas", "fastapi", "scipy", "PIL", "imageio", "openlineage"}


@pytest.mark.parametrize(
    "statement",
    [
        "from airflow_dirops import DirectoryReadOperator, ManifestSensor, StagedTransformOperator",
        "from airflow_dirops import daily_partitions, dirops_params; daily_partitions('@daily'); dirops_params()",
        "import airflow_dirops.decorators.directory_read, airflow_dirops.decorators.staged_transform",
    ],
)
def test_importing_an_operator_imports_nothing_heavy(statement: str) -> None:
    names = "DAG, Asset, BaseOperator, BaseSensorOperator, CronPartitionTimetable, Param"
    before = f"import airflow_dirops; from airflow.sdk import {names}"
    loaded = _new_modules(before, statement)
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert "airflow_dirops.core.pipeline" not in loaded


def _new_modules(before: str, statement: str) -> set[str]:
    """Which modules a statement imports, after what every DAG file imports anyway."""
    program = (
        f"import json, sys; {before}; seen = set(sys.modules); {statement}; "
        "print(json.dumps([name for name in sys.modules if name not in seen]))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_provider_info_imports_nothing() -> None:
    program = "import sys; import airflow_dirops.provider_info; print('airflow' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
