"""Whose code is a module: ours, to be followed, or a distribution's, to be counted by its version?

A module belongs to the installed distribution whose metadata lies beside it and lists it. What no
distribution claims is first-party: DAG files, modules beside them, notebooks, and editable installs, whose
metadata lies elsewhere.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The machinery that calls the function does not say what the function computes.
_MACHINERY = frozenset({"airflow", "airflow_dirops"})


class Origins:
    """Finds each module's owner once."""

    def __init__(self) -> None:
        self._owners: dict[str, str | None] = {}
        self._record = cache(_record)

    def owner(self, module: str) -> str | None:
        """Name the distribution and version that a module comes from, or None if it is first-party.

        :param module: a module's full name; it need not be imported, and is not.
        """
        if module not in self._owners:
            self._owners[module] = self._find(module)
        return self._owners[module]

    def _find(self, module: str) -> str | None:
        top = module.partition(".")[0]
        if top == "builtins" or top in _MACHINERY:
            return top
        if top in sys.stdlib_module_names:
            return "Python {}.{}".format(*sys.version_info)
        located = _located(module)
        return None if located is None else self._distribution(*located)

    def _distribution(self, module: str, file: Path) -> str | None:
        base = file.parent if file.name.partition(".")[0] == "__init__" else file
        depth = module.count(".")
        if depth >= len(base.parents):
            return None
        site, top = base.parents[depth], module.partition(".")[0]
        for metadata in _candidates(site, top):
            record = self._record(metadata)
            if f"\n{file.relative_to(site).as_posix()}," in record or f"\n{top}\n" in record:
                distribution = Distribution.at(metadata)
                return f"{distribution.metadata['Name']} {distribution.version}"
        return None


def _candidates(site: Path, top: str) -> list[Path]:
    """List the metadata directories beside a module, the likeliest first."""
    found = list(site.glob("*.dist-info"))
    # An egg-info beside a checkout is an editable install: its version stays while the code changes.
    if site.name in ("site-packages", "dist-packages"):
        found += site.glob("*.egg-info")
    return sorted(found, key=lambda path: (not path.name.lower().startswith(f"{top.lower()}-"), path.name))


def _record(metadata: Path) -> str:
    """Read the list of a distribution's files, or of its top-level names where it has no such list."""
    for name in ("RECORD", "top_level.txt"):
        try:
            return f"\n{(metadata / name).read_text(encoding='utf-8')}\n"
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _located(module: str) -> tuple[str, Path] | None:
    """Find a module's file, or that of the nearest package above it, and whose file it is."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return next(_specified(module), None) if file is None else (module, Path(file))


def _specified(module: str) -> Iterator[tuple[str, Path]]:
    """Look from the top, so that no package is imported but namespace packages, which run no code."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        try:
            spec = find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return
        if spec is not None and spec.has_location and spec.origin is not None:
            yield name, Path(spec.origin)
            return
