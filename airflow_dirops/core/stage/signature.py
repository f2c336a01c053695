"""The options of a stage in the signature of a function that takes them as keywords."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_dirops.core.stage.options import OPTIONS

F = TypeVar("F", bound=Callable[..., Any])


def with_options(function: F) -> F:
    """Show the options with their types and defaults where a function is looked at: ``help()``, notebooks, Sphinx.

    Type checkers and editors read the function's ``Unpack[StageKeywords]``, which says no default.

    :param function: takes ``**options``.
    """
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    options = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
        for each in OPTIONS.values()
    ]
    shown = signature.replace(parameters=[*own, *options])
    function.__signature__ = shown  # type: ignore[attr-defined]
    return function
