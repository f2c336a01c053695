"""What the images of a compose file bring, made of what this machine has installed."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# As the image's own: who is at the top passes on signals, and what is made can be written by the group.
_AIRFLOW = """
umask 0002
case "$1" in bash|python) exec "$@";; airflow) shift;; esac
exec airflow "$@"
"""
_POSTGRES = """
set -e
if [ ! -e /var/lib/postgresql/data/PG_VERSION ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb -D /var/lib/postgresql/data --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust \
    --auth-host=scram-sha-256 --encoding=UTF8 --no-locale --no-sync
  printf 'host all all all scram-sha-256\n' >> /var/lib/postgresql/data/pg_hba.conf
  pg_ctl -D /var/lib/postgresql/data -o '-c listen_addresses= -k /tmp' -w start
  createdb -h /tmp --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -D /var/lib/postgresql/data -m fast -w stop
fi
exec postgres -D /var/lib/postgresql/data -c 'listen_addresses=*' -k /tmp -F
"""


@dataclass(frozen=True)
class Image:
    """An image.

    :param user: whose process it is, unless the service says so.
    :param entrypoint: what the service's command is the arguments of.
    """

    user: int
    environment: dict[str, str]
    entrypoint: list[str]

    @classmethod
    def named(cls, name: str, pg_ctl: str) -> Image:
        """The one for a name such as ``postgres:16``."""
        home = {"HOME": "/home/airflow", "LANG": "C.UTF-8"}
        kind = name.partition(":")[0]
        if kind == "postgres":
            owner = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else os.geteuid()
            path = {"PATH": f"{Path(pg_ctl).parent}:{_PATH}"}
            return cls(owner, home | path, ["sh", "-c", _POSTGRES, "entrypoint"])
        if kind == "redis":
            return cls(0, home | {"PATH": _PATH}, [])
        assert kind == "airflow-dirops", name
        airflow = {"AIRFLOW_HOME": "/opt/airflow", "DUMB_INIT_SETSID": "1", "PATH": f"{sys.prefix}/bin:{_PATH}"}
        return cls(50000, home | airflow, ["dumb-init", "--", "sh", "-c", _AIRFLOW, "entrypoint"])


def shown() -> list[str]:
    """The paths of this machine that make up the image besides the operating system: Python, and this checkout."""
    places = {Path(sys.base_prefix).resolve(), Path(sys.prefix), CHECKOUT}
    return sorted(str(place) for place in places if place.parts[1] != "usr")


def make_volume(path: Path, image: str, user: int) -> Path:
    """A named volume, which has the owner and mode of the directory of the image that it is mounted on."""
    if not path.exists():
        path.mkdir(parents=True)
        shutil.chown(path, user, 0)
        path.chmod(0o700 if image.startswith("postgres") else 0o770)
    return path
