"""The tables of arguments are the signatures: names, defaults, and which fields are templated."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

from airflow_dirops import DirectoryReadOperator, DirectorySensor, ManifestSensor, StagedTransformOperator
from airflow_dirops.operators.stage import StageOperator
from airflow_dirops.runtime.fields import PathFields
from tests.docs.markdown import code_in, page

GUIDE = page("docs/airflow.md")
GROUPS = ("Every day", "When something is wrong", "Once, when a stage is set up or changed")
OPERATORS = [row for group in GROUPS for row in GUIDE.table(group)]
SENSOR = GUIDE.table("Waiting for a stage")
FOLDER = GUIDE.table("The rules of a folder")
COMPUTED = {"retry_policy", "deferrable"}  # their defaults are no literals


def arguments(*kinds: type) -> dict[str, Any]:
    found = {}
    for kind in (*kinds, PathFields):
        for parameter in inspect.signature(inspect.unwrap(kind.__init__)).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "map_index_template":  # every task's
                found.setdefault(parameter.name, parameter.default)  # the reader's read comes first, and is needed
    return found


CASES = [
    pytest.param(OPERATORS, arguments(DirectoryReadOperator, StagedTransformOperator), id="operators"),
    pytest.param(SENSOR, arguments(ManifestSensor), id="sensor"),
    pytest.param(FOLDER, arguments(DirectorySensor), id="folder"),
]


@pytest.mark.parametrize(("rows", "signature"), CASES)
def test_arguments_and_defaults(rows: list[list[str]], signature: dict[str, Any]) -> None:
    assert sorted(code_in(name)[0] for name, *_ in rows) == sorted(signature)
    for name, default, _ in rows:
        actual = signature[code_in(name)[0]]
        if code_in(name)[0] in COMPUTED:
            continue
        if not default:
            assert actual is inspect.Parameter.empty, name
        else:
            assert ast.literal_eval(code_in(default)[0]) == actual, name


@pytest.mark.parametrize(
    ("rows", "kind"), [(OPERATORS, StageOperator), (SENSOR, ManifestSensor), (FOLDER, DirectorySensor)]
)
def test_templated_fields(rows: list[list[str]], kind: Any) -> None:
    templated = {code_in(name)[0] for name, _, text in rows if text.endswith("Templated")}
    assert templated == set(kind.template_fields)
