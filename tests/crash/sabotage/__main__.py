"""Would the tests notice? ``python -m tests.crash.sabotage`` breaks the protocol, a line at a time, in a copy.

A sabotage that no test notices, one whose text is no longer in the source, and a test that fails without any: each is
an error. One whose test is skipped here is left out, and named. Give words to run only the sabotages that have them in
their names.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.sabotage.sabotages import SABOTAGES, Sabotage

ROOT = Path(__file__).parents[3]
PASSED, FAILED = 0, 1  # pytest's own answers; any other is no verdict
SKIPPED = -1


def main(words: list[str]) -> int:
    chosen = [sabotage for sabotage in SABOTAGES if all(word in sabotage.what for word in words)]
    if outdated := [sabotage for sabotage in chosen if not fits(sabotage)]:
        print(*(f"{sabotage.module} does not say this once: {sabotage.text!r}" for sabotage in outdated), sep="\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="dirops-sabotage-") as directory:
        copy = _copy(Path(directory))
        answers = {test: _run(copy, test)[0] for test in sorted({sabotage.test for sabotage in chosen})}
        unsound = [test for test, answer in answers.items() if answer not in (PASSED, SKIPPED)]
        print(*(f"fails without any sabotage: {test}\n" for test in unsound), sep="", end="")
        tried = [sabotage for sabotage in chosen if answers[sabotage.test] != SKIPPED]
        skipped = [f"cannot be tried here: {one.what}: {one.test}\n" for one in chosen if one not in tried]
        print(*skipped, sep="", end="")
        missed = [sabotage.what for sabotage in tried if not _is_noticed(copy, sabotage)]
    print(f"{len(tried) - len(missed)} of {len(tried)} sabotages were noticed")
    return int(bool(missed or unsound or not tried))


def _source(root: Path, sabotage: Sabotage) -> Path:
    return root / "airflow_dirops" / "core" / sabotage.module


def fits(sabotage: Sabotage) -> bool:
    return _source(ROOT, sabotage).read_text().count(sabotage.text) == 1


def _copy(directory: Path) -> Path:
    for name in ("airflow_dirops", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def _is_noticed(copy: Path, sabotage: Sabotage) -> bool:
    with _committed(copy, sabotage):
        answer, seconds = _run(copy, sabotage.test)
    verdict = {FAILED: "noticed", PASSED: "MISSED"}.get(answer, f"pytest answered {answer}")
    print(f"{verdict:8} {seconds:5.1f} s  {sabotage.what}: {sabotage.test}", flush=True)
    return answer == FAILED


@contextmanager
def _committed(copy: Path, sabotage: Sabotage) -> Iterator[None]:
    path = _source(copy, sabotage)
    text = path.read_text()
    path.write_text(text.replace(sabotage.text, sabotage.instead))
    try:
        yield
    finally:
        path.write_text(text)


def _run(copy: Path, test: str) -> tuple[int, float]:
    """What pytest answered, and after how many seconds."""
    began = time.monotonic()
    # Compiled files are told apart by size and second, and sabotage is quick.
    quick = {"PYTHONDONTWRITEBYTECODE": "1", "DIROPS_MACHINE_RAW": "1"}
    environment = os.environ | quick | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "", "-p", "no:cacheprovider", *shlex.split(test)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False)
    is_skipped = done.returncode == PASSED and b" passed" not in done.stdout
    return SKIPPED if is_skipped else done.returncode, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
