"""Any text can be written to a log, a manifest and a terminal: printable, bounded, and without its secrets."""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_dirops.core import errors
from airflow_dirops.core.messages.shown import MAX_SHOWN, is_shown, logger, masked_by, shown

SECRET = "hunter2/+="
ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT)
@example("caf\udce9.png")
@example("\x1b[31mred\x1b[0m\0\r\x85\u202egnp.exe")
def test_any_text_can_be_written(text: str) -> None:
    clean = shown(text)
    assert msgspec.json.decode(msgspec.json.encode(clean)) == clean
    assert all(letter.isprintable() or letter in "\t\n" or ord(letter) > 127 for letter in clean)
    assert shown(clean) == clean
    assert is_shown(clean)


def test_what_is_escaped_reads_as_python_writes_it() -> None:
    assert shown("caf\udce9\x1b[1m\0 é 漢\n\tx") == "caf\\udce9\\x1b[1m\\x00 é 漢\n\tx"


@pytest.mark.parametrize("length", [MAX_SHOWN + 100, 20_000_000])
def test_of_a_long_text_head_and_tail_are_kept(length: int) -> None:
    clean = shown("a" * (length // 2) + "z" * (length // 2))
    assert clean.startswith("aaa")
    assert clean.endswith("zzz")
    assert f"{length - MAX_SHOWN:,} characters left out" in clean
    assert len(clean) < MAX_SHOWN + 64
    assert is_shown(clean)


def test_escapes_do_not_make_a_text_longer_than_the_limit() -> None:
    assert len(shown("\udcff" * 3_000)) < MAX_SHOWN + 64


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach postgresql+psycopg2://etl:{SECRET}@db:5432/x",
        "git clone https://hunter2@github.com/x failed",
        "s3://AKIA:hunter2/x/y@bucket",
        "connect(password=hunter2, user=me)",
        "connect(password='hunter2 and more')",
        "aws_secret_access_key = hunter2",
        '{"api_key": "hunter2"}',
        "{'token': 'hunter2'}",
        "GET /blob?sv=2024&sig=hunter2%3D",
        "PWD=hunter2;UID=me",
        "Authorization: Bearer hunter2hunter2",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in shown(text)
    assert "***" in shown(text)
    assert "hunter2" not in str(errors.InputError("it failed", [text]))


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/a@2x.png",
        "ssh://git@host/x",
        "unexpected token: 'x'",
        "max_tokens=512",
        "f(token=None)",
        "/data/tokens/password/1.png",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert shown(text) == text


@given(st.integers(0, 9_000))
def test_no_cut_leaves_a_part_of_a_secret(before: int) -> None:
    text = "x" * before + f"https://me:{'S' * 60}@host" + "y" * (9_000 - before)
    assert "S" not in shown(text)


def test_a_mask_that_knows_more_is_asked_too() -> None:
    with masked_by(lambda text: text.replace("swordfish", "***")):
        assert shown("say swordfish") == "say ***"
        assert str(errors.SetupError("say swordfish")) == "say ***"
    assert shown("say swordfish") == "say swordfish"
    with masked_by(lambda text: 1 / 0):  # type: ignore[arg-type, return-value]
        assert shown("password=x") == "password=***"


class Odd:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(0), RecursionError()])
def test_what_has_no_text_is_named(error: BaseException) -> None:
    assert shown(Odd(error)) == f"<a Odd that cannot be shown: its text raises {type(error).__name__}>"


@pytest.mark.parametrize(
    "error",
    [
        errors.RecordFailed("caf\udce9 \x1b[2J", ["\udcff" * 100_000]),
        errors.KeyTaken("caf\udce9", "caf\udce9"),
        errors.StorageError("writing", os.fsdecode(b"/caf\xe9"), OSError(5, "caf\udce9")),
        errors.StorageError("writing", "/x", OSError("caf\udce9" * 1_000_000)),
        errors.SnapshotDamaged("many", map(str, range(100_000))),
    ],
)
def test_every_error_of_the_package_can_be_written(error: errors.DiropsError) -> None:
    assert is_shown(str(error), 120_000)
    assert len(str(error)) < 10_000


def test_every_line_of_the_log_can_be_written(caplog: pytest.LogCaptureFixture) -> None:
    log = logger("airflow_dirops.core.test_shown")
    assert logger("airflow_dirops.core.test_shown") is log
    log.warning("failed: %s, %d", "caf\udce9" * 10_000, 3)
    log.warning("plain: %s", "é")
    first, second = caplog.messages
    assert is_shown(first, MAX_SHOWN)
    assert second == "plain: é"


def test_every_logger_of_the_core_is_one_of_those() -> None:
    import airflow_dirops.core.pipeline  # noqa: F401

    ours: list[Any] = [
        made
        for name, made in logging.root.manager.loggerDict.items()
        if name.startswith("airflow_dirops.core.") and isinstance(made, logging.Logger)
    ]
    assert ours
    assert [made.name for made in ours if not made.filters] == []
