"""Run the cases and print a table for each. Timings never fail anything."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from benchmarks import datasets
from benchmarks.cases import CASES, Case
from benchmarks.measure import measure
from benchmarks.table import as_markdown, rows_of, where_and_when

_DEFAULT_WORKDIR = Path(__file__).parents[1] / ".airflow" / "benchmarks"


def main() -> None:
    arguments = _parse()
    arguments.workdir.mkdir(parents=True, exist_ok=True)
    parts = [f"# Performance\n\n{where_and_when(arguments.workdir)}"]
    print(parts[0])
    with TemporaryDirectory(prefix="outputs-", dir=arguments.workdir) as outputs:
        for name in arguments.cases or CASES:
            parts.append(_report(name, arguments, Path(outputs)))
            print("\n" + parts[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n\n".join(parts) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"all, or some of {', '.join(CASES)}")
    parser.add_argument("--full", action="store_true", help="as many files as in the published table")
    parser.add_argument("--rounds", type=int, help="instead of each case's own number, mostly 5")
    parser.add_argument("--workdir", type=Path, default=_DEFAULT_WORKDIR, help="for inputs, kept, and outputs, not")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables as Markdown too")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return arguments


def _report(name: str, arguments: argparse.Namespace, outputs: Path) -> str:
    case = CASES[name]
    heading = f"## {name}: {case.title}\n\nAim: {case.aim}."
    if case.needs and shutil.which(case.needs) is None:
        return f"{heading}\n\nNot run: {case.needs} is not installed."
    sizes = case.full_sizes if arguments.full and case.full_sizes else case.sizes
    rows = [row for size in sizes for row in _rows(case, size, arguments, outputs)]
    return f"{heading}\n\n{as_markdown(rows)}"


def _rows(case: Case, size: int, arguments: argparse.Namespace, outputs: Path) -> Iterator[tuple[str, ...]]:
    make, cache = getattr(datasets, case.dataset), arguments.workdir / "inputs"
    source, warm_up = make(cache, size), make(cache, case.warm_up_size(size))
    rounds = []
    for number in range(arguments.rounds or case.rounds):
        print(f"{case.title}, {size:,} files: round {number + 1}", file=sys.stderr)
        rounds.append(
            {name: measure(name, source, Path(mkdtemp(dir=outputs)), warm_up=warm_up) for name in case.contenders}
        )
    yield from rows_of(case, size, rounds)


if __name__ == "__main__":
    main()
