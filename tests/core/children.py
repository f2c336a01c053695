"""Work that needs a process of its own: one that is killed, measured, or somebody else's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).parents[2]
NOBODY = 65534
LONGEST_SECONDS = 60


def run_python(script: str | Path, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script, given as a file or as text, with this interpreter.

    Its output goes to files: a process that it leaves running may keep them open.
    """
    program = [str(script)] if isinstance(script, Path) else ["-c", script]
    command = [sys.executable, *program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        code = subprocess.run(command, stdout=output, stderr=errors, timeout=120, env=environment).returncode
        output.seek(0)
        errors.seek(0)
        done = subprocess.CompletedProcess(command, code, output.read(), errors.read())
    assert not check or done.returncode == 0, done.stderr
    return done


def as_nobody(call: Callable[[], object]) -> str:
    """What a call raises, as ``Kind: message``, or returns, when root's powers are given up."""
    return as_user(NOBODY, NOBODY, call)


def as_user(user: int, group: int, call: Callable[[], object], umask: int = 0o022) -> str:
    """What a call raises, as ``Kind: message``, or returns, in a process of a user.

    In a fork, since the interpreter itself may lie where only root can look.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        os.umask(umask)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        try:
            answer = repr(call())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writable, answer.encode(errors="backslashreplace"))
        os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answers:
        answer = answers.read().decode()
    os.waitpid(child, 0)
    return answer


def limited(call: Callable[[], object], **limits: int) -> str:
    """What a call answers under limits, which root would not have. A hang is an answer too."""

    def within() -> object:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_SECONDS)
        for name, limit in limits.items():
            limit_to(name, limit)
        return call()

    return as_nobody(within).strip("'\"") or "it hung"


def limit_to(name: str, limit: int) -> None:
    kind = getattr(resource, f"RLIMIT_{name}")
    resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
