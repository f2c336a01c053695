"""What leaves a stage goes through Airflow's own log, of which every line is JSON that travels to the supervisor."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from airflow.sdk import DAG
from airflow.sdk.log import logging_processors, mask_secret

from airflow_dirops import DirectoryReadOperator
from airflow_dirops.core import errors, read_directory
from tests.text_files import read_text, write

if TYPE_CHECKING:
    from tests.doors.airflow_runs import Runs

LATIN_1 = os.fsdecode(b"caf\xe9.txt")


class Textless(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


def with_note(error: Exception) -> Exception:
    error.add_note(LATIN_1)
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "a name that is not UTF-8": lambda: OSError(2, "gone", LATIN_1),
    "a note": lambda: with_note(ValueError("x")),
    "no text": Textless,
    "a group": lambda: ExceptionGroup("g", [ValueError(LATIN_1)]),
    "a huge message": lambda: ValueError("x" * 15_000_000),
    "code of a file with such a name": lambda: SyntaxError("bad", (LATIN_1, 1, 1, "x = \udce9")),
    "an exit": lambda: SystemExit(LATIN_1),
}


@pytest.fixture
def lines() -> Callable[[BaseException], list[bytes]]:
    """What Airflow writes for an error: as its task processes do."""

    def logged(error: BaseException) -> list[bytes]:
        sink = io.BytesIO()
        processors = logging_processors(json_output=True, sending_to_supervisor=True)
        log = structlog.wrap_logger(structlog.BytesLogger(sink), processors=list(processors))
        log.error("Task failed with exception", exc_info=error)
        return sink.getvalue().splitlines()

    return logged


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("workers", [1, 2])
def test_airflows_log_holds_an_error_with_all_its_causes(
    tmp_path: Path, make: Callable[[], BaseException], workers: int, lines: Callable[[BaseException], list[bytes]]
) -> None:
    (tmp_path / "raw").mkdir()
    with open(os.path.join(tmp_path, "raw", LATIN_1), "w") as file:
        file.write("x")

    def read(path: str) -> None:
        raise make()

    with pytest.raises(errors.RecordFailed) as caught:
        read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=read, codec="text", workers=workers)
    (line,) = lines(caught.value)
    assert len(line) < 100_000
    chain = json.loads(line)["exception"]
    assert chain[0]["exc_type"] == "RecordFailed"
    assert "caf\\udce9.txt" in chain[0]["exc_value"]
    assert len(chain) > 1


@pytest.fixture
def told_secret() -> Iterator[str]:
    """A value that Airflow masks, as it does the password of each connection."""
    from airflow.sdk._shared.secrets_masker import reset_secrets_masker

    mask_secret("sw0rdf1sh")
    yield "sw0rdf1sh"
    reset_secrets_masker()


def test_what_airflow_masks_is_in_no_file_of_a_target(runs: Runs, root: Path, told_secret: str) -> None:
    write(root / "raw", a="good", b="bad")

    def connect(path: str) -> Any:
        text = read_text(path)
        if text == "bad":
            raise ConnectionError(f"no route to postgresql://etl:hunter2@db/x, key {told_secret}")
        return text

    with DAG("secrets", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="out", read=connect, codec="text", on_error="quarantine", workers=2
        )
    run = runs(dag)
    assert run.state("read") == "success"
    written = b"".join(path.read_bytes() for path in (root / "out").rglob("*") if path.is_file())
    assert b"no route to postgresql://etl:***@db/x, key ***" in written
    for secret in (b"hunter2", told_secret.encode()):
        assert secret not in written


def test_the_tasks_log_ends_with_what_was_set_aside(runs: Runs, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "raw", a="good", b="bad")

    def strict(path: str) -> str:
        if read_text(path) == "bad":
            raise ValueError("bad")
        return "good"

    with DAG("aside", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read", source="raw", target="out", read=strict, codec="text", on_error="quarantine"
        )
    runs(dag)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_dirops")]
    assert ours[-1] == (f"1 of 2 inputs were set aside, since they failed; which and why: dirops failures {root}/out")
