"""Links lead somewhere, and what the documentation names is there."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import airflow.sdk
import pytest
import typer.main

import airflow_dirops
from airflow_dirops import core
from airflow_dirops.cli.main import app
from airflow_dirops.core import errors
from airflow_dirops.core.codecs import resolve_codec
from airflow_dirops.core.codecs.registry import _BUILT_IN, ENTRY_POINT_GROUP
from airflow_dirops.core.stage.functions import BY_NAME
from airflow_dirops.provider_info import get_provider_info
from airflow_dirops.runtime import guard, metrics, retries
from airflow_dirops.testing import codecs as codec_tests
from airflow_dirops.testing.places import suite as place_suite
from tests.docs.markdown import CHECKOUT, Page, code_in, page, pages

FAMILIES = (errors.InputError, errors.SetupError, errors.TransientError, errors.ConflictError)
FOLDERS = ("airflow_dirops/", "dags/", "docs/", "tests/", "demo/", "benchmarks/", "docker/", ".ci/")


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        assert not anchor or anchor in Page(target).anchors, link


@pytest.mark.parametrize("page", pages(), ids=str)
def test_paths_of_the_checkout_exist(page: Page) -> None:
    for path in page.code:
        if path.startswith(FOLDERS) and " " not in path:
            assert (CHECKOUT / path).exists(), path


@pytest.mark.parametrize("page", pages(), ids=str)
def test_modules_and_classes_exist(page: Page) -> None:
    modules = (airflow_dirops, core, errors, guard, codec_tests, place_suite, airflow.sdk)
    for word in page.code:
        if re.fullmatch(r"airflow_dirops(\.\w+)+", word) and word != ENTRY_POINT_GROUP:
            assert is_there(word), word
        elif re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+", word):
            assert any(hasattr(module, word) for module in modules), word


def is_there(dotted: str) -> bool:
    module, _, name = dotted.rpartition(".")
    is_module = find_spec(module) and not name[0].isupper() and find_spec(dotted)
    return bool(is_module) or hasattr(import_module(module), name)


def leaves(kind: type[errors.DiropsError]) -> list[type[errors.DiropsError]]:
    """Errors that users meet: all of ours below a family, ``KeyRefused`` though another is below it."""
    ours = [
        child
        for child in kind.__subclasses__()
        if child.__module__.startswith(airflow_dirops.__name__)
        and not child.__module__.startswith("airflow_dirops.testing.")
    ]
    return [each for child in ours for each in (child, *leaves(child))]


@pytest.mark.parametrize("package", [airflow_dirops, core], ids=lambda package: package.__name__)
def test_every_public_name_is_on_a_page(package: ModuleType) -> None:
    told = [text for page in pages() for text in (*page.code, *(snippet.text for snippet in page.snippets))]
    words = {word for text in told for word in re.findall(r"\w+", text)}
    assert set(package.__all__) - words == {"__version__"} & set(package.__all__)


def test_every_command_has_a_function() -> None:
    rows = page("docs/on-call.md").table("The same from Python")
    commands = {code_in(command)[0]: code_in(function)[0] for command, function, _ in rows}
    assert set(commands) == {f"dirops {name}" for name in typer.main.get_command(app).commands}
    assert {*commands.values(), *(name for *_, gives in rows for name in code_in(gives))} <= set(core.__all__)


def test_every_error_is_explained_with_its_family() -> None:
    rows = page("docs/errors.md").table("Which errors there are")
    explained = {(*code_in(name), *code_in(kind), family) for name, kind, _, family in rows}
    raised = ((error, family) for family in FAMILIES for error in leaves(family))
    assert explained == {(error.__name__, error.kind, family.__name__) for error, family in raised}


def test_the_retry_table_is_what_airflow_is_told() -> None:
    at_once, retried = (code_in(cells) for _, cells in page("docs/airflow.md").table("Retries"))
    (rule,) = retries.RETRY_POLICY.rules
    every = {error.__name__: error for family in FAMILIES for error in leaves(family)}
    failing = {name for name, error in every.items() if issubclass(error, tuple(rule.exception))}
    assert failing == set(at_once)
    assert set(every) - failing == {name for name in retried if name[0].isupper()}


def test_the_codec_table_is_complete() -> None:
    rows = page("docs/functions.md").table("Codecs")
    documented = {code_in(name)[0]: code_in(suffix)[0] for name, suffix, *_ in rows}
    assert documented == {name: resolve_codec(name).suffix for name in _BUILT_IN}


def test_what_functions_get_by_name() -> None:
    rows = page("docs/functions.md").table("What a function gets")
    assert [code_in(name)[0] for name, _ in rows] == list(BY_NAME)


def test_the_settings_are_those_of_the_provider() -> None:
    options = get_provider_info()["config"]["dirops"]["options"]
    rows = page("docs/airflow.md").table("Configuration")
    assert [code_in(name)[0] for name, _ in rows] == [f"[dirops] {option}" for option in options]


def test_the_table_of_metrics_has_those_that_are_sent() -> None:
    sent = [name for name in vars(metrics).values() if isinstance(name, str) and name.startswith("dirops.")]
    rows = page("docs/airflow.md").table("Metrics")
    assert [code_in(name)[0] for name, _, _ in rows] == sent


def test_the_index_lists_every_page() -> None:
    listed = set(page("docs/README.md").links)
    here = {str(path.relative_to(CHECKOUT / "docs")) for path in (CHECKOUT / "docs").rglob("*.md")}
    assert here - {"README.md"} <= listed


def test_the_rooms_of_the_core_are_those_of_the_layers() -> None:
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in settings if each.get("containers") == ["airflow_dirops.core"])
    rows = page("CONTRIBUTING.md").table("The rooms of the core")
    assert [code_in(rooms) for rooms, _ in rows] == [layer.split(" | ") for layer in layers]
