"""What a forked process changes about itself: nothing of its parent's may run in it, and it ends with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def fork(main: Callable[[], None]) -> int:
    """Run a function in a fork of this process, which ends with it.

    :returns: the fork's process id.
    """
    flush_streams()
    with warnings.catch_warnings():
        # Python 3.12 counts native threads too; OpenBLAS ends its own before a fork, and ours start after it.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        _run_and_exit(main)
    return process


def flush_streams() -> None:
    """Write out what was printed: a fork would inherit and repeat it, and its end would drop it."""
    for stream in (sys.stdout, sys.stderr):
        # A function of the user's may have put anything in its place.
        with suppress(Exception):
            stream.flush()


def reset_signals(*, ignored: frozenset[signal.Signals]) -> None:
    """Undo every handler that was inherited: each belongs to the parent and would act for it here."""
    signal.set_wakeup_fd(-1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


def end_with(parent: int) -> None:
    """Be killed when the parent ends, however it does; where the kernel can (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what a dead child leaves running, so that it can be ended; where the kernel can."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> Iterator[int]:
    """The child processes of this one, while it has a single thread."""
    with suppress(OSError):
        process = os.getpid()
        yield from map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())


def describe_exit(status: int) -> str:
    """How a process ended, in words.

    :param status: as :func:`os.waitpid` gives it.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


def _run_and_exit(main: Callable[[], None]) -> None:
    status = 1
    try:
        main()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        flush_streams()
        os._exit(status)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(option, value, 0, 0, 0)
