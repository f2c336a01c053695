"""Every command that the documentation gives exists; the README's own are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from itertools import dropwhile
from pathlib import Path

import pytest
import typer.main

from airflow_dirops.cli.main import app
from airflow_dirops.core import read_manifest, transform_directory
from tests.docs.conftest import write_images
from tests.docs.markdown import CHECKOUT, page, pages

COMMANDS = sorted({command for page in pages() for command in page.commands()})
DIROPS = typer.main.get_command(app)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists(command: str) -> None:
    words = dropwhile(lambda word: re.fullmatch(r"[A-Z_]+=.*", word), shlex.split(command))
    program, *arguments = words
    CHECKS[program](arguments)


def check_make(arguments: list[str]) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    for argument in arguments:
        name, is_variable, _ = argument.partition("=")
        pattern = rf"\$\((?:filter-out 0,\$\()?{name}\)" if is_variable else rf"^(?:\w+ )*{name}(?: \w+)*:"
        assert re.search(pattern, makefile, re.MULTILINE), argument


def check_dirops(arguments: list[str]) -> None:
    name, *rest = arguments
    if name.startswith("-"):
        assert name in {option for parameter in DIROPS.params for option in parameter.opts}
        return
    command = DIROPS.commands[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in rest if argument.startswith("-")} <= options


def check_airflow(arguments: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    assert get_parser().parse_args(arguments).func


def check_python(arguments: list[str]) -> None:
    assert arguments[0] == "-m"
    found = find_spec(arguments[1])
    assert found
    is_package = found.submodule_search_locations is not None
    assert find_spec(f"{arguments[1]}.__main__") if is_package else "__main__" in Path(found.origin or "").read_text()


def check_ci(arguments: list[str]) -> None:
    assert os.access(CHECKOUT / ".ci/run", os.X_OK)


def check_hidden(arguments: list[str]) -> None:
    assert os.access(CHECKOUT / ".ci/hidden", os.X_OK)
    program, *rest = arguments
    CHECKS[program](rest)


def check_pip(arguments: list[str]) -> None:
    """What is installed beside the package is what it asks for, but for Airflow."""
    verb, *rest = arguments
    assert verb == "install"
    names = [each.partition("=")[0] for each in rest if not each.startswith(("--", "https://"))]
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        wanted = {re.split(r"[<>=]", each)[0] for each in tomllib.load(file)["project"]["dependencies"]}
    assert {"airflow-dirops"} <= set(names) or set(names) == wanted - {"apache-airflow"}
    assert set(names) <= wanted | {"airflow-dirops"}


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": check_make,
    "dirops": check_dirops,
    "airflow": check_airflow,
    "pip": check_pip,
    "python": check_python,
    ".ci/run": check_ci,
    ".ci/hidden": check_hidden,
}


def test_the_readmes_commands_look_after_what_its_snippet_made(workplace: Path) -> None:
    (snippet,) = page("README.md").python()
    snippet.run({"__name__": "readme"})
    write_images(workplace / "raw", 4)
    snippet.run({"__name__": "readme"})
    _put_dags_under_git(workplace)
    named = [shlex.split(command)[1:] for command in page("README.md").commands() if command.startswith("dirops ")]
    for arguments in named:
        if arguments[0] in ("publish", "reject"):
            _hold(workplace)
        command = [sys.executable, "-m", "airflow_dirops", *arguments]
        done = subprocess.run(command, cwd=workplace, capture_output=True, text=True, check=False)
        differs = arguments[0] == "diff"  # as diff(1) says it
        assert done.returncode == (1 if differs else 0), done.stderr
        if arguments[0] == "rollback":
            assert len(list((workplace / "final/red_channel").glob("*.npy"))) == 3


def _hold(workplace: Path) -> None:
    target = workplace / "final/red_channel"
    held = transform_directory(
        source=workplace / "interim/to_numpy",
        target=target,
        transform=lambda image: image,
        stage=read_manifest(target).stage,
        redo="all",
        publish="hold",
    )
    assert held.outcome == "held"


def _put_dags_under_git(workplace: Path) -> None:
    shutil.copytree(CHECKOUT / "dags", workplace / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    for arguments in (("init", "--initial-branch=main"), ("add", "dags"), (*identity, "commit", "-m", "DAGs")):
        subprocess.run(["git", *arguments], cwd=workplace, check=True, capture_output=True)


def test_the_readme_names_every_dirops_command() -> None:
    named = {shlex.split(command)[1] for command in page("README.md").commands() if command.startswith("dirops ")}
    assert named == set(DIROPS.commands)


def test_commands_in_running_text_exist() -> None:
    mentioned = [
        words for each in pages() for words in each.code if words.startswith(("dirops ", "make ", "python -m "))
    ]
    assert mentioned
    for words in mentioned:
        program, *arguments = shlex.split(words)
        CHECKS[program](arguments)


def test_the_readme_has_no_dead_links_where_it_is_shown_alone() -> None:
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        hook = tomllib.load(file)["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    (rule,) = hook["substitutions"]
    shown = re.sub(rule["pattern"], rule["replacement"], (CHECKOUT / "README.md").read_text())
    assert "](" not in shown.replace("](https://", "")
    assert "| docs/airflow.md |" in shown
