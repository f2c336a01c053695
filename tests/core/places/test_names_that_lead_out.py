"""Whatever is read from a target and becomes a path stays in it: ids, the keys of the lists, what an intent names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Retention, errors, open_snapshot
from airflow_dirops.core.upkeep import clean, list_snapshots, repair, rollback, verify
from tests.core.conftest import Run
from tests.core.directories import control_of, header_of, state_of, write_texts

HEADER = "_dirops/manifest.json"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"

Door = Callable[[], Any]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A directory that is none of our business, and that nobody has touched in the end."""
    directory = write_texts(tmp_path / "dags", evil="import os", secret="psst")
    before = state_of(directory)
    yield directory
    assert state_of(directory) == before


@pytest.fixture
def committed(run: Run, texts: Path, target: Path) -> Path:
    run()
    write_texts(texts, a="again")
    run()
    return target


def spoil(target: Path, **members: Any) -> None:
    content = json.dumps(header_of(target) | members)
    (target / HEADER).unlink()
    (target / HEADER).write_text(content)


def try_all(run: Run, target: Path, texts: Path) -> list[str]:
    """Every door, one after the other; what each raised."""
    doors: list[Door] = [
        lambda: open_snapshot(target).close(),
        lambda: list_snapshots(target),
        lambda: verify(target, deep=True),
        lambda: repair(target),
        lambda: clean(target, Retention(0, 0)),
        lambda: rollback(target),
        lambda: (write_texts(texts, b="new"), run()),
        lambda: (write_texts(texts, b="newer"), run(may_replace={"unmanaged"})),
        lambda: clean(target, Retention(0, 0)),
    ]
    raised = []
    for door in doors:
        try:
            door()
            raised.append("")
        except errors.DiropsError as error:
            raised.append(type(error).__name__)
    return raised


PLACES = ["{tmp}/dags/evil", "../../../dags/evil", "..", ".", "/", "", "evil", f"{ID}/../x", f"{ID}\n", ID.upper()]


@pytest.mark.parametrize("member", ["snapshot", "base", "attempt"])
@pytest.mark.parametrize("place", PLACES)
def test_an_id_of_the_target(
    run: Run, texts: Path, committed: Path, elsewhere: Path, tmp_path: Path, member: str, place: str
) -> None:
    value: Any = place.format(tmp=tmp_path)
    spoil(committed, **{member: header_of(committed)["attempt"] | {"id": value} if member == "attempt" else value})
    before = set(tmp_path.iterdir())
    assert try_all(run, committed, texts)[0] == "ManifestDamaged"
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("place", PLACES)
def test_an_id_of_a_retired_snapshot(
    run: Run, texts: Path, committed: Path, elsewhere: Path, tmp_path: Path, place: str
) -> None:
    (retired,) = (control_of(committed) / "retired").iterdir()
    spoil(retired, snapshot=place.format(tmp=tmp_path))
    try_all(run, committed, texts)


@pytest.mark.parametrize("name", ["../../dags/secret.txt", "{tmp}/dags/secret.txt", "more.jsonl", ""])
def test_the_keys_of_lists(run: Run, texts: Path, committed: Path, elsewhere: Path, tmp_path: Path, name: str) -> None:
    record = {"lines": 0, "bytes": 0, "digest": "0" * 64}
    spoil(committed, lists=header_of(committed)["lists"] | {name.format(tmp=tmp_path): record})
    assert try_all(run, committed, texts)[0] == "ManifestDamaged"


@pytest.mark.parametrize("snapshot", ["/etc", "..", "", "latest", ID + "/", 7, None, [ID]])
def test_a_pinned_source(run: Run, committed: Path, snapshot: Any) -> None:
    with pytest.raises(errors.ArgumentRefused, match="snapshot"):
        open_snapshot({"target": str(committed), "snapshot": snapshot})
