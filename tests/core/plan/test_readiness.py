"""Before long work: room for what will be made, inputs that cannot be opened, inputs that are empty."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, transform_directory
from tests import needs
from tests.core.children import as_nobody
from tests.core.conftest import Run
from tests.core.directories import assert_whole, nothing_lost, values_of, write_texts


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the file system say that so many bytes are free."""

    def let(count: int) -> None:
        really = os.statvfs("/")
        told = (really.f_bsize, 1, really.f_blocks, count, count, *list(really)[5:])
        monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(told))

    return let


def tenfold(path: str) -> str:
    return Path(path).read_text() * 10


class TestRoom:
    @pytest.fixture
    def base(self, run: Run, texts: Path, target: Path) -> None:
        """A hundred bytes became a thousand, and of three hundred more nobody knows what they become."""
        write_texts(texts, a="a" * 40, b="b" * 30, c="c" * 30)
        run(read=tenfold)
        write_texts(texts, a="A" * 100, d="d" * 200)

    @pytest.mark.usefixtures("base")
    def test_is_estimated_from_what_was_made_before(self, run: Run, target: Path, free: Any) -> None:
        free(2999)
        with (
            nothing_lost(target),
            pytest.raises(errors.StorageError, match=r"about 0\.0 MB.*and 0\.0 MB are") as caught,
        ):
            run(read=tenfold)
        assert caught.value.errno == errno.ENOSPC
        assert not list(target.parent.glob(".dirops/target/attempts/*/tree"))
        free(3000)
        assert run(read=tenfold).counts["computed"] == 2
        assert_whole(target)

    @pytest.mark.usefixtures("base")
    def test_only_for_what_is_computed(self, run: Run, texts: Path, free: Any) -> None:
        free(0)
        with pytest.raises(errors.StorageError):
            run(read=tenfold, redo="all")
        (texts / "a.txt").unlink()
        (texts / "d.txt").unlink()
        assert run(read=tenfold).counts == {**run(read=tenfold).counts, "carried": 2}

    @pytest.mark.usefixtures("base")
    def test_several_outputs_of_one_input(self, run: Run, texts: Path, free: Any) -> None:
        def pieces(path: str) -> Iterator[tuple[str, str]]:
            for number in range(10):
                yield f"{Path(path).stem}/{number}", Path(path).read_text()

        run(read=pieces, version="1")
        write_texts(texts, e="e" * 100)
        free(999)
        with pytest.raises(errors.StorageError):
            run(read=pieces, version="1")
        free(1000)
        assert run(read=pieces, version="1").counts["computed"] == 1

    @pytest.mark.usefixtures("base")
    def test_another_stages_files_say_nothing(self, run: Run, free: Any, caplog: pytest.LogCaptureFixture) -> None:
        free(299)
        assert run(read=tenfold, stage="other", may_replace={"other_stage"}).outcome == "committed"
        assert "less than the inputs'" in caplog.text

    def test_without_a_base_there_is_only_a_warning(
        self, run: Run, free: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        free(len("alphabetagamma"))
        run()
        assert "less than the inputs'" not in caplog.text
        free(len("alphabetagamma") - 1)
        run(target=tmp_path / "again")
        assert "less than the inputs'" in caplog.text

    def test_on_a_file_system_that_is_nearly_full(self, run: Run, tmp_path: Path) -> None:
        place = tmp_path / "small"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
        needs.success(mount, "the right to mount file systems")
        try:
            source = write_texts(tmp_path / "large", a="a" * 1_000_000)
            options: dict[str, Any] = {"source": source, "target": place / "target"}
            run(**options)
            write_texts(source, b="b" * 2_000_000, c="c" * 2_000_000)
            with pytest.raises(errors.StorageError, match=r"take about 4\.0 MB.*and 3\.\d MB are free"):
                run(**options)
            (source / "c.txt").unlink()
            assert run(**options).counts["computed"] == 1
        finally:
            subprocess.run(["umount", str(place)], check=True)


class TestInputsThatCannotBeOpened:
    @pytest.fixture
    def place(self, public: Path) -> Path:
        """A source of which every second file is closed to others, and room for a target."""
        write_texts(public / "texts", **{f"n{number:02}": "x" for number in range(50)})
        for number in range(0, 50, 2):
            (public / f"texts/n{number:02}.txt").chmod(0o600)
        (public / "out").mkdir()
        (public / "out").chmod(0o777)
        return public

    def test_are_all_told_before_any_work(self, run: Run, place: Path) -> None:
        def read(path: str) -> str:
            raise AssertionError("no work should have begun")

        told = as_nobody(lambda: run(source=place / "texts", target=place / "out/target", read=read))
        first, *findings = told.split("\n  - ")
        assert first.startswith("InputError: user 65534 may not open 25 of the inputs")
        assert len(findings) == 21
        assert findings[0] == repr(str(place / "texts/n00.txt"))
        assert findings[-1] == "and 5 more"

    def test_go_into_the_quarantine_where_that_is_asked_for(self, run: Run, place: Path) -> None:
        options: dict[str, Any] = {"source": place / "texts", "target": place / "out/target"}
        assert as_nobody(lambda: run(**options, on_error="quarantine").counts["quarantined"]) == "25"

    def test_are_none_of_a_snapshots(self, run: Run, texts: Path, place: Path) -> None:
        made = place / "out/made"
        run(target=made)
        told = as_nobody(
            lambda: (
                transform_directory(source=made, target=place / "out/target", transform=str.upper, codec="text").outcome
            )
        )
        assert told == "'committed'"

    def test_nor_what_is_carried_over(self, run: Run, place: Path) -> None:
        options: dict[str, Any] = {"source": place / "texts", "target": place / "out/target"}
        for path in (place / "texts").iterdir():
            path.chmod(0o644)
        assert as_nobody(lambda: run(**options).outcome) == "'committed'"
        for path in (place / "texts").iterdir():
            path.chmod(0o600)
        write_texts(place / "texts", more="x")
        assert as_nobody(lambda: run(**options).counts["computed"]) == "1"

    def test_of_an_aggregate(self, place: Path) -> None:
        options: dict[str, Any] = {"source": place / "texts", "target": place / "out/target", "codec": "text"}
        told = as_nobody(lambda: transform_directory(**options, read=tenfold, aggregate=lambda records: ""))
        assert told.startswith("InputError: user 65534 may not open 25 of the inputs")


class TestEmptyInputs:
    def test_are_one_warning(self, run: Run, texts: Path, target: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_texts(texts, **{f"empty{number}": "" for number in range(7)})
        with caplog.at_level(logging.WARNING):
            run()
        (message,) = [record.getMessage() for record in caplog.records]
        names = ", ".join(f"'empty{number}.txt'" for number in range(5))
        assert message == f"7 inputs are empty: {names} and 2 more"
        assert values_of(target)["empty0"] == ""

    def test_are_told_once(self, run: Run, texts: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_texts(texts, empty="")
        run()
        caplog.clear()
        write_texts(texts, d="delta")
        run()
        assert "inputs are empty" not in caplog.text

    def test_of_joined_sources(self, run: Run, texts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        masks = write_texts(tmp_path / "masks", a="", b="x")
        transform_directory(
            source=[texts, masks],
            join="inner",
            read=tenfold,
            target=tmp_path / "joined",
            transform=lambda one, other: one + other,
            codec="text",
        )
        assert "1 inputs are empty: 'a.txt'" in caplog.text
