"""A source that cannot be read as it is: a clear error, and nothing of the target lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, open_snapshot, transform_directory
from airflow_dirops.core.arrival.arrival import look_for
from airflow_dirops.core.arrival.rules import Rules
from airflow_dirops.core.format.pins import ListingPin
from tests.core.children import NOBODY, as_nobody
from tests.core.conftest import Run
from tests.core.directories import assert_whole, nothing_lost, orphans_of, values_of, write_texts
from tests.core.seed import read_text, shout


def test_a_missing_source(run: Run, target: Path, tmp_path: Path) -> None:
    run()
    with nothing_lost(target), pytest.raises(errors.SourceMissing, match="does not exist; check the path") as caught:
        run(source=tmp_path / "absent")
    assert str(tmp_path / "absent") in str(caught.value)


def test_a_source_that_is_a_file(run: Run, texts: Path, target: Path) -> None:
    run()
    with nothing_lost(target), pytest.raises(errors.SourceMissing, match="is a file; a stage reads a directory"):
        run(source=texts / "a.txt")


@pytest.mark.parametrize("nothing", ["", "  ", None, b"raw", 7, "a\0b"])
@pytest.mark.parametrize("argument", ["source", "target"])
def test_a_path_that_is_none(run: Run, target: Path, argument: str, nothing: object) -> None:
    run()
    with nothing_lost(target), pytest.raises(errors.ArgumentRefused, match=f"{argument}= must be the path"):
        run(**{argument: nothing})


@pytest.mark.parametrize("pinned", [{}, {"target": "x"}, {"snapshot": "x"}, {"target": "", "snapshot": "x"}])
def test_a_pinned_source_needs_both_names(run: Run, target: Path, pinned: dict[str, str]) -> None:
    run()
    with nothing_lost(target), pytest.raises(errors.ArgumentRefused, match="'target' and 'snapshot'"):
        run(source=pinned)


@pytest.mark.parametrize(
    "spoiled", [{"partition": 7}, {"outcome": "skipped", "snapshot": None}, {"target": 7}], ids=str
)
def test_what_names_a_snapshot_is_read_as_a_whole(run: Run, target: Path, spoiled: dict[str, Any]) -> None:
    pinned = run().to_dict() | spoiled
    with nothing_lost(target), pytest.raises(errors.ArgumentRefused, match="give what the stage returned"):
        run(source=pinned)


def test_a_relative_pin_is_where_it_was_when_the_stage_was_described(
    run: Run, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = run().to_dict() | {"target": target.name}
    monkeypatch.chdir(target.parent)

    def leaving(value: str) -> str:
        os.chdir("/")
        return value

    final = target.parent / "final"
    transform_directory(source=pinned, target=final, transform=leaving, codec="text")
    assert values_of(final) == values_of(target)
    with pytest.raises(errors.SnapshotExpired):
        open_snapshot(pinned)


def test_a_listing_is_no_snapshot(texts: Path) -> None:
    found = look_for(str(texts), Rules(min_files=1)).listing
    assert found is not None
    with pytest.raises(errors.ArgumentRefused, match="looked at by a DirectorySensor, and is no snapshot"):
        open_snapshot(ListingPin(directory=str(texts), listing=found))


class TestEmpty:
    @pytest.fixture
    def empty(self, tmp_path: Path) -> Path:
        return write_texts(tmp_path / "empty")

    def test_fails_by_default(self, run: Run, target: Path, empty: Path) -> None:
        run()
        (empty / ".hidden").touch()
        with (
            nothing_lost(target),
            pytest.raises(errors.SourceEmpty, match=r"1 more names were passed over.*empty='skip'"),
        ):
            run(source=empty)
        assert run().outcome == "unchanged"
        assert orphans_of(target) == []

    def test_a_pattern_that_matches_nothing_is_named(self, run: Run) -> None:
        with pytest.raises(errors.SourceEmpty, match=r"matches '\*\.tiff'"):
            run(pattern="*.tiff")

    def test_is_skipped(self, run: Run, target: Path, empty: Path) -> None:
        first = run()
        with nothing_lost(target):
            outcome = run(source=empty, empty="skip")
        assert (outcome.outcome, outcome.snapshot) == ("skipped", first.snapshot)

    def test_is_skipped_without_a_target(self, run: Run, target: Path, empty: Path) -> None:
        outcome = run(source=empty, empty="skip")
        assert (outcome.outcome, outcome.snapshot, outcome.manifest) == ("skipped", None, None)
        assert not target.exists()
        assert orphans_of(target) == []

    def test_is_committed_first(self, run: Run, target: Path, empty: Path) -> None:
        assert run(source=empty, empty="commit").outcome == "committed"
        assert_whole(target)

    @pytest.mark.parametrize("redo", ["needed", "all"])
    def test_is_committed(self, run: Run, target: Path, empty: Path, redo: str) -> None:
        run()
        assert run(source=empty, empty="commit", redo=redo).outcome == "committed"
        assert values_of(target) == {}
        assert_whole(target)
        assert run(source=empty, empty="commit").outcome == "unchanged"


class TestPermission:
    """As a user without root's powers."""

    @pytest.fixture
    def shared(self, public: Path) -> Path:
        write_texts(public / "texts", a="alpha")
        (public / "out").mkdir(mode=0o777)
        (public / "out").chmod(0o777)
        return public

    def test_a_file(self, run: Run, shared: Path) -> None:
        (shared / "texts/a.txt").chmod(0)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "out/target"))
        assert answer.startswith("InputError: user 65534 may not open 1 of the inputs, so nothing was computed; ")
        assert f"'{shared}/texts/a.txt'" in answer
        assert not (shared / "out/target").exists()

    def test_a_file_that_may_fail(self, run: Run, shared: Path) -> None:
        (shared / "texts/a.txt").chmod(0)
        options = {"source": shared / "texts", "target": shared / "out/target", "on_error": "quarantine"}
        answer = as_nobody(lambda: run(**options, max_failures=0))
        assert answer.startswith("TooManyFailures: 1 of 1 inputs of stage copy failed")
        assert "1 × PermissionError" in answer
        assert "'a.txt'" in answer

    @pytest.mark.parametrize("mode", [0o000, 0o644, 0o311])
    def test_the_directory(self, run: Run, shared: Path, mode: int) -> None:
        (shared / "texts").chmod(mode)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "out/target"))
        assert answer.startswith("StorageError: ")
        assert f"'{shared}/texts" in answer
        assert f"give user {NOBODY} permission" in answer

    def test_the_directory_above(self, run: Run, shared: Path) -> None:
        write_texts(shared / "above/texts", a="alpha")
        (shared / "above").chmod(0)
        answer = as_nobody(lambda: run(source=shared / "above/texts", target=shared / "out/target"))
        assert answer.startswith(f"StorageError: opening the source '{shared}/above/texts' failed: Permission")

    def test_a_folder_below(self, run: Run, shared: Path) -> None:
        write_texts(shared / "texts/locked", b="beta").chmod(0)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "out/target"))
        assert answer.startswith(f"StorageError: listing '{shared}/texts/locked")

    def test_where_the_target_shall_be(self, run: Run, shared: Path) -> None:
        (shared / "out").chmod(0o555)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "out/target"))
        assert answer.startswith("TargetRefused: ")
        assert f"'{shared}/out' is not writable for user" in answer

    def test_where_the_target_cannot_even_be_looked_for(self, run: Run, shared: Path) -> None:
        (shared / "locked").mkdir(mode=0)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "locked/out/target"))
        assert answer.startswith(("StorageError: ", "TargetRefused: "))
        assert f"'{shared}/locked" in answer

    def test_the_target_itself(self, run: Run, shared: Path) -> None:
        (shared / "out/target").mkdir(mode=0)
        answer = as_nobody(lambda: run(source=shared / "texts", target=shared / "out/target"))
        assert answer.startswith(("StorageError: ", "TargetRefused: "))
        assert f"'{shared}/out/target" in answer


