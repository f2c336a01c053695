"""``make demo``: three dated folders of images and curves through a real Airflow, from nothing.

Everything it makes is in ``.airflow``, which ``make clean`` removes. Its Airflow starts nothing by schedule: it runs
what the backfills ask for, and what you trigger.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from demo.cluster import Cluster, ClusterError
from demo.progress import Progress
from demo.raw import DAYS, write_raw
from demo.report import table
from demo.rest import ApiError
from demo.runs import Run, backfill, backfill_command, follow

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".airflow"
DATA = HOME / "data"
DIROPS = CHECKOUT / ".venv" / "bin" / "dirops"
DAGS = ("example_previews", "example_images", "example_curves")  # the first has to wait for the second
# Else a scheduled run for the last of the days would come first, and the backfill find nothing left to do.
SETTINGS = {"scheduler": {"use_job_schedule": "False"}}


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make demo", description=__doc__)
    arguments.add_argument("--ui", action="store_true", help="stay up until Ctrl-C")
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        run(stay=arguments.parse_args().ui)
    except (ClusterError, ApiError) as failure:
        print(f"\nThe demo failed. {failure}\n\nEvery log is in {HOME / 'logs'}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    return 0


def run(*, stay: bool) -> None:
    """Raw files, Airflow up, backfills, table, Airflow down."""
    began, progress = time.monotonic(), Progress()
    write_raw(DATA)
    progress.done(f"Raw files for {', '.join(DAYS)} are in {DATA / 'raw'}")
    with Cluster(HOME, dags=CHECKOUT / "dags", data=DATA, settings=SETTINGS, tell=progress.show) as cluster:
        cluster.wait_for_dags(DAGS)
        progress.done(f"Airflow is up at {cluster.url}")
        runs = _start(cluster, progress)
        for task in follow(cluster, runs):
            progress.done(f"{task} waited in the triggerer, without a worker, and went on.")
        progress.done(f"\n{table(DATA, DAYS, {run['dag_run_id'] for run in runs})}\n")
        print(_where_to_look(cluster, time.monotonic() - began), flush=True)
        if stay:
            _stay(cluster)
        progress.show("stopping Airflow")
    progress.done("Airflow has stopped." if stay else "Airflow has stopped; `make demo UI=1` keeps it up.")


def _start(cluster: Cluster, progress: Progress) -> list[Run]:
    runs = []
    for dag_id in DAGS:
        progress.done(f"$ airflow {' '.join(backfill_command(dag_id, DAYS))}")
        runs += backfill(cluster, dag_id, DAYS)
    return runs


def _where_to_look(cluster: Cluster, seconds: float) -> str:
    return f"""\
Done in {seconds:.0f} s. Where to look:
  files       {DATA / "final"}
  a manifest  {DATA / "interim/to_numpy" / DAYS[0] / "_dirops/manifest.json"}
  set aside   {DIROPS} failures {DATA / "interim/to_numpy" / DAYS[0]}
  web UI      {cluster.url}/plugin/dirops/dirops/  what every day of every stage is, and its files
              {cluster.url}/dags/example_images  the grid, and the trigger form
              {cluster.url}/dags/example_previews  the sensor, which waited without a worker"""


def _stay(cluster: Cluster) -> None:
    print("\nAirflow stays up until Ctrl-C.", flush=True)
    try:
        while True:
            cluster.check()
            time.sleep(1)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main())
