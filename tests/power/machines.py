"""Two machines that share a directory over NFS: for the package, a host name, a boot and a mount make a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from tests import needs
from tests.crash.checker import control_of
from tests.crash.world import Warm, World
from tests.power import nfs_server
from tests.power.served import served

BELIEVED_SECONDS = 1.0
_START = 'hostname "$0" && mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"'


@dataclass(frozen=True)
class Shared:
    """A directory of a server, and what two machines see of it.

    :param there: the directory where it really is.
    """

    there: Path
    first: World
    second: World

    @property
    def target(self) -> Path:
        """The target as the server has it, whatever a client believes."""
        return self.there / self.first.target.relative_to(self.first.root.parent)

    @property
    def control(self) -> Path:
        return control_of(self.target)

    def elsewhere(self, name: str) -> Shared:
        """The same machines, and another world on them."""
        first, second = (replace(world, root=world.root.parent / name) for world in (self.first, self.second))
        return Shared(self.there, first, second)


def need_machines() -> None:
    """Skip the test where no NFS server or no machine can be made."""
    needs.root("to mount file systems")
    needs.device("/dev/fuse")
    needs.programs("hostname", "mount", *nfs_server.TOOLS)
    needs.success(["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "true"], "namespaces")


@contextmanager
def two_machines(directory: Path, library: Path, sources: Path, *, locks: str) -> Iterator[Shared]:
    """Export a directory and mount it on two machines.

    :param directory: for all of it, on a file system whose files have handles, as on a disk.
    :param locks: ``shared``, or ``local`` where no machine sees the other's.
    """
    there = directory / "there"
    there.mkdir()
    with ExitStack() as leaving:
        network = leaving.enter_context(nfs_server.exported(there, directory))
        worlds = []
        for name in ("first", "second"):
            seen_at = leaving.enter_context(
                served(
                    "tests.power.nfs_mount",
                    network,
                    str(BELIEVED_SECONDS),
                    locks,
                    there,
                    where=directory / name,
                    by_force=True,
                )
            )
            warm = Warm(library, within=_machine(name, directory))
            leaving.callback(warm.close)
            worlds.append(World(warm, seen_at / "world", sources))
        yield Shared(there, *worlds)


def _machine(name: str, directory: Path) -> list[str | Path]:
    boot = directory / f"{name}.boot"
    boot.write_text(f"{uuid4()}\n")
    return ["unshare", "--uts", "--mount", "sh", "-c", _START, f"dirops-{name}", boot]
