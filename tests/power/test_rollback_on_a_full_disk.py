"""Rolling back where no room is left: the error says which command frees some, and that command needs none."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from airflow_dirops.core import errors, read_directory, upkeep
from tests.core.directories import assert_whole, header_of, orphans_of
from tests.core.upkeep.test_clean_up import multiply
from tests.power.test_full_disk import Room, room  # noqa: F401 - a fixture


def read(path: str) -> bytes:
    if path.endswith("z"):
        raise ValueError(path)
    return Path(path).read_bytes()


def test_the_advice_of_the_error_works(room: Room, tmp_path: Path) -> None:  # noqa: F811
    source, target = tmp_path / "source", room.where / "out" / "target"
    source.mkdir()
    for name in "abcdefgh":
        (source / name).write_bytes(name.encode() * 20_000)
    first = read_directory(source=source, target=target, read=read, codec="bytes")
    (source / "a").write_bytes(b"changed")
    read_directory(source=source, target=target, read=read, codec="bytes")
    (source / "z").touch()
    with pytest.raises(errors.RecordFailed):
        read_directory(source=source, target=target, read=read, codec="bytes", redo="all")
    multiply(target.parent / ".dirops/target/attempts" / orphans_of(target)[0], 3)
    with room.only(0):
        with pytest.raises(errors.StorageError) as caught:
            upkeep.rollback(target)
        advised = re.search(r"dirops clean (\S+) \(with", str(caught.value))
        assert advised
        assert shlex.split(advised[1]) == [str(target)]
        assert len(upkeep.clean(advised[1]).orphans) == 4
        assert upkeep.rollback(target).restored == first.snapshot
    assert_whole(target)
    assert header_of(target)["upkeep"]["action"] == "rollback"
