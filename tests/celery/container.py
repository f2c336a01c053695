"""Become a process in a container without an engine: ``python -m tests.celery.container FILE``, in new namespaces.

The caller has made those (``unshare``). Here the process gets its name in the network, its file system and its user,
and then is the command.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

OF_THE_MACHINE = ("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "sys", "usr")
AIRFLOW_USER = "airflow:x:{user}:0::/home/airflow:/bin/bash\n"
INTERFACE = "eth0"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Container:
    """What an engine makes of a service.

    :param address: in the network of all, such as ``198.18.0.2/24``.
    :param hosts: the content of ``/etc/hosts``.
    :param shown: paths of the machine that are part of the image: they are where they are, read-only.
    :param mounts: source, target, and ``rw`` or ``ro``.
    """

    hostname: str
    address: str
    hosts: str
    shown: list[str]
    mounts: list[tuple[str, str, str]]
    user: int
    groups: list[int]
    environment: dict[str, str]
    command: list[str]

    def become(self) -> None:
        """Be the command, in place of this process."""
        _run("hostname", self.hostname)
        self._join_network()
        root = self._file_system()
        os.chroot(root)
        os.chdir(self.environment["HOME"])
        os.setgroups(self.groups)
        os.setgid(self.groups[0])
        os.setuid(self.user)
        # Whoever becomes another user has lost it: the end of unshare is to be the end of this process.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execvpe(self.command[0], self.command, self.environment)

    def _join_network(self) -> None:
        while subprocess.run(["ip", "link", "show", INTERFACE], capture_output=True, check=False).returncode:
            time.sleep(0.02)
        _run("ip", "address", "add", self.address, "dev", INTERFACE)
        for interface in ("lo", INTERFACE):
            _run("ip", "link", "set", interface, "up")

    def _file_system(self) -> Path:
        root = Path(mkdtemp())
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "container", root)
        for name in OF_THE_MACHINE:
            _copy_of_the_machines(Path("/", name), root / name)
        for name, mode in {"tmp": 0o1777, "run": 0o755, "home/airflow": 0o777, "opt/airflow": 0o775}.items():
            (root / name).mkdir(parents=True)
            (root / name).chmod(mode)
        (root / "proc").mkdir()
        _run("mount", "-t", "proc", "proc", root / "proc")
        users = Path("/etc/passwd").read_text() + AIRFLOW_USER.format(user=self.user)
        for name, content in {"hosts": self.hosts, "passwd": users}.items():
            (root / "run" / name).write_text(content)
            _run("mount", "--bind", root / "run" / name, root / "etc" / name)
        for path in self.shown:
            _bind(path, root, path, "ro")
        for source, target, access in self.mounts:
            _bind(source, root, target, access)
        return root


def _copy_of_the_machines(path: Path, copy: Path) -> None:
    if path.is_symlink():
        copy.symlink_to(path.readlink())
    elif path.exists():
        copy.mkdir()
        _run("mount", "--rbind", path, copy)


def _bind(source: str, root: Path, target: str, access: str) -> None:
    place = root / target.lstrip("/")
    if Path(source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    _run("mount", "--bind", source, place)
    if access == "ro":
        _run("mount", "-o", "remount,bind,ro", place)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def main(arguments: Sequence[str]) -> None:
    (path,) = arguments
    Container(**json.loads(Path(path).read_text())).become()


if __name__ == "__main__":
    main(sys.argv[1:])
