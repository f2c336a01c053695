"""A real Airflow on this machine for as long as a ``with`` block lasts.

The demo shows it and the cluster tests run on it, so that what the tests prove is what the demo shows.
Four components instead of ``airflow standalone``: each has its own log, and one that dies is noticed at once.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

import psutil

from demo.rest import Api, ApiError
from demo.settings import write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

COMPONENTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),  # the log servers listen on every interface, on fixed ports
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
MARK = "DIROPS_CLUSTER"
READY_SECONDS = 240
TERM_SECONDS = 5


class ClusterError(RuntimeError):
    """Airflow did not do what was asked of it; the message ends with the log that says why."""


class Cluster:
    """An api-server, a scheduler, a dag-processor and a triggerer, on loopback; with LocalExecutor and SQLite.

    :param home: its ``AIRFLOW_HOME``: made if need be, used again if it is there.
    :param dags: the DAG folder.
    :param data: what relative paths in a DAG are relative to, ``[dirops] root``.
    :param parallelism: how many tasks run at once.
    :param settings: what else ``airflow.cfg`` says, by section: another executor, another database.
    :param components: what else runs: the arguments of ``airflow``, by a name for it.
    :param tell: is told what is being waited for, several times a second.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        data: Path,
        parallelism: int = 4,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        components: Mapping[str, Sequence[str]] | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home, self.dags, self.data = home.resolve(), dags.resolve(), data.resolve()
        self.logs = self.home / "logs"
        self.parallelism, self.tell = parallelism, tell
        self.settings, self.components = settings or {}, {**COMPONENTS, **(components or {})}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = Api(self.url)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = _taken(self.home / "lock")
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._stop()

    def airflow(self, *arguments: str) -> str:
        """Run the ``airflow`` command here and return what it printed."""
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self._environment(), cwd=self.home, text=True, capture_output=True)
        if done.returncode:
            raise ClusterError(f"`airflow {' '.join(arguments)}` failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, what: str | Callable[[], str], ready: Callable[[], object], seconds: float = 120) -> None:
        """Look again and again until ``ready()``; give up when a component dies or the time is over.

        :param what: what is waited for, as a phrase such as "starting Airflow"; or what says so after each look.
        """
        began = time.monotonic()
        while not ready():
            self.check()
            doing, waited = what if isinstance(what, str) else what(), time.monotonic() - began
            if waited > seconds:
                raise ClusterError(f"{doing}: not done in {seconds:.0f} s.\n{self._ends(self.components)}")
            self.tell(f"{doing} ({waited:.0f} s)")
            time.sleep(0.5)

    def process(self, component: str) -> psutil.Process:
        """The process of a component, for whoever wants to put it to sleep."""
        return psutil.Process(self._processes[component].pid)

    def task_log(self, path: str) -> Path:
        """Where a task wrote its log.

        :param path: below the folder of logs.
        """
        return self.logs / path

    def check(self) -> None:
        """Raise with the end of its log if a component has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ClusterError(f"The {name} ended with {process.returncode}.\n{self._ends([name])}")

    def restart(self, component: str) -> None:
        """Kill a component with all that it started, as a machine's crash does, and start it anew."""
        process = self._processes[component]
        doomed = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in doomed:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        psutil.wait_procs(doomed, timeout=10)
        self._processes[component] = self._spawn(component)

    def wait_for_dags(self, dag_ids: Iterable[str]) -> None:
        """Return when the dag-processor has read these DAGs since this cluster started."""
        missing = set(dag_ids)

        def parsed() -> bool:
            if errors := self.api.get("importErrors")["import_errors"]:
                raise ClusterError("\n".join(f"{e['filename']}:\n{e['stack_trace']}" for e in errors))
            found = self.api.get("dags", limit=1000)["dags"]
            missing.difference_update(d["dag_id"] for d in found if (d["last_parsed_time"] or "") > self._since)
            return not missing

        self.wait(f"reading the DAGs {sorted(missing)}", parsed)

    def _start(self) -> None:
        self._end_all()  # of an earlier one that had no chance to clean up
        self._since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self._start_components()
        self.wait("starting Airflow", self._healthy, READY_SECONDS)

    def _start_components(self) -> None:
        places = {"dags": self.dags, "data": self.data}
        write_settings(self.home, **places, port=self.port, parallelism=self.parallelism, more=self.settings)
        self.tell("making the database")
        self.airflow("db", "migrate")
        for name in self.components:
            self._processes[name] = self._spawn(name)

    def _stop(self) -> None:
        """Ask every component to end, then end whatever is left of them, tasks included."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + TERM_SECONDS
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        self._end_all()
        for process in self._processes.values():
            process.wait()
        self._lock.close()

    def _spawn(self, component: str) -> subprocess.Popen[bytes]:
        """In a session of its own, so that Ctrl-C reaches us and not them."""
        with (self.logs / f"{component}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "airflow", *self.components[component]],
                env=self._environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        foreign = ("AIRFLOW", "_AIRFLOW", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        ours = {"AIRFLOW_HOME": str(self.home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        # Every process that comes of this one carries the mark; setproctitle would write over it.
        return inherited | ours | {MARK: str(self.home), "SPT_NOENV": "1"}

    def _healthy(self) -> bool:
        try:
            self.api.knock()
            parts = self.api.get("monitor", "health")
        except ApiError:
            return False
        return all(part["status"] == "healthy" for part in parts.values())

    def _ends(self, components: Iterable[str]) -> str:
        return "\n".join(f"--- {path}\n{_end(path)}" for path in (self.logs / f"{c}.log" for c in components))

    def _end_all(self) -> None:
        """End what was started from here, by this cluster or by an earlier one with this home."""
        while left := [process for process in psutil.process_iter() if self._is_ours(process)]:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            mark: str | None = process.environ().get(MARK)
        except (psutil.Error, OSError):  # gone, or another user's
            return False
        return mark == str(self.home)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _taken(path: Path) -> IO[bytes]:
    """Two clusters in one home would share a database; the lock goes when this process does."""
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ClusterError(f"Another Airflow of this checkout is running in {path.parent}. Stop it first.") from None
    return lock


def _end(path: Path, lines: int = 40) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
