"""The services of a compose file, as Docker Compose itself understands it: no engine is needed for that."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import needs

CELERY = Path(__file__).parents[2] / "docker" / "celery"


@dataclass(frozen=True)
class Service:
    """One of them.

    :param depends_on: for each service that comes before, what must have become of it.
    :param volumes: source, target, ``rw`` or ``ro``; a source without a slash is a named volume.
    """

    name: str
    image: str
    hostname: str
    user: int | None
    groups: list[int]
    environment: dict[str, str]
    command: list[str]
    healthcheck: list[str]
    depends_on: dict[str, str]
    volumes: list[tuple[str, str, str]]

    @classmethod
    def of(cls, name: str, said: dict[str, Any]) -> Service:
        user, _, group = said.get("user", "").partition(":")
        return cls(
            name=name,
            image=said["image"],
            hostname=said.get("hostname", name),
            user=int(user) if user else None,
            groups=[int(group or 0), *map(int, said.get("group_add", ()))],
            environment={key: _literal(value) for key, value in said.get("environment", {}).items()},
            command=_words(said.get("command", [])),
            healthcheck=_health(said.get("healthcheck", {}).get("test", [])),
            depends_on={other: how["condition"] for other, how in said.get("depends_on", {}).items()},
            volumes=[_volume(each) for each in said.get("volumes", ())],
        )


def services(file: Path, settings: Path) -> dict[str, Service]:
    """All services of a compose file.

    :param settings: the file that says what ``${…}`` is.
    """
    done = rendered(file, settings)
    assert done.returncode == 0, done.stderr
    return {name: Service.of(name, said) for name, said in yaml.safe_load(done.stdout)["services"].items()}


def rendered(file: Path, settings: Path) -> subprocess.CompletedProcess[str]:
    """What ``docker compose config`` makes of the file."""
    command = [*program(), "--env-file", settings, "--file", file, "config"]
    # Nothing of our own environment stands in for what the file forgot.
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def program() -> list[str]:
    """Docker Compose: the plugin, or the program of its own that Debian has."""
    plugin = ["docker", "compose"]
    try:
        if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
            return plugin
    except FileNotFoundError:
        pass
    return [needs.program("docker-compose")]


def _words(command: str | list[str]) -> list[str]:
    return command.split() if isinstance(command, str) else [_literal(word) for word in command]


def _health(test: list[str]) -> list[str]:
    kind, *words = [*map(_literal, test), "NONE"][: len(test) or 1]
    return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


def _literal(text: Any) -> str:
    """What is printed is a compose file again, where a dollar stands twice."""
    return "" if text is None else str(text).replace("$$", "$")


def _volume(said: str | dict[str, Any]) -> tuple[str, str, str]:
    if isinstance(said, str):
        source, target, access = said.split(":")
        return source, target, access
    return said["source"], said["target"], "ro" if said.get("read_only") else "rw"
