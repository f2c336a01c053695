"""The format on disk, pinned by an example that must stay readable for ever.

``formats/dirops-1`` was made by ``python -m tests.core.format.test_manifest_format``, which makes it anew. Do that only
before a format is released: afterwards a difference is a broken promise, and a new format gets a folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dirops.core import Attempt, LogicalRun, Outcome, open_snapshot, read_directory, read_manifest
from tests.core.conftest import Run
from tests.core.directories import LISTS, assert_whole, header_of, lines_of, values_of, write_texts

EXAMPLE = Path(__file__).parent / "formats" / "dirops-1"
INPUTS = {b"a.txt": "alpha", b"b/c.txt": "two words", b"empty.txt": "", b"ill.txt": "ill", b"sk\xefp.txt": "skip"}


def read(path: str) -> Iterator[tuple[str, str]]:
    text = Path(path).read_text()
    if text == "ill":
        raise ValueError("it is ill")
    for word in text.split() if text != "skip" else ():
        yield f"words/{word}", word


# Tracebacks name it, and the example shall not depend on where this repository lies.
read.__code__ = read.__code__.replace(co_filename="texts.py")


def write_inputs(directory: Path) -> Path:
    for number, (name, text) in enumerate(INPUTS.items()):
        path = os.fsencode(directory) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number))
    return directory


def run_example(source: Path, target: Path) -> Outcome:
    run = LogicalRun("texts", "manual__2026-11-01", "words")
    options = {"codec": "text", "version": "1", "on_error": "quarantine", "partition": "2026-11-01"}
    return read_directory(source=source, target=target, read=read, stage="words", attempt=Attempt(run=run), **options)


def regenerate() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run_example(write_inputs(Path(scratch, "in")), Path(scratch, "out"))
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        shutil.copytree(Path(scratch, "out"), EXAMPLE)


class TestTheExample:
    def test_is_whole(self) -> None:
        assert_whole(EXAMPLE)

    def test_is_read(self) -> None:
        assert values_of(EXAMPLE) == {f"words/{word}": word for word in ("alpha", "two", "words")}
        manifest = read_manifest(EXAMPLE)
        assert (manifest.stage, manifest.partition, manifest.codec.suffix) == ("words", "2026-11-01", ".txt")
        assert (manifest.attempt.dag_id, manifest.attempt.task_id) == ("texts", "words")
        assert (manifest.counts.inputs, manifest.counts.skipped, manifest.counts.quarantined) == (5, 2, 1)
        with open_snapshot(EXAMPLE) as snapshot:
            assert [entry.path for entry in snapshot.iter_entries()] == [
                "words/alpha.txt",
                "words/two.txt",
                "words/words.txt",
            ]

    def test_is_built_upon(self, tmp_path: Path) -> None:
        """An upgrade of this package neither recomputes what is there nor loses sight of what was skipped."""
        source = write_inputs(tmp_path / "in")
        shutil.copytree(EXAMPLE, tmp_path / "out")
        assert run_example(source, tmp_path / "out").outcome == "unchanged"
        write_texts(source, new="fresh")
        outcome = run_example(source, tmp_path / "out")
        assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 4)

    def test_is_what_is_written_today(self, tmp_path: Path) -> None:
        run_example(write_inputs(tmp_path / "in"), tmp_path / "out")
        for name in ("files.jsonl", "skipped.jsonl"):
            assert (tmp_path / "out/_dirops" / name).read_bytes() == (EXAMPLE / "_dirops" / name).read_bytes()
        assert shape(header_of(tmp_path / "out")) == shape(header_of(EXAMPLE))
        (today,), (before,) = (lines_of(where, "quarantine.jsonl") for where in (tmp_path / "out", EXAMPLE))
        assert shape(today) == shape(before | {"place": "", "kind": ""})  # which came later


def shape(value: object) -> object:
    """Names, order and types, without the values that differ from run to run."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(member) for member in value] if isinstance(value, list) else type(value)


class TestWhatIsWritten:
    def test_lists_are_the_same_byte_for_byte_each_time(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        run(target=tmp_path / "other")
        for name in LISTS:
            assert (target / "_dirops" / name).read_bytes() == (tmp_path / "other/_dirops" / name).read_bytes()

    def test_also_after_carrying_over(self, run: Run, texts: Path, target: Path, tmp_path: Path) -> None:
        (texts / "b.txt").rename(tmp_path / "b.txt")
        run()
        (tmp_path / "b.txt").rename(texts / "b.txt")
        run()
        run(target=tmp_path / "other")
        assert (target / "_dirops/files.jsonl").read_bytes() == (tmp_path / "other/_dirops/files.jsonl").read_bytes()

    def test_lines_are_compact_json_in_utf8(self, run: Run, texts: Path, target: Path) -> None:
        write_texts(texts, **{"ä 🦊": "umlaut"})
        run()
        lines = (target / "_dirops/files.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")) for line in lines] == lines
        assert list(json.loads(lines[-1])) == ["path", "size", "digest", "inputs"]
        assert list(json.loads(lines[-1])["inputs"][0]) == ["path", "size", "mtime_ns"]

    def test_names_that_are_not_utf8(self, run: Run, texts: Path, target: Path) -> None:
        with open(os.fsencode(texts) + b"/\xff.txt", "w") as file:
            file.write("x")
        run()
        line = lines_of(target)[-1]
        assert line["path_b64"] == line["inputs"][0]["path_b64"] == "/y50eHQ="
        assert "path" not in line

    def test_the_header(self, run: Run, target: Path) -> None:
        run(partition="p")
        header = header_of(target)
        assert (header["format"], header["digest"], header["durability"]) == ("dirops/1", "sha256", "full")
        assert header["source"] == {"location": "../texts", "snapshot": None, "stage": None}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", header["created"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", header["snapshot"])
        assert (target / "_dirops/manifest.json").read_text().endswith("}\n")

    def test_snapshots_are_named_in_the_order_they_are_made(self, run: Run) -> None:
        names = [run(redo="all").snapshot for _ in range(5)]
        assert names == sorted(names, key=str)

    @pytest.mark.parametrize("name", ["files.jsonl", "skipped.jsonl", "quarantine.jsonl", "manifest.json"])
    def test_everything_is_read_only(self, run: Run, target: Path, name: str) -> None:
        run()
        assert not (target / "_dirops" / name).stat().st_mode & 0o222


if __name__ == "__main__":
    regenerate()
