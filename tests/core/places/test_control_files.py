"""Control files that cannot be read, staging areas that somebody cleans up, and locks that strangers hold."""

from __future__ import annotations

import fcntl
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Attempt, LogicalRun, Retention, errors, open_snapshot, read_manifest
from airflow_dirops.core.format.control import Intent
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.upkeep import clean, list_snapshots, verify
from tests.core.conftest import Run
from tests.core.descriptors import limit_that_leaves
from tests.core.directories import (
    assert_whole,
    control_of,
    header_of,
    nothing_lost,
    orphans_of,
    retired_of,
    values_of,
    write_texts,
)

GARBAGE = [b"", b"{", b"\x00" * 64, b"\xff\xfe", b"[]", b"7", b'{"a":{"attempt":"../x"}}', b"[" * 100_000, b"9" * 5000]


@pytest.mark.parametrize("content", GARBAGE)
class TestFence:
    def test_is_kept_aside_by_the_next_run(self, run: Run, target: Path, content: bytes) -> None:
        run()
        fence = control_of(target) / "fence.json"
        fence.write_bytes(content)
        assert run(redo="all").outcome == "committed"
        assert_whole(target)
        (kept,) = control_of(target).glob("fence.json.unreadable-*")
        assert kept.read_bytes() == content
        assert run().outcome == "unchanged"

    def test_ends_an_attempt_that_has_claimed(self, run: Run, target: Path, content: bytes) -> None:
        run()

        def lose(path: str) -> str:
            (control_of(target) / "fence.json").write_bytes(content)
            return "lost"

        attempt = Attempt(run=LogicalRun("dag", "run", "task"))
        with nothing_lost(target), pytest.raises(errors.AttemptSuperseded, match="no longer owns the target"):
            run(read=lose, redo="all", attempt=attempt)
        assert run(redo="all").outcome == "committed"


class TestIntent:
    @pytest.mark.parametrize("content", GARBAGE)
    def test_is_kept_aside(self, run: Run, target: Path, content: bytes) -> None:
        run()
        (control_of(target) / "intent.json").write_bytes(content)
        assert values_of(target)["a"] == "alpha"
        assert run(redo="all").outcome == "committed"
        assert len(list(control_of(target).glob("intent.json.unreadable-*"))) == 1

    @pytest.mark.parametrize("content", [b"", b"{"])
    def test_of_a_swap_that_had_come_half_way(self, run: Run, texts: Path, target: Path, content: bytes) -> None:
        """Between the two renames: the old snapshot is put back, and what the dead attempt finished is reused."""
        snapshot = half_swapped(run, texts, target)
        (control_of(target) / "intent.json").write_bytes(content)
        with pytest.raises(errors.ManifestMissing):
            open_snapshot(target)
        assert clean(target).snapshots == []
        assert read_manifest(target).snapshot == snapshot
        assert run().outcome == "committed"
        assert values_of(target)["a"] == "again"

    @pytest.mark.parametrize(
        "member", [{"attempt": "../../../dags"}, {"attempt": "/etc"}, {"snapshot": "x"}, {"retired": "../../x"}]
    )
    def test_that_names_another_directory(
        self, run: Run, texts: Path, target: Path, tmp_path: Path, member: dict[str, str]
    ) -> None:
        dags = write_texts(tmp_path / "dags" / "tree", evil="import os").parent
        snapshot = half_swapped(run, texts, target)
        (attempt,) = (control_of(target) / "attempts").iterdir()
        intent = {"attempt": attempt.name, "snapshot": snapshot, "retired": snapshot} | member
        (control_of(target) / "intent.json").write_text(json.dumps(intent))
        with nothing_lost(dags):
            run()
        assert values_of(target)["a"] == "again"

    @pytest.mark.parametrize("retired", ["../../../../dags", "{tmp}/dags"])
    def test_that_would_put_another_directory_in_place(
        self, run: Run, texts: Path, target: Path, tmp_path: Path, retired: str
    ) -> None:
        dags = write_texts(tmp_path / "dags", evil="import os")
        snapshot = half_swapped(run, texts, target)
        kept = control_of(target) / "retired"
        retired = retired.format(tmp=tmp_path)
        assert (kept / retired).resolve() == dags
        intent = {"attempt": header_of(kept / snapshot)["attempt"]["id"], "snapshot": snapshot, "retired": retired}
        (control_of(target) / "intent.json").write_text(json.dumps(intent))
        with nothing_lost(dags):
            clean(target)
        assert read_manifest(target).snapshot == snapshot

    def test_that_names_a_tree_of_another_snapshot(self, run: Run, texts: Path, target: Path) -> None:
        snapshot = half_swapped(run, texts, target)
        (attempt,) = (control_of(target) / "attempts").iterdir()
        ControlDirectory(target).write_intent(Intent(attempt.name, snapshot, snapshot))
        clean(target)
        assert read_manifest(target).snapshot == snapshot


