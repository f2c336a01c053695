"""What a test needs of the machine besides pip installs: looked for when the test runs, never when it is imported.

Without it the test is skipped, and says what is missing and which script installs it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

INSTALLED_BY = {
    "tests/core/install.sh": ("rsync",),
    "tests/crash/install.sh": ("cc", "gcc", "clang"),
    "tests/power/install.sh": (
        *("bindfs", "chattr", "cp", "e2fsck", "fallocate", "losetup", "mkfs.ext4", "mkfs.xfs", "mount", "umount"),
        *("ganesha.nfsd", "hostname", "ip", "rpc.statd", "rpcbind", "unshare"),
        "libfuse3.so.3",
    ),
    "tests/celery/install.sh": ("curl", "docker-compose", "dumb-init", "nsenter", "pg_ctl", "redis-server"),
    "tests/browser/install.sh": ("chromium",),
}


def program(*names: str, among: Sequence[str] = ()) -> str:
    """The first of these programs that is here.

    :param among: the directories to look in, by default those of the PATH.
    """
    found = [path for name in names if (path := shutil.which(name, path=os.pathsep.join(among) or None))]
    if not found:
        _skip(" or ".join(names), _advice(names[0]))
    return found[0]


def programs(*names: str) -> None:
    """All of these programs."""
    if missing := [name for name in names if shutil.which(name) is None]:
        _skip(", ".join(missing), _advice(missing[0]))


def library(name: str) -> None:
    """A shared library that can be loaded; the linker's cache may know one that is gone."""
    try:
        ctypes.CDLL(name)
    except OSError:
        _skip(name, _advice(name))


def packages(group: str, *names: str) -> None:
    """Python packages of a dependency group that is not installed unless asked for."""
    if missing := [name for name in names if not _is_there(name)]:
        _skip(", ".join(missing), f"run make setup WITH={group}")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # nor is the package that it would be in
        return False


def tool(group: str, name: str) -> str:
    """A program that a Python package of a dependency group brings."""
    found = shutil.which(name, path=os.pathsep.join((f"{sys.prefix}/bin", *os.get_exec_path())))
    if found is None:
        _skip(name, f"run make setup WITH={group}")
    return found


def root(why: str) -> None:
    if os.geteuid() != 0:
        _skip(f"root {why}", "run it as root")


def device(path: str) -> None:
    """A device that a container may lack; no script can install it."""
    if not os.access(path, os.R_OK | os.W_OK):
        _skip(path, "run it where the kernel and the container give access to it")


def file_system(kind: str) -> None:
    """A kind of file system that the kernel knows, or can load."""
    if kind not in _known_file_systems() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", kind], check=False)
    if kind not in _known_file_systems():
        _skip(f"a kernel that knows {kind}", "run it on another one")


def success(command: Sequence[str | os.PathLike[str]], what: str) -> None:
    """A command that works here; a container may be refused it.

    :param what: what that takes, for the message.
    """
    program(os.fspath(command[0]))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        _skip(what, f"here {command[0]} says: {done.stderr.strip()}")


def _known_file_systems() -> list[str]:
    return Path("/proc/filesystems").read_text().split()


def _advice(name: str) -> str:
    scripts = [script for script, installs in INSTALLED_BY.items() if name in installs]
    return f"run {scripts[0]}" if scripts else "install it"


def _skip(missing: str, advice: str) -> NoReturn:
    pytest.skip(f"needs {missing}: {advice}")
