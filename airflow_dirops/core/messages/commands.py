"""Commands that messages tell a person to type, so that a shell takes each path as it is."""

from __future__ import annotations

import os
import shlex


def dirops_command(name: str, *paths: str | os.PathLike[str], options: tuple[str, ...] = ()) -> str:
    """What to type, such as ``dirops clean '/data/my target'``.

    :param name: of the command.
    :param options: typed after the paths.
    """
    return shlex.join(["dirops", name, *map(_no_option, paths), *options])


def _no_option(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    return f"./{text}" if text.startswith("-") else text