def half_swapped(run: Run, texts: Path, target: Path) -> str:
    """A sealed attempt, a target that is retired, and nobody alive; returns the id of what was the target."""
    run()
    before = read_manifest(target).snapshot
    write_texts(texts, a="again")
    pid = os.fork()
    if pid == 0:
        import airflow_dirops.core.places.directory.place as place

        place.commit = lambda *_, **__: os._exit(0)  # type: ignore[assignment]
        run()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    target.rename(control_of(target) / "retired" / before)
    return before


class TestLeftovers:
    def test_of_dead_writers_are_removed(self, run: Run, target: Path) -> None:
        run()
        for name in ("fence.json.0123456789abcdef.new", "intent.json.x.new", "fence.json.new"):
            (control_of(target) / name).write_bytes(b"")
        (control_of(target) / "mine.new").write_text("not ours")
        run(redo="all")
        assert sorted(path.name for path in control_of(target).glob("*.new")) == ["mine.new"]

    @pytest.mark.parametrize("content", GARBAGE)
    def test_an_owner_that_cannot_be_read(self, run: Run, texts: Path, target: Path, content: bytes) -> None:
        run()
        write_texts(texts, z="zeta")
        with pytest.raises(errors.RecordFailed):
            run(read=refuse_z)
        (orphan,) = (control_of(target) / "attempts").iterdir()
        (orphan / "owner.json").write_bytes(content)
        assert run().outcome == "committed"
        assert orphans_of(target) == []


def refuse_z(path: str) -> str:
    if path.endswith("z.txt"):
        raise ValueError
    return Path(path).read_text()


def remove_journal(attempt: Path) -> None:
    (attempt / "journal.jsonl").unlink()


def replace_journal(attempt: Path) -> None:
    content = (attempt / "journal.jsonl").read_bytes()
    (attempt / "journal.jsonl").unlink()
    (attempt / "journal.jsonl").write_bytes(content)


def truncate_journal(attempt: Path) -> None:
    os.truncate(attempt / "journal.jsonl", 0)


def add_to_journal(attempt: Path) -> None:
    with open(attempt / "journal.jsonl", "a") as file:
        file.write('{"input":{"path":"x","size":1}}\n')


def remove_entry(attempt: Path) -> None:
    (attempt / "tree/a.txt").unlink()


def alter_entry(attempt: Path) -> None:
    (attempt / "tree/a.txt").chmod(0o644)
    (attempt / "tree/a.txt").write_text("ALPHA")


def replace_entry_by_link(attempt: Path) -> None:
    (attempt / "tree/a.txt").unlink()
    (attempt / "tree/a.txt").symlink_to("/etc/hostname")


def replace_entry_by_fifo(attempt: Path) -> None:
    (attempt / "tree/a.txt").unlink()
    os.mkfifo(attempt / "tree/a.txt")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("durability", ["full", "process"])
