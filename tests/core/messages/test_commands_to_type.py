"""What messages tell a person to type takes a target's path as it is, whatever characters it has."""

from __future__ import annotations

import re
import shlex
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory, upkeep
from airflow_dirops.core.messages.commands import dirops_command
from airflow_dirops.core.upkeep.door import Target, door
from tests.core.directories import write_texts
from tests.core.seed import read_text

NAMES = ["two words", "it's", 'a "b"', "5; `x`", "two  spaces"]


def typed_in(message: str, command: str) -> list[str]:
    """The words of a command, as a shell takes what begins where the message names it."""
    found = re.search(rf"dirops {command} .*", message)
    assert found, message
    lexer = shlex.shlex(found[0], posix=True, punctuation_chars="();")
    lexer.whitespace_split = True
    return [lexer.get_token() or "" for _ in range(3)]


@pytest.fixture(params=NAMES)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "out" / str(request.param)


def test_a_removal(odd: Path, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "in", **{f"t{number}": "x" for number in range(30)})
    options: dict[str, Any] = {"source": source, "target": odd, "read": read_text, "codec": "text"}
    read_directory(**options)
    for path in sorted(source.iterdir())[:20]:
        path.unlink()
    with pytest.raises(errors.TooManyRemoved) as refused:
        read_directory(**options)
    assert typed_in(str(refused.value), "accept-removal")[2] == str(odd)
    upkeep.accept_removal(typed_in(str(refused.value), "accept-removal")[2])
    read_directory(**options)


def test_no_room(odd: Path) -> None:
    read_directory(source=write_texts(odd.parent / "in", a="a"), target=odd, read=read_text, codec="text")

    @door
    def fill(target: Target) -> None:
        raise errors.StorageError("writing", target, OSError(ENOSPC, "No space left on device"))

    with pytest.raises(errors.StorageError) as refused:
        fill(odd)
    typed = typed_in(str(refused.value), "clean")[2]
    assert typed == str(odd)
    upkeep.clean(typed)


def test_a_path_that_begins_like_an_option() -> None:
    assert dirops_command("clean", "-rf") == "dirops clean ./-rf"
