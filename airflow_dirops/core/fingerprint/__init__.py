"""Has the code behind a stage's outputs changed, and what of it?

A fingerprint covers the function, what it uses of its own module and package, the versions of the
distributions it uses, the codec and the parameters. Comments, docstrings, layout, a function's annotations and the
names of its variables do not count, nor does where the code lies or what its module is called.

What it does not see: what the code finds by name at run time (``getattr``, ``importlib``), files and
environment variables that it reads, and the state of random generators, loggers and other objects that are
not values.
``docs/decisions/0003-fingerprint.md`` has the reasons.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.fingerprint.walk import Walk, combine
from airflow_dirops.core.format.code import Code, CodePart, collected, part_name, part_text, part_value, short_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["fingerprint", "fingerprint_of_all"]


def fingerprint(
    function: Callable[..., Any],
    *,
    codec: str,
    params: Mapping[str, Any] | None = None,
    version: str | None = None,
    by_keyword: Collection[str] = (),
) -> Code:
    """What names the computation that a function, a codec and parameters stand for.

    :param function: any callable; it is not called.
    :param codec: the name of the codec that writes the outputs.
    :param params: what the function gets besides its input; their order does not count.
    :param version: stands for everything about the code, which is then not looked at.
    :param by_keyword: the parameters that are passed to the function by keyword, so that their names count.
    :returns: its fingerprint is ``sha256:`` and 64 hexadecimal digits.
    """
    given = dict(params or {})
    parts = [CodePart(kind="codec", name="codec", value=part_text(codec), digest=short_digest(codec.encode()))]
    if version is not None:
        code = combine("version", version)
        parts.append(CodePart(kind="version", name="version", value=part_text(version), digest=short_digest(code)))
    values = Walk(function, None)
    for name, value in sorted(given.items()):
        digest = short_digest(values.digest(value))
        parts.append(CodePart(kind="param", name=part_name(name), digest=digest, value=part_value(name, value)))
    whole_params = values.digest(given)
    if version is None:
        walk = _walked(function, by_keyword)
        code = walk.digest(function)
        parts += sorted(walk.found, key=lambda part: part.kind != "package")
    whole = combine("fingerprint/2", code, codec, whole_params)
    kept, left_out = collected(parts)
    return Code(f"sha256:{whole.hex()}", kept, left_out)


def fingerprint_of_all(codes: Iterable[Code]) -> Code:
    """Name what several functions do one after the other."""
    every = [*codes]
    parts, left_out = collected(chain.from_iterable(code.parts for code in every))
    return Code("+".join(code.fingerprint for code in every), parts, left_out + sum(code.left_out for code in every))


def _walked(function: Callable[..., Any], by_keyword: Collection[str]) -> Walk:
    walk = Walk(function, by_keyword)
    walk.digest(function)
    if walk.needs_names:
        walk = Walk(function, None)
        walk.digest(function)
    return walk
