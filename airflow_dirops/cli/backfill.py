"""Start runs for partitions that are not whole, through Airflow's API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from airflow_dirops.core import PartitionStatus, StageStatus
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.messages.shown import shown

TOKEN, USER, PASSWORD = "DIROPS_API_TOKEN", "DIROPS_API_USER", "DIROPS_API_PASSWORD"
_TIMEOUT_SECONDS = 30.0
_MAX_ANSWER = 1 << 20
_MAX_REASON = 500


class Wanted(NamedTuple):
    """A run that would make partitions of a DAG's stages whole."""

    dag_id: str
    partition: str


class Started(NamedTuple):
    """What became of it.

    :param run_id: None where Airflow refused.
    :param error: what it said then.
    """

    dag_id: str
    partition: str
    run_id: str | None
    error: str | None


def runs_wanted(stages: Iterable[StageStatus]) -> list[Wanted]:
    """One run for each DAG and partition of which a stage is not whole, and not only since one before it is not.

    What somebody is at work on is left out, and so is what no DAG has made or what cannot be looked at.
    """
    return [*dict.fromkeys(wanted for stage in stages for wanted in _of(stage))]


def start_runs(url: str, wanted: Iterable[Wanted]) -> Iterator[Started]:
    """Start them, one after the other, as the user whose token or password the environment has.

    :param url: of the api-server, such as ``https://airflow.example.org``.
    :raises ArgumentRefused: if it is none, does not answer, or lets nobody in.
    """
    if not url.startswith(("http://", "https://")):
        raise ArgumentRefused(f"--backfill {url!r} is no URL of an api-server; give one such as http://localhost:8080")
    token = os.environ.get(TOKEN) or _token(url)
    for dag_id, partition in wanted:
        body = {"logical_date": None, "partition_key": partition, "note": "dirops status --backfill"}
        try:
            answer = _call(url, f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", body, token)
            yield Started(dag_id, partition, shown(answer.get("dag_run_id")), None)
        except HTTPError as error:
            yield Started(dag_id, partition, None, _refusal(error))
        except (URLError, TimeoutError, ValueError) as error:
            yield Started(dag_id, partition, None, shown(error, _MAX_REASON))


def _of(stage: StageStatus) -> Iterator[Wanted]:
    for one in stage.partitions:
        dag_id = one.dag_id or stage.dag_id
        if dag_id and one.partition is not None and _is_to_be_done(one):
            yield Wanted(dag_id, one.partition)


def _is_to_be_done(one: PartitionStatus) -> bool:
    if one.state in ("whole", "unreadable", "held") or one.at_work:
        return False
    return one.state != "stale" or any(reason.kind != "upstream" for reason in one.reasons)


def _token(url: str) -> str:
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    body = {"username": user, "password": password} if user and password else None
    try:
        return str(_call(url, "/auth/token", body, None)["access_token"])
    except HTTPError as error:
        raise ArgumentRefused(
            f"{url} lets nobody in: {_refusal(error)}. Set {TOKEN}, or {USER} and {PASSWORD}, in the environment"
        ) from error
    except (URLError, TimeoutError, ValueError, KeyError) as error:
        raise ArgumentRefused(f"no api-server of Airflow answers at {url}: {shown(error, _MAX_REASON)}") from error


def _call(url: str, path: str, body: dict[str, Any] | None, token: str | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body).encode()
    request = Request(url.rstrip("/") + path, content, headers)  # noqa: S310 - the scheme was looked at
    with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        found = json.loads(answer.read(_MAX_ANSWER))
    if not isinstance(found, dict):
        raise ValueError("its answer is no JSON object")
    return found


def _refusal(error: HTTPError) -> str:
    return shown(f"{error.code} {error.reason}: {error.read(_MAX_ANSWER).decode(errors='replace')}", _MAX_REASON)
