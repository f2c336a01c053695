"""Look before anything is written: can this target be replaced whole, and would that harm nobody?"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from airflow_dirops.core.disk.durable import make_directories
from airflow_dirops.core.disk.identity import Mounts
from airflow_dirops.core.errors import ManifestDamaged, ManifestMissing, TargetRefused, storage_errors
from airflow_dirops.core.format.control import Adoption
from airflow_dirops.core.format.entries import CONTROL_DIRECTORY, MANIFEST_DIRECTORY, RESERVED, mtime_ns_of
from airflow_dirops.core.format.manifest import HEADER, Manifest
from airflow_dirops.core.place.claim import Terms
from airflow_dirops.core.places.directory.header import read_manifest
from airflow_dirops.core.rules.replacing import refuse_foreign, refuse_unmanaged


def check_target(target: str | os.PathLike[str], sources: Iterable[Path]) -> Path:
    """The real path of a target, checked.

    :param target: absolute, or relative to the working directory; a link stays one, and what it points to is
        replaced.
    :param sources: the directories that the stage reads.
    :raises TargetRefused: with every reason found.
    """
    path = Path(os.path.realpath(target))
    with storage_errors("looking at the target", path):
        findings = list(_findings(path, sources))
    if findings:
        raise TargetRefused(f"the target {str(target)!r} cannot be written", findings)
    return path


def make_writable(path: Path) -> None:
    """Make a target's parent where it is missing.

    :param path: the target's real path.
    :raises TargetRefused: if this user may not write there, or nobody may.
    """
    make_directories(path.parent)
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        raise TargetRefused(
            f"the directory {str(path.parent)!r} is on a file system that is mounted read-only; remount it, or choose "
            "another target"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise TargetRefused(
            f"the directory {str(path.parent)!r} is not writable for user {os.geteuid()}; "
            "a target is replaced by renaming within it, so give that user permission to write there"
        )
    if path.is_dir() and not os.access(path, os.W_OK):
        raise TargetRefused(
            f"the target {str(path)!r} is not writable for user {os.geteuid()}, and a directory that is moved must be; "
            f"who owns it can let its group write it: find {shlex.quote(str(path))} -type d -exec chmod g+w {{}} +"
        )


def check_same_device(target: Path, control: Path) -> None:
    """Refuse a control directory on another file system.

    :raises TargetRefused: if staging would lie on another file system, where a rename is a copy.
    """
    if target.parent.stat().st_dev != control.stat().st_dev:
        raise TargetRefused(
            f"{str(control)!r} is on another file system than {str(target.parent)!r}, so nothing can be renamed "
            "between them; remove that mount or link, or choose another target"
        )


def read_base(target: Path, terms: Terms, adoption: Adoption | None = None) -> Manifest | None:
    """The manifest of the snapshot that would be replaced, or None where there is none.

    :param adoption: what somebody has allowed, for once.
    :raises TargetRefused: if the directory there is not ours, or another stage's, and nobody allowed it; or if a
        trial run would replace a full snapshot.
    """
    try:
        base = read_manifest(target)
    except (ManifestMissing, ManifestDamaged) as error:
        if not is_vacant(target):
            refuse_unmanaged(str(target), error, terms, adoption, last_changed(target))
            check_can_be_moved_aside(target)
        return None
    refuse_foreign(str(target), base, terms, adoption)
    return base


def is_vacant(target: Path) -> bool:
    """Whether there is nothing at the target that a rename could not replace: no directory, or an empty one."""
    try:
        with os.scandir(target) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True


def last_changed(target: Path) -> int | None:
    """When something was last put into the directory at the target, or taken out; None where there is none."""
    try:
        return mtime_ns_of(target.stat())
    except FileNotFoundError:
        return None


def check_can_be_moved_aside(target: Path) -> None:
    """Refuse to move away what is no business of a stage.

    :raises TargetRefused: if the directory there, which no stage wrote, must stay where it is.
    """
    if findings := list(_precious(target)):
        raise TargetRefused(f"the target {str(target)!r} cannot be moved aside", findings)


def _findings(path: Path, sources: Iterable[Path]) -> Iterator[str]:
    mounts = Mounts()
    if path.exists() and not path.is_dir():
        yield f"{str(path)!r} is a file; a target is a directory"
    if mounts.is_point(path):
        yield f"{str(path)!r} is a mount point, which cannot be renamed; use a directory below it"
    for name in RESERVED.intersection(path.parts):
        yield f"it lies in {name!r}, which is reserved for manifests and staging"
    for above in path.parents:
        if (above / HEADER).exists():
            yield f"it lies inside another target, {str(above)!r}"
    if (path / CONTROL_DIRECTORY).exists():
        yield f"another target lies inside it, staged in {str(path / CONTROL_DIRECTORY)!r}"
    for source in sources:
        yield from _nested(path, source, mounts)


def _nested(path: Path, source: Path, mounts: Mounts) -> Iterator[str]:
    control = path.parent / CONTROL_DIRECTORY / path.name
    if mounts.is_same(path, source):
        yield f"it is the source, {str(source)!r}; a stage never writes where it reads"
    elif mounts.lies_in(path, source):
        yield f"it lies inside the source, {str(source)!r}; the next run would read it"
    elif mounts.lies_in(source, path):
        yield f"the source, {str(source)!r}, lies inside it and would be replaced"
    elif mounts.lies_in(source, control):
        yield f"the source, {str(source)!r}, lies in its control directory, which is not kept"
    for shown in (path, control):
        for point in mounts.below(source, shown):
            yield f"a part of it is mounted inside the source, as {point!r}; the next run would read it"


def _precious(target: Path) -> Iterator[str]:
    """Why a directory must not be moved aside, even when the user allowed it."""
    airflow_home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    dag_folder = Path(os.environ.get("AIRFLOW__CORE__DAGS_FOLDER", airflow_home / "dags")).expanduser()
    named = {"the root directory": Path("/"), "a home directory": Path.home()}
    named |= {"AIRFLOW_HOME": airflow_home, "the DAG folder": dag_folder}
    for what, where in named.items():
        if (real := Path(os.path.realpath(where))).is_relative_to(target) or target == real:
            yield f"it is, or holds, {what} ({str(real)!r})"
    if target.parent == Path(os.path.realpath("/home")):
        yield "it is a home directory"
    for directory, folders, _ in os.walk(target):
        for name in RESERVED.intersection(folders):
            inner = Path(directory, name)
            if inner != target / MANIFEST_DIRECTORY:
                yield f"a target lies inside it: {str(inner)!r}"
