"""Where the code lies, which must not count: another machine or bundle has the same DAG in another folder."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import PurePath
from typing import Any


class Home:
    """The module name and the folder of the code that a fingerprint is for.

    :param function: any callable of that code.
    """

    def __init__(self, function: Any) -> None:
        while isinstance(function, partial):
            function = function.func
        name = getattr(function, "__module__", None) or type(function).__module__
        namespace = getattr(function, "__globals__", None) or vars(sys.modules.get(name, sys))
        folders = _folders(namespace.get("__file__"))
        self._starts = [(str(name), "."), *((folder, os.sep) for folder in folders)]

    def relative(self, text: str) -> str:
        """Cut off the module name or the folder that a string begins with."""
        for level, (start, end) in enumerate(self._starts):
            if f"{text}{end}".startswith(f"{start}{end}"):
                return f"\0{level}{text[len(start) :]}"
        return text


def _folders(file: object) -> list[str]:
    """List the file's own folder, and the highest above it on ``sys.path``, which is its bundle's."""
    if not isinstance(file, str):
        return []
    own = PurePath(os.path.abspath(file)).parent
    roots = (PurePath(entry) for entry in sys.path if entry)
    above = [str(root) for root in roots if len(root.parts) > 1 and own.is_relative_to(root)]
    return [str(own), *sorted(above, key=len)[:1]]
