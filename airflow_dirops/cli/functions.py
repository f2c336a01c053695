"""What is named on the command line: ``module:name``, found as ``python -m`` finds modules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused


def load_function(option: str, name: str | None) -> Callable[..., Any] | None:
    """The function that an option names.

    :param option: which one named it, for the message.
    :param name: ``module:function``, or None.
    :raises ArgumentRefused: if there is no such function.
    """
    if name is None:
        return None
    function: Callable[..., Any] = _load(option, name, "function")
    if not callable(function):
        raise ArgumentRefused(f"{option} {name!r} is a {type(function).__name__}, not a function")
    return function


def load_codec(option: str, name: str | None) -> Any:
    """The codec that an option names.

    :param option: as for :func:`load_function`.
    :param name: a codec's name, or ``module:object``, or None.
    :returns: the name, or the object; None where nothing was named.
    :raises ArgumentRefused: if there is no such object.
    """
    return name if name is None or ":" not in name else _load(option, name, "codec")


def _load(option: str, name: str, what: str) -> Any:
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # an installed script has its own folder there, not the working directory
    try:
        return attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentRefused(
            f"{option} {name!r} names no {what}: {error}; write it as module:{what}, seen from this directory"
        ) from error
