"""Has the code behind a stage's outputs changed?

A fingerprint covers the function, what it uses of its own module and package, the versions of the
distributions it uses, the codec and the parameters. Comments, docstrings, layout and a function's annotations
do not count, nor does where the code lies or what its module is called.

What it does not see: what the code finds by name at run time (``getattr``, ``importlib``), files and
environment variables that it reads, and the state of random generators, loggers and other objects that are
not values.
``docs/decisions/0003-fingerprint.md`` has the reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.walk import Walk, combine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["fingerprint"]


def fingerprint(
    function: Callable[..., Any],
    *,
    codec: str,
    params: Mapping[str, Any] | None = None,
    version: str | None = None,
) -> str:
    """Name the computation that a function, a codec and parameters stand for.

    :param function: any callable; it is not called.
    :param codec: the name of the codec that writes the outputs.
    :param params: what the function gets besides its input; their order does not count.
    :param version: stands for everything about the code, which is then not looked at.
    :return: ``sha256:`` and 64 hexadecimal digits.
    """
    walk = Walk(function)
    code = combine("version", version) if version is not None else walk.digest(function)
    whole = combine("fingerprint/1", code, codec, walk.digest(dict(params or {})))
    return f"sha256:{whole.hex()}"
