"""What ``[dirops]`` in Airflow's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from airflow.sdk.configuration import conf

from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from airflow_dirops.core import Retention
    from airflow_dirops.core.stage.policies import Durability


def root() -> str | None:
    """The directory that relative paths are resolved against: ``[dirops] root``."""
    return conf.get("dirops", "root", fallback=None) or None


def workers(given: int | Literal["auto"] | None) -> int | Literal["auto"]:
    """How many processes work on files: as the operator says, else as ``[dirops] workers`` does.

    :param given: what the operator says, or None.
    :raises ArgumentRefused: if it is no count.
    """
    if given is not None:
        return given
    said = conf.get("dirops", "workers", fallback="1").strip()
    if said == "auto":
        return "auto"
    if not (said.isascii() and said.isdecimal() and int(said)):
        raise _refused("workers", said, "a count such as 4, or to auto")
    return int(said)


def durability(given: Durability | None) -> Durability:
    """What a commit survives: as the operator says, else as ``[dirops] durability`` does.

    :param given: what the operator says, or None.
    :raises ArgumentRefused: if it is none of the choices.
    """
    from airflow_dirops.core.stage.policies import Durability

    if given is not None:
        return given
    said = conf.get("dirops", "durability", fallback="full").strip()
    choices: tuple[Durability, ...] = get_args(Durability)
    for choice in choices:
        if said == choice:
            return choice
    raise _refused("durability", said, " or ".join(choices))


def _refused(name: str, said: str, to: str) -> ArgumentRefused:
    return ArgumentRefused(
        f"[dirops] {name} is {said!r}; set it to {to}, in the section [dirops] of airflow.cfg or in "
        f"AIRFLOW__DIROPS__{name.upper()}"
    )


def retention(given: Retention | None) -> Retention:
    """How long replaced snapshots are kept: as the operator says, else as the ``[dirops]`` section does.

    :param given: what the operator says, or None.
    """
    from airflow_dirops.core.stage.retention import Retention, check_retention

    retention = Retention() if given is None else given
    check_retention(retention)

    return retention.completed(_bound)


def _bound(name: str, default: float) -> float:
    said = conf.get("dirops", name, fallback="").strip()
    if not said:
        return default
    try:
        bound = type(default)(said)
    except ValueError:
        bound = -1
    if not bound >= 0:
        to = "a count of snapshots such as 3" if isinstance(default, int) else "a number of hours such as 48"
        raise _refused(name, said, f"{to}, or to 0")
    return bound
