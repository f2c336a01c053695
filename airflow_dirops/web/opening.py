"""From an address to a snapshot: only below a root, through no link, and only for those who may read its DAG."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from airflow_dirops.core import Snapshot, open_snapshot
from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.entries import path_problem
from airflow_dirops.core.format.manifest import Manifest
from airflow_dirops.web.access import Visitor, iter_roots
from airflow_dirops.web.asked import Asked

_NOTHING_TO_SEE = "There is no target here, or it is one of a DAG that you may not read."


class Refusal(Exception):
    """The page cannot show that, and says why.

    :param status: of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unseen(Refusal):
    """There is nothing to be seen from here; Airflow's own database may know more."""


class Root(NamedTuple):
    """A directory that the page may open.

    :param name: the connection's id; empty for ``[dirops] root``.
    :param path: with no link left in it.
    """

    name: str
    path: str

    @property
    def title(self) -> str:
        return self.name or "[dirops] root"

    @property
    def is_there(self) -> bool:
        """Whether this machine sees it."""
        return os.path.isdir(self.path)


class Location(NamedTuple):
    """Where a target is.

    :param relative: its path below the root.
    """

    root: Root
    relative: str

    @property
    def path(self) -> str:
        return os.path.join(self.root.path, self.relative)

    @property
    def fields(self) -> Asked:
        """Of an address."""
        return Asked(root=self.root.name, target=self.relative)


def list_roots() -> list[Root]:
    """The roots, each once."""
    return [Root(name, os.path.realpath(os.path.expanduser(path))) for name, path in iter_roots() if path.strip()]


def locate(asked: Asked, roots: Iterable[Root] | None = None) -> Location:
    """Where an address leads to.

    :raises Refusal: if that is below no root.
    """
    roots = list_roots() if roots is None else list(roots)
    if asked.target.startswith("/"):
        return _below_some(asked.target, roots)
    for root in roots:
        if root.name == asked.root:
            return _checked(root, asked.target)
    raise Refusal(404, f"There is no root {asked.root!r} here: only [dirops] root, and connections 'Directory root'.")


@contextmanager
def opened(location: Location, visitor: Visitor, snapshot: str = "") -> Iterator[Snapshot]:
    """A snapshot, held open, of a DAG that the visitor may read.

    :param snapshot: its id; empty for the current one.
    :raises Refusal: if it is not there, or not for them.
    """
    path = location.path
    check_no_link(location)
    try:
        found = open_snapshot({"target": path, "snapshot": snapshot} if snapshot else path)
    except DiropsError as error:
        raise _unopened(location, visitor, error) from error
    with found:
        _check_where_it_lies(found, location)
        check_may_read(found.manifest, visitor)
        yield found


def check_may_read(manifest: Manifest, visitor: Visitor) -> None:
    """Refuse what a DAG wrote that the visitor may not read.

    :raises Refusal: the same as where there is nothing.
    """
    if not visitor.may_read(manifest.attempt.dag_id):
        raise Refusal(404, _NOTHING_TO_SEE)


def check_no_link(location: Location) -> None:
    """Refuse a path that leads through a link, wherever that leads.

    :raises Refusal: if it does.
    """
    if os.path.realpath(location.path) != location.path:
        raise Refusal(
            403,
            f"{location.relative!r} leads through a link, and this page follows none. Make the directory that it leads "
            "to a root too: a connection 'Directory root'.",
        )


def _below_some(path: str, roots: list[Root]) -> Location:
    fitting = [root for root in roots if path.startswith(root.path.rstrip("/") + "/")]
    if not fitting:
        raise Refusal(
            403,
            "This target is below no root that the page may open. Roots are [dirops] root and connections 'Directory "
            "root', as the api-server knows them.",
        )
    root = max(fitting, key=lambda root: len(root.path))
    return _checked(root, os.path.relpath(path, root.path))


def _checked(root: Root, relative: str) -> Location:
    relative = relative.rstrip("/")
    if problem := path_problem(relative):
        raise Refusal(404, f"There is no target at {relative!r}: {problem}.")
    return Location(root, relative)


def _check_where_it_lies(found: Snapshot, location: Location) -> None:
    """What is open decides, and not its name: somebody may have put a link there meanwhile."""
    really = os.path.realpath(found.held.path_of(""))
    above, name = os.path.split(location.path)
    if really != location.path and not really.startswith(os.path.join(above, ".dirops", name, "")):
        raise Refusal(403, f"{location.relative!r} has become a link, and this page follows none.")


def _unopened(location: Location, visitor: Visitor, error: DiropsError) -> Refusal:
    if not location.root.is_there:
        return Unseen(404, f"This api-server does not see {location.root.path!r}, which is {location.root.title}.")
    # It may quote a manifest of which nobody knows whose it is.
    return Unseen(404, str(error) if visitor.may_read("") else _NOTHING_TO_SEE)