class TestNoSnapshot:
    def test_a_bare_directory_needs_a_reader(self, texts: Path, target: Path) -> None:
        with pytest.raises(errors.ArgumentRefused, match=r"nothing says how to decode.*give read="):
            transform_directory(source=texts, target=target, transform=shout, codec="text")
        assert not target.parent.exists()

    def test_with_a_reader_it_will_do(self, texts: Path, target: Path) -> None:
        transform_directory(source=texts, target=target, transform=shout, read=read_text, codec="text")
        assert values_of(target) == {"a": "ALPHA", "b": "BETA", "c": "GAMMA"}

    def test_a_pickled_source_that_nobody_vouched_for(self, run: Run, target: Path, tmp_path: Path) -> None:
        run(codec="pickle")
        final = tmp_path / "final"
        with nothing_lost(target), pytest.raises(errors.UntrustedPickle, match="source_codec='pickle'") as caught:
            transform_directory(source=target, target=final, transform=shout, codec="text")
        assert str(target) in str(caught.value)
        assert not final.exists()

    def test_another_codec_than_was_written(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        with pytest.raises(errors.ArgumentRefused, match=r"written with codec 'text' and cannot be read with 'json'"):
            transform_directory(source=target, target=tmp_path / "x", transform=shout, source_codec="json")

    @pytest.mark.parametrize("name", ["absent", "texts"])
    def test_nothing_to_open(self, texts: Path, name: str) -> None:
        with pytest.raises(errors.ManifestMissing, match=name):
            open_snapshot(texts.parent / name)


def test_names_of_any_bytes(run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
    """Not UTF-8, with newlines, spaces, quotes, a backslash, an emoji, an underscore in front."""
    names = [b"caf\xe9", b"new\nline", b"last\n", b" space ", b'q"uote\\', "🦊".encode(), b"_DSC0001", b"-rf", b"a.b"]
    for name in names:
        with open(os.fsencode(texts) + b"/" + name + b".txt", "w") as file:
            file.write("text")
    source = transform_source = tmp_path / os.fsdecode(b"dossier \xe9t\xe9\n")
    texts.rename(source)
    run(source=source)
    final = tmp_path / os.fsdecode(b"fin\xe9") / "final"
    transform_source = target
    transform_directory(source=transform_source, target=final, transform=shout, codec="text")
    assert_whole(target)
    assert_whole(final)
    keys = [*names, b"a", b"b", b"c"]
    assert list(map(os.fsencode, values_of(final))) == sorted(keys)
    assert run(source=source).outcome == "unchanged"
    assert transform_directory(source=target, target=final, transform=shout, codec="text").outcome == "unchanged"
