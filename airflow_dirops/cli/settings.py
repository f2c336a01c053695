"""The ``[dirops]`` settings of Airflow, read without Airflow, whose import takes longer than most commands.

The order is Airflow's own: the environment, then ``airflow.cfg``. Its ``_CMD`` and ``_SECRET`` variants are for
sensitive options only, and none of ours is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from configparser import ConfigParser, Error
from typing import NamedTuple

from airflow_dirops.core.errors import ArgumentRefused

_SECTION = "dirops"
_MAX_EXPANSIONS = 20


class Setting(NamedTuple):
    """A setting, and where it was found."""

    value: str
    origin: str


def setting(option: str) -> Setting | None:
    """What an option of the section is set to, and where.

    :param option: its name in the section.
    :returns: None where it is not set, or set to nothing.
    :raises ArgumentRefused: if ``airflow.cfg`` is there and cannot be read.
    """
    variable = variable_of(option)
    if variable in os.environ:
        found = Setting(_expanded(os.environ[variable]), variable)
    else:
        found = Setting(_from_file(option), config_file())
    return found if found.value else None


def number(option: str, kind: Callable[[str], float], default: float) -> float:
    """A setting that is a number, of 0 or more.

    :param kind: ``int`` or ``float``.
    :raises ArgumentRefused: if it is none.
    """
    if (found := setting(option)) is None:
        return default
    try:
        value = kind(found.value)
    except ValueError:
        value = -1
    if not value >= 0:
        raise ArgumentRefused(f"{option}={found.value!r} ({found.origin}) is no number of 0 or more; mend it there")
    return value


def variable_of(option: str) -> str:
    """The name of the environment variable that sets an option."""
    return f"AIRFLOW__{_SECTION.upper()}__{option.upper()}"


def config_file() -> str:
    """Where Airflow's configuration is, or would be."""
    if (path := os.environ.get("AIRFLOW_CONFIG")) is not None:
        return _expanded(path)
    return os.path.join(_expanded(os.environ.get("AIRFLOW_HOME", "~/airflow")), "airflow.cfg")


def _from_file(option: str) -> str:
    parser = ConfigParser()
    try:
        with open(config_file()) as file:
            parser.read_file(file)
        return _expanded(parser.get(_SECTION, option, fallback="") or "")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeError, Error) as error:
        raise ArgumentRefused(
            f"the configuration of Airflow, {config_file()!r}, cannot be read: {error}; mend it, or set "
            f"{variable_of(option)} instead"
        ) from error


def _expanded(value: str) -> str:
    for _ in range(_MAX_EXPANSIONS):
        value, before = os.path.expanduser(os.path.expandvars(value)), value
        if value == before:
            break
    return value
