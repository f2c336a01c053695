"""``docker/celery/compose.yaml`` without an engine: its services as processes in namespaces, with its settings.

Each service has a network interface, a host name, a file system and process numbers of its own, as in a container.
What is inside comes from this machine's installation instead of the images.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Self

from demo.cluster import MARK, READY_SECONDS, Cluster
from demo.rest import Api, ApiError
from tests import needs
from tests.celery.compose import CELERY, Service, program, services
from tests.celery.container import Container
from tests.celery.images import Image, make_volume, shown
from tests.celery.network import Network, first_process, network, start
from tests.celery.servers import need_servers, pg_ctl

USER, GROUP = 50000, 4242
SECRETS = ("FERNET_KEY", "SECRET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWORD")
_TOOLS = ("chroot", "curl", "dumb-init", "hostname", "ip", "mount", "nsenter", "setpriv", "unshare")
_FIRST_HOST = 2


def need_containers() -> None:
    """Skip the test where no such thing can be made."""
    need_servers()
    needs.root("to make containers")
    needs.programs(*_TOOLS)
    program()
    needs.success(["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "true"], "namespaces")
    needs.success(["unshare", "--net", "ip", "link", "add", "switch", "type", "bridge"], "a bridge")


class Deployment(Cluster):
    """All of it, up.

    :param more: settings for every service of Airflow besides those of the compose file.
    :param mark: what every process carries in its environment, so that it is known again.
    """

    def __init__(
        self, home: Path, *, dags: Path, data: Path, net: Network, more: Mapping[str, str], mark: Mapping[str, str]
    ) -> None:
        super().__init__(home, dags=dags, data=data)
        self.meeting = self.home / "meeting"
        self.services = services(CELERY / "compose.yaml", self._env_file())
        self._net, self._more, self._mark = net, more, {**mark, MARK: str(self.home), "SPT_NOENV": "1"}
        self._hosts = {name: number for number, name in enumerate(sorted(self.services), _FIRST_HOST)}
        self._waited: dict[str, set[str]] = {"service_completed_successfully": set(), "service_healthy": set()}
        self.components = dict.fromkeys(self.services, ())
        self.url = f"http://{net.address(self._hosts['api-server'])}:8080"
        self.api = Api(self.url)

    @classmethod
    @contextmanager
    def of(
        cls, home: Path, *, dags: Path, data: Path, more: Mapping[str, str], mark: Mapping[str, str]
    ) -> Iterator[Self]:
        """One with a network of its own."""
        shutil.chown(data, USER, GROUP)
        data.chmod(0o2775)
        with network() as net, cls(home, dags=dags, data=data, net=net, more=more, mark=mark) as up:
            yield up

    def task_log(self, path: str) -> Path:
        """In the volume of the worker that ran the task."""
        found = [*(self.home / "volumes").glob(f"logs-*/{path}")]
        assert len(found) == 1, (path, found)
        return found[0]

    def airflow(self, *arguments: str) -> str:
        """As ``docker compose exec scheduler airflow …``."""
        done = self.execute("scheduler", ["airflow", *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def execute(
        self, name: str, command: Sequence[str], user: int | None = None, groups: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """As ``docker compose exec``: the service's environment, and its user, unless another is named."""
        service, process = self.services[name], first_process(self._processes[name])
        image = self._image(service)
        who = user if user is not None else image.user if service.user is None else service.user
        of_groups = [*groups] or service.groups
        there = [
            f"--{kind}=/proc/{process}/ns/{kind.replace('mount', 'mnt')}" for kind in ("net", "uts", "pid", "mount")
        ]
        belongs = [f"--reuid={who}", f"--regid={of_groups[0]}", f"--groups={','.join(map(str, of_groups))}"]
        enter = ["nsenter", *there, f"--root=/proc/{process}/root", "setpriv", *belongs, "env", "--chdir=/tmp"]
        return subprocess.run(
            [*enter, *command],
            env=self._environment_of(service, image),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def stop(self, name: str) -> subprocess.Popen[bytes]:
        """As ``docker compose stop``, but for the patience; what is left of it is the caller's."""
        process = self._processes.pop(name)
        os.kill(first_process(process), signal.SIGTERM)
        return process

    def start(self, name: str) -> None:
        """As ``docker compose start``."""
        self._processes[name] = self._spawn(name)

    def is_healthy(self, name: str) -> bool:
        """What the service's health check says, as an engine would find out."""
        return self.execute(name, self.services[name].healthcheck).returncode == 0

    def _start_components(self) -> None:
        self.meeting.mkdir(mode=0o777, exist_ok=True)
        self.meeting.chmod(0o777)
        left = dict(self.services)
        until = time.monotonic() + READY_SECONDS
        while left:
            ready = [name for name, service in left.items() if self._may_start(service)]
            for name in ready:
                self._processes[name] = self._spawn(name)
                del left[name]
            self.check()
            assert time.monotonic() < until, f"{sorted(left)} may not start.\n{self._ends(self._processes)}"
            time.sleep(0.2)

    def _may_start(self, service: Service) -> bool:
        return all(self._has_become(name, condition) for name, condition in service.depends_on.items())

    def _has_become(self, name: str, condition: str) -> bool:
        seen = self._waited[condition]
        if name in seen:
            return True
        if process := self._processes.get(name):
            if condition == "service_healthy":
                become = self.is_healthy(name)
            elif become := process.poll() == 0:
                del self._processes[name]  # it has done its work; whoever else ends, fails
            if become:
                seen.add(name)
            return become
        return False

    def _healthy(self) -> bool:
        with suppress(ApiError):
            self.api.log_in("admin", self._env["ADMIN_PASSWORD"])
            return super()._healthy()
        return False

    def _spawn(self, component: str) -> subprocess.Popen[bytes]:
        service, host = self.services[component], self._hosts[component]
        image = self._image(service)
        container = Container(
            hostname=service.hostname,
            address=f"{self._net.address(host)}/24",
            hosts=self._names(),
            shown=shown(),
            mounts=[*self._mounts(service, image), (str(self.meeting), str(self.meeting), "rw")],
            user=image.user if service.user is None else service.user,
            groups=service.groups,
            environment=self._environment_of(service, image),
            command=[*image.entrypoint, *service.command],
        )
        described = self.home / f"{component}.json"
        described.write_text(json.dumps(asdict(container)))
        started = start([sys.executable, "-m", "tests.celery.container", described], log=self.logs / f"{component}.log")
        self._net.join(first_process(started), host)
        return started

    def _end_all(self) -> None:
        for process in self._processes.values():
            process.kill()  # unshare itself, which may outlast what it started
        super()._end_all()

    def _image(self, service: Service) -> Image:
        return Image.named(service.image, pg_ctl())

    def _environment_of(self, service: Service, image: Image) -> dict[str, str]:
        more = self._more if service.image == "airflow-dirops" else {}
        return {**image.environment, "HOSTNAME": service.hostname, **service.environment, **more, **self._mark}

    def _names(self) -> str:
        names = {name: {name, service.hostname} for name, service in self.services.items()}
        lines = [f"{self._net.address(self._hosts[name])} {' '.join(sorted(names[name]))}" for name in names]
        return "\n".join(["127.0.0.1 localhost", "::1 localhost", *lines, ""])

    def _mounts(self, service: Service, image: Image) -> Iterator[tuple[str, str, str]]:
        for source, target, access in service.volumes:
            if "/" not in source:
                yield str(make_volume(self.home / "volumes" / source, service.image, image.user)), target, access
            else:
                yield source, target, access

    def _env_file(self) -> Path:
        """A copy of the example, filled in."""
        given = {name: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for name in SECRETS}
        self._env = {**given, "DATA": str(self.data), "DAGS": str(self.dags), "DATA_GID": str(GROUP)}
        file = self.home / ".env"
        file.write_text((CELERY / ".env.example").read_text() + "".join(f"{k}={v}\n" for k, v in self._env.items()))
        return file
