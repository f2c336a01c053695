"""luisy 1.4.7's directory pattern: read a directory lazily, write into a temporary one, move file by file, pickle
the list of paths as the task's output. Run by Luigi; luisy's hashing of the code, seconds for each run, is left out.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import luigi
import luisy
import numpy as np

from benchmarks.work import STEPS, Step

logging.disable(logging.WARNING)


def run(source: Path, scratch: Path, *, case: str) -> None:
    done = luigi.build([_last_task(STEPS[case], source, scratch)], local_scheduler=True, log_level="CRITICAL")
    assert done


def _last_task(steps: tuple[Step, ...], source: Path, scratch: Path) -> luisy.Task:
    """A task for each step; classes, since that is what luisy decorates."""
    first, *others = steps

    @luisy.decorators.make_directory_output(_reader(first), regex_pattern=rf"\{first.suffix}$")
    class Raw(luisy.ExternalTask):
        def get_outdir(self) -> str:
            return str(source.parent)

        def get_folder_name(self) -> str:
            return source.name

    task: type[luisy.Task] = _task(first, Raw, scratch)
    for step in others:
        task = _task(step, task, scratch)
    return task(place=str(scratch))


def _reader(step: Step) -> Any:
    def read(path: str) -> Any:
        return path, step.load(path)

    return read


def _task(step: Step, before: type[luisy.Task], scratch: Path) -> type[luisy.Task]:
    is_first = issubclass(before, luisy.ExternalTask)

    @luisy.requires(before)
    @luisy.auto_filename(excl_params=["place"])
    class Convert(luisy.Task):
        place = luigi.Parameter()  # Luigi keeps one instance for each set of parameters

        def get_outdir(self) -> str:
            return str(scratch / step.folder)

        def requires(self) -> Any:
            return before() if is_first else before(place=self.place)

        def run(self) -> None:
            values = self.input().read() if is_first else _load_each(self.input().read(), step)
            self.write(_save_each(values, step, Path(self.get_outdir())))

    Convert.__name__ = f"Make_{step.folder}"
    return Convert


def _load_each(paths: list[str], step: Step) -> Iterable[tuple[str, Any]]:
    return ((path, step.load(path)) for path in paths)


def _save_each(values: Iterable[tuple[str, Any]], step: Step, target: Path) -> list[str]:
    with TemporaryDirectory(dir=target.parent) as temporary:
        names = []
        for path, value in values:
            names.append(os.path.splitext(os.path.basename(path))[0] + ".npy")
            np.save(os.path.join(temporary, names[-1]), step.work(value))
        target.mkdir(exist_ok=True)
        return [shutil.move(os.path.join(temporary, name), target / name) for name in names]
