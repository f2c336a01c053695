"""``dirops status``: which days are missing, stale or damaged, for a person and for a script."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from airflow_dirops.calendar.expected import ExpectedBetween, format_of
from airflow_dirops.core import errors, read_directory
from tests.cli.calls import dirops, parsed
from tests.text_files import read_text, write

DAYS = [f"2026-11-{day:02}" for day in range(1, 8)]


def commit(data: Path, day: str, stage: str = "dag.read", **options: object) -> None:
    write(data / "raw" / day, a=day, b="b")
    os.utime(data / "raw" / day, (0, 0))
    read_directory(
        source=data / "raw" / day,
        target=data / "interim" / day,
        read=read_text,
        codec="text",
        stage=stage,
        partition=day,
        **options,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for day in DAYS:
        commit(tmp_path, day)
    return tmp_path


def test_a_person_sees_runs_of_days_that_are_alike_and_what_they_cost(data: Path) -> None:
    assert dirops("status", cwd=data).returncode == 0
    for day in DAYS[2:5]:
        shutil.rmtree(data / "interim" / day)
        shutil.rmtree(data / "interim/.dirops" / day)
    done = dirops("status", data, cwd=data)
    assert done.returncode == 1
    assert "1 stage, 7 partitions" in done.stdout
    assert "2026-11-03 to 2026-11-05 (3)" in done.stdout
    assert "absent" in done.stdout
    assert "going by earlier runs" in done.stdout


def test_dates_are_from_and_to_and_all_of_them_are_expected(data: Path) -> None:
    found = parsed("status", data, "2026-11-06..2026-11-10", cwd=data)
    (stage,) = found["stages"]
    assert {each["partition"]: each["state"] for each in stage["partitions"]} == {
        **dict.fromkeys(("2026-11-06", "2026-11-07"), "whole"),
        **dict.fromkeys(("2026-11-08", "2026-11-09", "2026-11-10"), "absent"),
    }
    assert found["counts"] == {"absent": 3, "whole": 2}
    assert found["cost"]["files"] == 6
    assert found["is_whole"] is False
    assert dirops("status", data, "2026-11..2026-11", cwd=data).returncode == 1
    assert dirops("status", data, "2026-11-01..2026-11-07", cwd=data).returncode == 0


def test_a_script_asks_for_some_states_alone(data: Path) -> None:
    commit(data, "2026-11-08", version="2")
    assert dirops("status", data, cwd=data).returncode == 1
    assert dirops("status", data, "--only", "absent", "--only", "damaged", cwd=data).returncode == 0
    assert dirops("status", data, "--only", "stale", cwd=data).returncode == 1
    found = parsed("status", data, "--only", "stale", cwd=data)
    assert [len(stage["partitions"]) for stage in found["stages"]] == [7]


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (["empty"], "manifest-missing"),
        (["nowhere"], "source-missing"),
        ([".", "--only", "broken"], "argument-refused"),
        ([".", "2026-11-05..2026-11-01"], "argument-refused"),
        ([".", "2026-11-05..2026-33-01"], "argument-refused"),
    ],
)
def test_what_cannot_be_looked_at_exits_with_2(data: Path, typed: list[str], kind: str) -> None:
    (data / "empty").mkdir()
    done = dirops("status", *typed, cwd=data)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{kind}: ")


def test_a_header_of_a_newer_version_exits_with_2_and_a_damaged_one_with_1(data: Path) -> None:
    header = data / "interim" / DAYS[0] / "_dirops/manifest.json"
    header.write_text("{")
    assert dirops("status", data, cwd=data).returncode == 1
    header.write_text('{"format": "dirops/99"}')
    assert dirops("status", data, cwd=data).returncode == 2
    assert dirops("status", data, "2026-11-02..2026-11-03", cwd=data).returncode == 0


def test_hostile_manifests_cannot_steer_a_terminal(data: Path) -> None:
    evil = "\x1b[2J<script>alert(1)</script>"
    commit(data, "2026-11-08", stage=evil, run=evil, limit=1)
    done = dirops("status", data, cwd=data)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2J<script>" in done.stdout


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(data: Path) -> None:
    deep = data / "interim" / ("d" * 200)
    for _ in range(30):  # longer than a path may be: even root cannot look into it by its path
        deep = deep / ("d" * 200)
    descriptor = os.open(data / "interim", os.O_RDONLY)
    for _ in range(31):
        os.mkdir("d" * 200, dir_fd=descriptor)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    done = dirops("status", data, cwd=data)
    assert done.returncode == 2
    assert "storage-error" in done.stderr
    assert "7 partitions" in done.stdout


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["2026-11-01", "2026-11-02"], "%Y-%m-%d"),
        (["2026/11/01"], "%Y/%m/%d"),
        (["2026-11-01T00", "2026-11-01T23"], "%Y-%m-%dT%H"),
        (["2026-W45", "2026-W46"], "%G-W%V"),
        (["2026-11"], "%Y-%m"),
        (["20261101"], "%Y%m%d"),
        (["run-1"], None),
        ([], None),
    ],
)
def test_how_partitions_are_named_tells_which_there_should_be(names: list[str], form: str | None) -> None:
    assert format_of(names) == form


def test_a_month_has_weeks_and_hours() -> None:
    november = ExpectedBetween("2026-11-01", "2026-11-30")
    assert [*(november("s", ["2026-W45"]) or ())] == [f"2026-W{week}" for week in range(44, 50)]
    assert len(november("s", ["2026-11-05T07"]) or ()) == 30 * 24
    assert november("s", ["left", "right"]) is None
    with pytest.raises(errors.ArgumentRefused):
        ExpectedBetween("2026-11-01", "9998-11-30")


class ApiServer(BaseHTTPRequestHandler):
    """As much of Airflow's API as starts runs; it lets in who has the password, and does not know one of the DAGs."""

    calls: ClassVar[list[tuple[str, str | None, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append((self.path, self.headers["Authorization"], body))
        if self.path == "/auth/token":
            is_known = body == {"username": "me", "password": "secret"}
            self.answer(201 if is_known else 401, {"access_token": "t"} if is_known else {"detail": "no"})
        elif "/unknown/" in self.path:
            self.answer(404, {"detail": "\x1b[2Jno such DAG"})
        else:
            self.answer(200, {"dag_run_id": f"manual__{body['partition_key']}"})

    def answer(self, code: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def api() -> Iterator[str]:
    ApiServer.calls.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def made_by(data: Path, day: str, dag_id: str) -> None:
    """As if a run of a DAG had committed it."""
    header = data / "interim" / day / "_dirops/manifest.json"
    made = json.loads(header.read_bytes())
    made["attempt"]["dag_id"] = dag_id
    header.chmod(0o644)
    header.write_text(json.dumps(made))


def test_runs_are_started_for_what_is_not_whole(data: Path, api: str) -> None:
    for day in DAYS:
        made_by(data, day, "a dag")
    user = {"DIROPS_API_USER": "me", "DIROPS_API_PASSWORD": "secret", "NO_PROXY": "127.0.0.1"}
    dates = "2026-11-06..2026-11-09"
    done = dirops("status", data, dates, "--backfill", api, cwd=data, **user)
    assert done.returncode == 1, done.stderr
    assert [call[0] for call in ApiServer.calls] == ["/auth/token", *["/api/v2/dags/a%20dag/dagRuns"] * 2]
    assert [call[2].get("partition_key") for call in ApiServer.calls[1:]] == ["2026-11-08", "2026-11-09"]
    assert {call[1] for call in ApiServer.calls[1:]} == {"Bearer t"}
    assert "manual__2026-11-09" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    ApiServer.calls.clear()
    found = parsed("status", data, dates, "--only", "stale", "--backfill", api, cwd=data, DIROPS_API_TOKEN="x")
    assert (found["started"], ApiServer.calls) == ([], [])


def test_what_cannot_be_started_says_why(data: Path, api: str) -> None:
    for day in DAYS:
        made_by(data, day, "unknown")
    dates = "2026-11-07..2026-11-08"
    done = dirops("status", data, dates, "--backfill", api, cwd=data, DIROPS_API_TOKEN="x", NO_PROXY="127.0.0.1")
    assert done.returncode == 2
    assert "404 Not Found" in done.stdout
    assert "\x1b" not in done.stdout
    done = dirops(
        "status",
        data,
        dates,
        "--backfill",
        api,
        cwd=data,
        NO_PROXY="127.0.0.1",
        DIROPS_API_USER="me",
        DIROPS_API_PASSWORD="wrong",
    )
    assert done.returncode == 2
    assert "lets nobody in: 401" in done.stderr
    assert "DIROPS_API_TOKEN" in done.stderr
    done = dirops("status", data, dates, "--backfill", "ftp://x", cwd=data)
    assert "is no URL of an api-server" in done.stderr
