"""A function that is named on the command line: ``module:function``, found as ``python -m`` finds modules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused


def load_function(option: str, name: str | None) -> Callable[..., Any] | None:
    """
    :param option: which one named it, for the message.
    :param name: ``module:function``, or None.
    :raises ArgumentRefused: if there is no such function.
    """
    if name is None:
        return None
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # an installed script has its own folder there, not the working directory
    try:
        found = attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentRefused(
            f"{option} {name!r} names no function: {error}; write it as module:function, seen from this directory"
        ) from error
    if not callable(found):
        raise ArgumentRefused(f"{option} {name!r} is a {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function
