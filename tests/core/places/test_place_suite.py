"""The suite that every place passes, on the places that there are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import cast

import pytest

from airflow_dirops.core.place.place import Place
from airflow_dirops.core.place.staging import Staging
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.core.staging.area import StagingArea
from airflow_dirops.testing.places.memory import MemoryPlace
from airflow_dirops.testing.places.memory_staging import MemoryStaging
from airflow_dirops.testing.places.memory_store import Content
from airflow_dirops.testing.places.suite import PlaceTests
from tests.core.directories import control_of


class TestDirectoryPlace(PlaceTests):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return DirectoryPlace(tmp_path / "target")

    def put_foreign(self, place: Place) -> None:
        Path(place.name).mkdir()
        Path(place.name, "precious").write_text("mine")

    def change_foreign(self, place: Place) -> None:
        Path(place.name, "more").write_text("mine")

    def remove(self, place: Place) -> None:
        shutil.rmtree(place.name)

    def overwrite(self, place: Place, path: str, content: bytes | None) -> None:
        _overwrite(Path(place.name, path), content)

    def overwrite_staged(self, staging: Staging, path: str, content: bytes | None) -> None:
        _overwrite(cast(StagingArea, staging).path / path, content)

    def damage_journal(self, staging: Staging) -> None:
        journal = cast(StagingArea, staging).path.parent / "journal.jsonl"
        journal.write_text(journal.read_text().splitlines(keepends=True)[0])

    def let_pass(self, place: Place, seconds: float) -> None:
        for alive in control_of(Path(place.name)).glob("attempts/*/alive"):
            before = alive.stat().st_mtime - seconds
            os.utime(alive, (before, before))


class TestMemoryPlace(PlaceTests):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return MemoryPlace()

    def put_foreign(self, place: Place) -> None:
        cast(MemoryPlace, place).store.current = Content({"precious": b"mine"})

    def change_foreign(self, place: Place) -> None:
        cast(MemoryPlace, place).store.current = Content({"precious": b"mine", "more": b"mine"})

    def remove(self, place: Place) -> None:
        cast(MemoryPlace, place).store.current = None

    def overwrite(self, place: Place, path: str, content: bytes | None) -> None:
        current = cast(MemoryPlace, place).store.current
        assert current is not None
        _put(current.files, path, content)

    def overwrite_staged(self, staging: Staging, path: str, content: bytes | None) -> None:
        _put(cast(MemoryStaging, staging).area.files, path, content)

    def damage_journal(self, staging: Staging) -> None:
        cast(MemoryStaging, staging).area.lines.pop()

    def let_pass(self, place: Place, seconds: float) -> None:
        for area in cast(MemoryPlace, place).store.areas.values():
            area.last_work -= seconds


def _overwrite(path: Path, content: bytes | None) -> None:
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


def _put(files: dict[str, bytes], path: str, content: bytes | None) -> None:
    files.pop(path, None)
    if content is not None:
        files[path] = content
