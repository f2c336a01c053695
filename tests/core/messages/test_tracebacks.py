"""Errors of others, as messages quote them."""

import pytest

from airflow_dirops.core.messages.tracebacks import sentence


@pytest.mark.parametrize("message", ["no number", "no number.", "no number.."])
def test_a_sentence_has_one_full_stop(message: str) -> None:
    assert sentence(ValueError(message)) == "ValueError: no number."
