"""Which process holds a lock, said in the locked file: a lock outlives its process where a child has inherited it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

_LONGEST = 4096
_ENDED = ("Z", "X")


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process, told from every other that had or will have its id.

    :param boot: the boot id of the kernel that runs it.
    :param pid_namespace: in which its id counts; containers on one machine have one each.
    :param started: clock ticks from the boot to its start.
    """

    boot: str
    pid_namespace: int
    process: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    started: int

    @classmethod
    def this_process(cls) -> Holder | None:
        """This very process, or None where the kernel does not tell all that it takes."""
        process = os.getpid()
        with suppress(OSError, ValueError):
            # A /proc of another namespace counts in other ids.
            if os.readlink("/proc/self") == str(process) and (boot := boot_id()) != "unknown":
                namespace = os.stat("/proc/self/ns/pid").st_ino
                return cls(boot=boot, pid_namespace=namespace, process=process, started=_status_of(process).started)
        return None

    def write(self, descriptor: int) -> None:
        os.pwrite(descriptor, msgspec.json.encode(self), 0)

    @classmethod
    def read(cls, descriptor: int) -> Holder | None:
        """The holder that a locked file names, if it does."""
        with suppress(msgspec.MsgspecError, OSError):
            return msgspec.json.decode(os.pread(descriptor, _LONGEST, 0), type=cls)
        return None

    @property
    def is_gone(self) -> bool:
        """Whether this process has ended for sure; one that cannot be seen from here may well live."""
        here = Holder.this_process()
        if here is None or (here.boot, here.pid_namespace) != (self.boot, self.pid_namespace):
            return False
        try:
            with suppress(PermissionError):  # another user's has that id
                os.kill(self.process, 0)
            status = _status_of(self.process)
        except ProcessLookupError:
            return True
        except (OSError, ValueError):  # /proc may hide what is another user's
            return False
        # Of an ended process with threads the first one may have ended only.
        return status.started != self.started or (status.state in _ENDED and status.threads <= 1)


def let_go(descriptor: int, process: int) -> None:
    """Unlock a file and close it: for the children, too, that have inherited the lock; they themselves only close it.

    :param process: the process that took the lock.
    """
    if process == os.getpid():
        with suppress(OSError):  # closing does it as well, unless a child has the file open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


class _Status(NamedTuple):
    state: str
    threads: int
    started: int


def _status_of(process: int) -> _Status:
    """What the kernel says about a process; see proc_pid_stat(5)."""
    _, _, rest = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")
    fields = rest.split()
    return _Status(fields[0], int(fields[17]), int(fields[19]))


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Of the kernel that runs; the same in all its containers."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"
