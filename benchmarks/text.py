"""What stands above the tables."""

from __future__ import annotations

from pathlib import Path

from benchmarks.table import where_and_when

_PREFACE = """\
# Performance

What a stage costs beside the loop that one would write by hand, and beside other libraries doing the same work on the
same files. To reproduce it: `python -m benchmarks --full --write docs/performance.md`, on a machine that does nothing
else, for an hour; without `--full` it takes smaller numbers of files, and `python -m benchmarks images python` takes
these two cases only. It makes its own data, and installs each peer into an environment of its own under
`.airflow/benchmarks` on first use. Timings never fail anything.

{where_and_when}

[0011](decisions/0011-where-aims-are-missed.md) says where an aim is missed, and what the time goes into.

How to read the tables:

- Each contender runs in a fresh process, after a few untimed files that pay for imports, plug-ins, and for starting Ray
  or Airflow. All of them take turns in each of five rounds (nine for durability), with a warm page cache; figures
  without a range are of one round only.
- Ratios are those to the first row of the same round; the number shown is their median. Seconds are medians, with the
  range in brackets: shared machines change their speed by a third within minutes, so mind the range before the ratio.
  CPU is that of the whole process tree.
- "Added ratio" is what syncing adds to a stage by the clock, against what an fsync after each file adds to the loop.
- Peak MiB is that of the process and all that it started, added up over those alive at the same time, in the untimed
  run too; pages that processes share count for each of them.
- "process" and "full" are the stage's durability: `full`, the default, survives a power loss. Stages digest every file
  and commit a manifest; the loops and most peers do neither.
- Stages can be faster than the loop: `np.save` builds and `np.load` parses the header of every file, some tens of
  microseconds each, which the `npy` codec does once for each dtype and shape. `np.save` also writes an array that is
  not contiguous, such as one channel, item by item; so loops and peers copy it first, and the loop that does not is
  shown as well."""


def preface(workdir: Path) -> str:
    return _PREFACE.format(where_and_when=where_and_when(workdir))
