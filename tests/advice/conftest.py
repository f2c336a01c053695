"""Stages to provoke, and what is asked for to follow their messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, read_directory

Run = Callable[..., Outcome]


def read_text(path: str) -> str:
    return Path(path).read_text()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    directory = tmp_path / "raw"
    directory.mkdir()
    for name in "abc":
        (directory / f"{name}.txt").write_text(name * 3)
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out/target"


@pytest.fixture
def run(raw: Path, target: Path) -> Run:
    """The stage ``letters``, with what a test changes of it."""

    def run(**changes: Any) -> Outcome:
        options: dict[str, Any] = {"source": raw, "target": target, "read": read_text, "codec": "text"}
        return read_directory(**{**options, "stage": "letters", **changes})

    return run


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call something that must fail, and give its message."""

    def refused(call: Callable[..., Any], **options: Any) -> str:
        with pytest.raises(errors.DiropsError) as error:
            call(**options)
        return str(error.value)

    return refused