@pytest.mark.parametrize(
    "disturb",
    [
        remove_journal,
        replace_journal,
        truncate_journal,
        add_to_journal,
        remove_entry,
        alter_entry,
        replace_entry_by_link,
        replace_entry_by_fifo,
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_staging_area_that_somebody_cleans_up(
    run: Run, texts: Path, target: Path, disturb: Callable[[Path], None], workers: int, durability: str
) -> None:
    run()
    write_texts(texts, a="alfa!", d="delta")

    def read(path: str) -> str:
        if path.endswith("d.txt"):
            attempts = control_of(target) / "attempts"
            (attempt,) = attempts.iterdir()
            while b'"a.txt"' not in (attempt / "journal.jsonl").read_bytes():
                pass
            disturb(attempt)
        return Path(path).read_text()

    with nothing_lost(target), pytest.raises(errors.StagingChanged, match="Nothing was committed") as caught:
        run(read=read, version="1", workers=workers, durability=durability)
    assert isinstance(caught.value, errors.TransientError)
    assert run(version="1").outcome == "committed"
    assert_whole(target)
    assert values_of(target)["a"] == "alfa!"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody who knows nothing of this package locks it exclusively."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class TestLockedByAStranger:
    def test_a_target_is_read_and_replaced(
        self, run: Run, texts: Path, target: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run()
        with held(target):
            assert values_of(target)["a"] == "alpha"
            assert verify(target, deep=True).is_good
            with open_snapshot(target) as snapshot:
                write_texts(texts, a="again")
                assert run(retention=Retention(0, 0)).outcome == "committed"
                # Whoever holds it keeps retention away, too.
                assert next(record.value for record in snapshot) == "alpha"
        assert any("lslocks" in record.getMessage() for record in caplog.records)
        assert values_of(target)["a"] == "again"

    def test_a_kept_snapshot_says_who_may_hold_it(self, run: Run, texts: Path, target: Path) -> None:
        before = run().to_dict()
        write_texts(texts, a="again")
        run()
        (kept,) = retired_of(target)
        with held(kept), pytest.raises(errors.TargetBusy, match=r"none of this package's.*fuser -v"):
            open_snapshot(before)
        open_snapshot(before).close()

    def test_the_lock_blames_nobody_who_has_ended(self, run: Run, target: Path, monkeypatch: Any) -> None:
        run()
        monkeypatch.setattr("airflow_dirops.core.places.directory.control.LOCK_TIMEOUT_SECONDS", 0.1)
        with held(control_of(target) / "lock"), pytest.raises(errors.TargetBusy) as caught:
            run(redo="all")
        assert "a process that is none of this package's" in str(caught.value)
        assert "lslocks" in str(caught.value)
        assert str(control_of(target) / "lock") in str(caught.value)

    def test_the_lock_names_who_holds_it(self, run: Run, target: Path, monkeypatch: Any) -> None:
        run()
        monkeypatch.setattr("airflow_dirops.core.places.directory.control.LOCK_TIMEOUT_SECONDS", 0.1)
        named = rf"by the night watch, process {os.getpid()} on"
        with ControlDirectory(target).locked("the night watch"), pytest.raises(errors.TargetBusy, match=named):
            run(redo="all")
        assert (control_of(target) / "lock").read_bytes() == b""


class TestEnvironment:
    """What the machine cannot do now says nothing about what lies on its disk."""

    @pytest.mark.parametrize(
        "look",
        [
            lambda run, target, pinned: open_snapshot(target),
            lambda run, target, pinned: open_snapshot(pinned),
            lambda run, target, pinned: read_manifest(target),
            lambda run, target, pinned: verify(target),
            lambda run, target, pinned: list_snapshots(target),
            lambda run, target, pinned: run(),
            lambda run, target, pinned: run(dry_run=True),
        ],
    )
    @pytest.mark.parametrize("left", [0, 1, 2, 3])
    def test_too_many_open_files(self, run: Run, target: Path, look: Callable[..., Any], left: int) -> None:
        pinned = run().to_dict()
        run()  # everything is imported
        raised = None
        with nothing_lost(target), few_files(left):
            try:
                found = look(run, target, pinned)
            except errors.DiropsError as error:
                raised = error
            else:
                getattr(found, "close", lambda: None)()
        assert raised is None or isinstance(raised, errors.TransientError), raised
        assert run().outcome == "unchanged"

    def test_a_list_that_may_not_be_opened_now(self, run: Run, target: Path) -> None:
        run()
        with open_snapshot(target) as snapshot, few_files(0), pytest.raises(errors.StorageError, match="Too many open"):
            list(snapshot)
        with open_snapshot(target) as snapshot:
            entry, *_ = snapshot.iter_entries()
            snapshot.read(entry)
            with few_files(0), pytest.raises(errors.StorageError, match="Too many open"):
                snapshot.read(entry)


@contextmanager
def few_files(left: int) -> Iterator[None]:
    """Let this process open so many more files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit_that_leaves(left), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("member", ["stage", "partition"])
def test_a_header_that_readers_would_refuse_is_never_published(run: Run, target: Path, member: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=member):
        run(**{member: "x" * 5000})
    assert not target.exists()
    run(**{member: "x" * 4000})
    assert_whole(target)
