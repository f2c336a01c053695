"""The process that decodes: it has the files open, limits on memory and time, and nothing else of its parent's.

It is started anew for each sheet, as ``python -I -m``, reads what to look at from its standard input, and writes a line
for each file. What a file does to it, it does to this process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import warnings
from typing import IO

import msgspec

MAX_MEMORY = 1 << 30
MAX_SECONDS = 20


def main() -> None:
    """Look at one file after the other."""
    wanted, answers = sys.stdin.buffer, sys.stdout.buffer
    _limit()
    from airflow_dirops.web.previews.differences import look_at_difference
    from airflow_dirops.web.previews.looking import look
    from airflow_dirops.web.previews.shapes import Nothing, Wanted

    warnings.simplefilter("ignore")
    for each in msgspec.json.decode(wanted.read(), type=list[Wanted]):
        with os.fdopen(each.descriptor, "rb") as file:
            try:
                if each.other is None:
                    preview = look(file, each.kind, each.side)
                else:
                    with os.fdopen(each.other, "rb") as other:
                        preview = look_at_difference(file, other, each.kind, each.side)
            except MemoryError:
                preview = Nothing(note="it takes more memory than a preview may")
            except Exception as error:
                preview = Nothing(note=f"{type(error).__name__}: {error}"[:600])
        _answer(answers, preview)


def _answer(answers: IO[bytes], preview: object) -> None:
    answers.write(msgspec.json.encode(preview) + b"\n")
    answers.flush()


def _limit() -> None:
    limits = {
        resource.RLIMIT_AS: MAX_MEMORY,
        resource.RLIMIT_CPU: MAX_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # not on every system
            resource.setrlimit(which, (limit, limit))


if __name__ == "__main__":
    main()
