"""Something else in the place of a file that is read: nobody waits for it, follows it, or reads without end."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Retention, errors, open_snapshot, transform_directory
from airflow_dirops.core.upkeep import clean, list_snapshots, repair, rollback, verify
from airflow_dirops.triggers.conditions import Conditions
from tests.core.conftest import Run
from tests.core.directories import assert_whole, control_of, retired_of, state_of, values_of, write_texts
from tests.core.seed import read_text, shout

pytestmark = pytest.mark.timeout(60)
TERABYTE = 1 << 40


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # the name of a socket has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def directory(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to(path.parents[-3] / "elsewhere-that-is-not-there")


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(TERABYTE)


def one_long_line(path: Path) -> None:
    with open(path, "wb") as file:
        file.write(b'{"path":"')
        file.writelines(b"a" * (1 << 20) for _ in range(200))


KINDS = [fifo, device, unix_socket, directory, link, sparse, one_long_line]
PLACES = ["_dirops/manifest.json", "_dirops/files.jsonl", "_dirops/skipped.jsonl", "_dirops/quarantine.jsonl", "a.txt"]
CONTROL = ["fence.json", "intent.json", "lock", "attempts", "retired", "removing"]


def put(place: Path, kind: Callable[[Path], None]) -> None:
    if place.is_dir() and not place.is_symlink():
        place.rename(place.with_name("was-" + place.name))
    else:
        place.unlink(missing_ok=True)
    kind(place)


def try_every_door(run: Run, target: Path, texts: Path, tmp_path: Path) -> None:
    """Each may do its work, or raise an error of ours."""
    doors: list[Callable[[], Any]] = [
        lambda: values_of(target),
        lambda: [record.path for record in open_snapshot(target)],
        lambda: Conditions(target=str(target)).look(),
        lambda: list_snapshots(target),
        lambda: verify(target),
        lambda: verify(target, deep=True),
        lambda: transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text"),
        lambda: transform_directory(source=target, target=tmp_path / "read", read=read_text, codec="text"),
        lambda: run(dry_run=True),
        lambda: repair(target),
        lambda: run(redo="damaged"),
        lambda: (write_texts(texts, d="delta"), run()),
        lambda: clean(target, Retention(0, 0)),
        lambda: rollback(target),
        lambda: run(may_replace={"unmanaged"}, redo="all"),
    ]
    for door in doors:
        with suppress(errors.DiropsError):
            door()


@pytest.fixture
def modest() -> Any:
    """So much memory that nothing of this size is read whole."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_in_the_target(
    run: Run, texts: Path, target: Path, tmp_path: Path, modest: None, place: str, kind: Callable[[Path], None]
) -> None:
    run()
    write_texts(texts, a="again")
    run()
    put(target / place, kind)
    try_every_door(run, target, texts, tmp_path)
    assert_whole(target)


@pytest.mark.parametrize("kind", [fifo, device, directory, link])
@pytest.mark.parametrize("place", CONTROL)
def test_in_the_control_directory(
    run: Run, texts: Path, target: Path, tmp_path: Path, modest: None, place: str, kind: Callable[[Path], None]
) -> None:
    run()
    write_texts(texts, a="again")
    run()
    put(control_of(target) / place, kind)
    try_every_door(run, target, texts, tmp_path)
    assert_whole(target)


@pytest.mark.parametrize("name", ["alive", "owner.json", "journal.jsonl", "tree"])
@pytest.mark.parametrize("kind", [fifo, directory, link, sparse])
def test_in_a_dead_attempt(
    run: Run, texts: Path, target: Path, tmp_path: Path, modest: None, name: str, kind: Callable[[Path], None]
) -> None:
    run()
    write_texts(texts, z="zeta")
    with pytest.raises(errors.RecordFailed):
        run(read=fails_on_z)
    (attempt,) = (control_of(target) / "attempts").iterdir()
    put(attempt / name, kind)
    try_every_door(run, target, texts, tmp_path)
    assert_whole(target)


def fails_on_z(path: str) -> str:
    if path.endswith("z.txt"):
        raise ValueError
    return Path(path).read_text()


class TestLinksThatLeadOut:
    """Nothing behind them is read, written, moved or removed."""

    @pytest.mark.parametrize("place", ["attempts", "retired", "removing", ""])
    def test_in_the_place_of_a_directory(self, run: Run, texts: Path, target: Path, tmp_path: Path, place: str) -> None:
        run()
        elsewhere = write_texts(tmp_path / "elsewhere/0190a5dac-ac96-774b-bcce-b302099a8057", thesis="precious").parent
        before = state_of(elsewhere)
        put(control_of(target) / place if place else control_of(target), lambda path: path.symlink_to(elsewhere))
        with pytest.raises(errors.TargetRefused, match=r"such as a link.*remove it"):
            run(redo="all")
        try_every_door(run, target, texts, tmp_path)
        assert state_of(elsewhere) == before
        (control_of(target) / place if place else control_of(target)).unlink()
        assert run(redo="all").outcome == "committed"

    def test_in_the_place_of_the_lock(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        precious = tmp_path / "precious"
        precious.write_text("thesis")
        put(control_of(target) / "lock", lambda path: path.symlink_to(precious))
        with pytest.raises(errors.TargetRefused, match=r"lock.*remove it"):
            run(redo="all")
        assert precious.read_text() == "thesis"
        (control_of(target) / "lock").unlink()
        assert run(redo="all").outcome == "committed"

    def test_in_the_place_of_an_entry(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        secret = tmp_path / "secret"
        secret.write_text("psst!")  # as long as the entry
        put(target / "a.txt", lambda path: path.symlink_to(secret))
        with pytest.raises(errors.SnapshotDamaged, match=r"a\.txt"):
            transform_directory(source=target, target=tmp_path / "read", read=read_text, codec="text")
        with open_snapshot(target) as snapshot, pytest.raises(errors.SnapshotDamaged, match=r"a\.txt"):
            next(iter(snapshot)).path  # noqa: B018
        assert [finding.problem for finding in verify(target).findings] == ["changed"]
        run()
        assert values_of(target)["a"] == "alpha"

    def test_among_what_is_kept(self, run: Run, texts: Path, target: Path) -> None:
        run()
        write_texts(texts, a="again")
        run()
        (kept,) = retired_of(target)
        (kept.parent / "dangling").symlink_to("/nowhere")
        (kept.parent / "0190a5da-ac96-774b-bcce-b302099a8057").symlink_to("/nowhere")
        assert len(list_snapshots(target)) == 2
        rollback(target)
        assert values_of(target)["a"] == "alpha"
