"""Inputs that cannot be used: the message names file, stage and reason, and nothing is lost."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.conftest import Run
from tests.core.directories import assert_whole, lines_of, nothing_lost, orphans_of, path_in, values_of
from tests.core.seed import read_text, shout


def explode_on_b(path: str) -> str:
    text = Path(path).read_text()
    if text == "beta":
        raise ZeroDivisionError("beta is too much")
    return text


class TestAFunctionThatRaises:
    def test_names_the_file_the_stage_and_the_exception(self, run: Run, texts: Path, target: Path) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.RecordFailed) as caught:
            run(read=explode_on_b)
        message = str(caught.value)
        assert f"explode_on_b failed on '{texts}/b.txt' (stage copy): ZeroDivisionError: beta is too much" in message
        assert "on_error='quarantine'" in message
        assert run().outcome == "unchanged"
        assert orphans_of(target) == []

    def test_keeps_the_traceback_of_the_function(self, run: Run) -> None:
        with pytest.raises(errors.RecordFailed) as caught:
            run(read=explode_on_b)
        cause = caught.value.__cause__
        assert isinstance(cause, ZeroDivisionError)
        assert traceback.extract_tb(cause.__traceback__)[-1].name == "explode_on_b"

    def test_who_is_in_quarantine_mode_is_not_told_to_switch_it_on(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        run(read=explode_on_b, on_error="quarantine")
        assert "beta is too much. Mend the file or the function" in caplog.text
        assert "on_error" not in caplog.text

    def test_in_the_quarantine_the_traceback_begins_at_the_function(self, run: Run, target: Path) -> None:
        outcome = run(read=explode_on_b, on_error="quarantine")
        (line,) = lines_of(target, "quarantine.jsonl")
        assert (line["path"], line["error"], line["message"]) == ("b.txt", "ZeroDivisionError", "beta is too much")
        assert line["size"] == 4
        frames = [text for text in line["traceback"].splitlines() if text.startswith("  File")]
        assert ["explode_on_b" in frame for frame in frames] == [True]
        assert (outcome.counts["entries"], outcome.counts["quarantined"]) == (2, 1)
        assert_whole(target)

    def test_a_name_that_is_not_utf8_is_kept_in_the_quarantine(self, run: Run, texts: Path, target: Path) -> None:
        with open(os.fsencode(texts) + b"/\xff\n.txt", "w") as file:
            file.write("x")

        def refuse(path: str) -> None:
            raise ValueError(path)

        assert run(read=refuse, on_error="quarantine", max_failures="100%").counts["quarantined"] == 4
        line = lines_of(target, "quarantine.jsonl")[-1]
        assert path_in(line) == b"\xff\n.txt"
        assert line["message"].endswith("\\udcff\n.txt")
        assert run(read=refuse, on_error="quarantine", max_failures="100%").outcome == "unchanged"
        assert_whole(target)

    def test_stop_iteration_does_not_pass_for_an_end(self, run: Run, target: Path) -> None:
        with pytest.raises(errors.RecordFailed, match="StopIteration"):
            run(read=lambda path: next(iter(())))
        assert not target.exists()

    def test_a_generator_half_way(self, run: Run, target: Path) -> None:
        def halves(path: str) -> Iterator[tuple[str, str]]:
            yield Path(path).stem + "-1", "one"
            raise ValueError("no second half")

        outcome = run(read=halves, on_error="quarantine", max_failures="100%", empty="commit")
        assert outcome.counts["quarantined"] == 3
        assert values_of(target) == {}
        assert_whole(target)


def read_png(path: str) -> Any:
    if path.endswith(".png"):
        with Image.open(path) as image:
            return np.asarray(image)
    return None


class TestBrokenImages:
    @pytest.mark.parametrize("keep", [0, 8, 60, -30])
    def test_one_that_is_cut_off(self, images: Path, target: Path, keep: int) -> None:
        path = images / "left/img_1.png"
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(errors.RecordFailed) as caught:
            read_directory(source=images, target=target, read=read_png)
        assert f"read_png failed on '{path}'" in str(caught.value)
        assert not target.exists()
        outcome = read_directory(source=images, target=target, read=read_png, on_error="quarantine")
        assert (outcome.counts["entries"], outcome.counts["quarantined"], outcome.counts["skipped"]) == (5, 1, 1)
        assert orphans_of(target) == []
        assert_whole(target)


class TestValuesThatCannotBeWritten:
    def test_names_the_key_the_type_and_the_codec(self, run: Run, target: Path) -> None:
        run()
        with nothing_lost(target), pytest.raises(errors.EncodeError) as caught:
            run(read=lambda path: {"text": 1}, codec="npy")
        message = str(caught.value)
        assert "key 'a'" in message
        assert "dict" in message
        assert "codec=" in message

    def test_names_the_input_and_the_stage(self, run: Run, texts: Path) -> None:
        with pytest.raises(errors.EncodeError) as caught:
            run(read=lambda path: iter_pairs(("one", {})), codec="npy")
        assert f"'{texts}/a.txt' (stage copy)" in str(caught.value)
        assert "key 'one'" in str(caught.value)

    def test_a_codec_of_the_users_that_raises(self, run: Run, target: Path) -> None:
        class Broken:
            name, suffix = "broken", ".broken"

            def encode(self, value: Any, file: Any) -> None:
                file.write(b"half")
                raise KeyError("no such channel")

            def decode(self, file: Any) -> Any:
                return file.read()

        with pytest.raises(errors.EncodeError, match=r"key 'a'.*codec 'broken'.*KeyError: 'no such channel'"):
            run(codec=Broken())
        assert not target.exists()

    def test_half_a_file_is_not_left(self, run: Run, target: Path) -> None:
        outcome = run(
            read=lambda path: [1.0, float("nan")] if "b.txt" in path else [1.0], codec="json", on_error="quarantine"
        )
        assert outcome.counts["quarantined"] == 1
        assert_whole(target)

    @pytest.mark.parametrize("pair", ["text", ("one",), ("one", 2, 3), None, ["one", "two"]])
    def test_a_generator_of_something_else(self, run: Run, pair: object) -> None:
        with pytest.raises(errors.RecordFailed, match=r"must yield \(key, value\) pairs"):
            run(read=lambda path: iter_pairs(pair))


def iter_pairs(*pairs: Any) -> Iterator[Any]:
    yield from pairs


class TestFilesThatMove:
    """A writer is still at work in the source."""

    @pytest.mark.parametrize("returns", ["text", None])
    def test_one_that_vanishes_while_it_is_read(self, run: Run, target: Path, returns: str | None) -> None:
        run()

        def vanish(path: str) -> str | None:
            os.remove(path)
            return returns

        with nothing_lost(target), pytest.raises(errors.SourceChanged, match=r"a\.txt' went away.*run again"):
            run(read=vanish)

    def test_one_that_vanished_before(self, run: Run, texts: Path, target: Path) -> None:
        def read_and_remove_next(path: str) -> str:
            (texts / "b.txt").unlink(missing_ok=True)
            return Path(path).read_text()

        with pytest.raises(errors.SourceChanged, match=r"b\.txt' went away"):
            run(read=read_and_remove_next)
        assert not target.exists()

    def test_one_that_grows(self, run: Run, target: Path) -> None:
        run()

        def grow(path: str) -> str:
            with open(path, "a") as file:
                file.write("more")
            return "text"

        with nothing_lost(target), pytest.raises(errors.SourceChanged, match=r"a\.txt' changed.*5 bytes.*9 now"):
            run(read=grow)
        assert run().outcome == "committed"
        assert values_of(target)["a"] == "alphamore"
        assert orphans_of(target) == []

    def test_they_can_be_quarantined(self, run: Run, texts: Path, target: Path) -> None:
        def vanish(path: str) -> str:
            os.remove(path)
            return "text"

        assert run(read=vanish, on_error="quarantine", max_failures="100%", redo="all").counts["quarantined"] == 3
        assert {line["error"] for line in lines_of(target, "quarantine.jsonl")} == {"SourceChanged"}
        assert_whole(target)


class TestDamagedSources:
    """An entry of a snapshot that is not what its manifest says."""

    @pytest.fixture
    def damaged(self, run: Run, target: Path) -> Path:
        run()
        return target / "b.txt"

    @pytest.mark.parametrize("damage", ["gone", "short", "a link", "a directory"])
    def test_is_named(self, damaged: Path, target: Path, tmp_path: Path, damage: str) -> None:
        damaged.unlink()
        match damage:
            case "short":
                damaged.write_text("bet")
            case "a link":
                damaged.symlink_to("a.txt")
            case "a directory":
                damaged.mkdir()
        with pytest.raises(errors.SnapshotDamaged) as caught:
            transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text")
        assert str(damaged) in str(caught.value)
        assert not (tmp_path / "final").exists()

    def test_the_stage_that_made_it_mends_it(self, run: Run, damaged: Path, target: Path) -> None:
        damaged.unlink()
        assert run().counts["computed"] == 1
        assert values_of(target)["b"] == "beta"

    def test_a_reader_that_verifies_sees_a_flipped_bit(self, damaged: Path, target: Path) -> None:
        damaged.unlink()
        damaged.write_text("bEta")
        with pytest.raises(errors.SnapshotDamaged, match="digest differs"):
            values_of(target)


def test_a_reader_that_yields_before_a_transform(texts: Path, target: Path) -> None:
    """Nothing of what it yields is lost."""

    def letters(path: str) -> Iterator[tuple[str, str]]:
        for letter in read_text(path) or "":
            yield f"{Path(path).stem}/{letter}", letter

    transform_directory(source=texts, target=target, read=letters, transform=shout, codec="text", pattern="b.txt")
    assert values_of(target) == {"b/a": "A", "b/b": "B", "b/e": "E", "b/t": "T"}
