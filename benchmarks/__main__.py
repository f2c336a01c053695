"""Run the cases and print a table for each. Timings never fail anything."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from benchmarks import datasets
from benchmarks.cases import CASES, Case
from benchmarks.measure import ContenderFailed, Sample, measure
from benchmarks.peers import PEERS, PeerMissing, python_of
from benchmarks.table import Row, as_markdown, rows_of
from benchmarks.text import preface

_LONGEST_REASON = 120
_DEFAULT_WORKDIR = Path(__file__).parents[1] / ".airflow" / "benchmarks"


def main() -> None:
    arguments = _parse()
    arguments.workdir.mkdir(parents=True, exist_ok=True)
    parts = [preface(arguments.workdir)]
    print(parts[0])
    with TemporaryDirectory(prefix="outputs-", dir=arguments.workdir) as outputs:
        for name in arguments.cases or [name for name, case in CASES.items() if arguments.full or not case.is_long]:
            parts.append(_report(name, arguments, Path(outputs)))
            print("\n" + parts[-1], flush=True)
            if arguments.write:  # after each, since all of them take an hour
                arguments.write.write_text("\n\n".join(parts) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    usual = ", ".join(name for name, case in CASES.items() if not case.is_long)
    long = ", ".join(name for name, case in CASES.items() if case.is_long)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"by default {usual}; with --full also {long}")
    parser.add_argument("--full", action="store_true", help="as in the published tables, which takes an hour")
    parser.add_argument("--rounds", type=int, help="instead of each case's own number, mostly 5")
    parser.add_argument("--files", type=int, help="instead of each case's own numbers of files")
    parser.add_argument("--workdir", type=Path, default=_DEFAULT_WORKDIR, help="for inputs and peers, which are kept")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables as Markdown too")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return arguments


def _report(name: str, arguments: argparse.Namespace, outputs: Path) -> str:
    case = CASES[name]
    heading = f"## {name}\n\n{case.title[0].upper()}{case.title[1:]}. Aim: {case.aim}."
    if case.needs and shutil.which(case.needs) is None:
        return f"{heading}\n\nNot run: {case.needs} is not installed."
    sizes = case.full_sizes if arguments.full and case.full_sizes else case.sizes
    if arguments.files:
        sizes = (arguments.files,)
    rows = [row for size in sizes for row in _rows(case, size, arguments, outputs)]
    return f"{heading}\n\n{as_markdown(rows)}"


def _rows(case: Case, size: int, arguments: argparse.Namespace, outputs: Path) -> list[Row]:
    make, cache = getattr(datasets, case.dataset), arguments.workdir / "inputs"
    source, warm_up = make(cache, size), make(cache, case.warm_up_size(size))
    pythons, absent = _pythons(case, arguments.workdir / "peers")
    rounds = []
    for number in range(arguments.rounds or case.rounds):
        samples: dict[str, Sample] = {}
        for name in _turned(case.contenders, number):
            if name not in absent:
                print(f"{case.title}, {size:,} files, round {number + 1}: {name}", file=sys.stderr)
                scratch = Path(mkdtemp(dir=outputs))
                try:
                    samples[name] = measure(name, pythons[name], source, scratch, warm_up=warm_up)
                except ContenderFailed as failure:
                    if name not in PEERS:
                        raise
                    absent[name] = str(failure).splitlines()[-1][:_LONGEST_REASON].replace("|", "/")
        rounds.append(samples)
    return rows_of(case, size, rounds, absent)


def _pythons(case: Case, environments: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The Python that runs each contender; and why there is none for some."""
    pythons, absent = {}, {}
    for name in case.contenders:
        try:
            pythons[name] = python_of(PEERS[name].library, environments) if name in PEERS else Path(sys.executable)
        except PeerMissing as missing:
            absent[name] = str(missing)
    return pythons, absent


def _turned(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Another one begins each round, so that none always comes after the same one."""
    start = number % len(names)
    return names[start:] + names[:start]


if __name__ == "__main__":
    main()
