"""Every kind of stage that works on one input after the other, in shards and alone: the same files and lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Partitions, Stage, read_directory
from airflow_dirops.core.api import run
from tests.core.sharding.sharded import attempts_left, contents, run_sharded

Made = Callable[[Path], dict[str, Any]]


def read(path: str) -> str | None:
    text = Path(path).read_text()
    if text == "fails":
        raise ValueError(path)
    return None if text == "skip" else text


def committed(here: Path, name: str, count: int, **options: Any) -> Path:
    """A target with so many texts, of which one failed and one gave nothing."""
    raw = here / f"raw {name}"
    raw.mkdir()
    for number in range(count):
        (raw / f"{number:02}.txt").write_text({3: "fails", 5: "skip"}.get(number, f"{name} {number}"))
    target = here / name
    read_directory(source=raw, target=target, read=read, codec="text", on_error="quarantine", stage="first", **options)
    return target


def joined(how: str) -> Made:
    def made(here: Path) -> dict[str, Any]:
        sources = [committed(here, "left", 12), committed(here, "right", 9)]
        return {"source": sources, "join": how, "transform": lambda one, other: f"{one} and {other}"}

    return made


def rolled_up(here: Path) -> dict[str, Any]:
    for number, name in enumerate(("2026-11-01", "2026-11-02", "2026-11-04")):
        committed(here, name, 4 + number, partition=name)
    names = ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")
    week = Partitions(here / "{partition}", names, missing="allow")
    return {"source": week, "transform": lambda text, record: f"{record.partition}: {text}"}


def in_batches(here: Path) -> dict[str, Any]:
    return {"source": committed(here, "a", 12), "batch_size": 3, "transform": lambda texts: [*map(str.upper, texts)]}


def by_workers(here: Path) -> dict[str, Any]:
    return {"source": committed(here, "a", 12), "workers": 2, "transform": str.upper}


def by_name(here: Path) -> dict[str, Any]:
    def told(text: str, *, key: str, params: dict[str, Any], partition: str, path: str) -> str:
        return f"{text} {key} {params} {partition} {Path(path).name}"

    return {"source": committed(here, "a", 8), "transform": told, "params": {"a": 1}, "partition": "day"}


def pinned(here: Path) -> dict[str, Any]:
    target = committed(here, "a", 8)
    (here / "raw a" / "00.txt").write_text("changed")
    first = read_directory(source=here / "raw a", target=target, read=read, codec="text", stage="first",
                           on_error="quarantine")  # fmt: skip
    committed_again = first.to_dict()
    (here / "raw a" / "01.txt").write_text("changed too")
    read_directory(source=here / "raw a", target=target, read=read, codec="text", stage="first", on_error="quarantine")
    return {"source": committed_again, "transform": str.upper}


def followed(here: Path) -> dict[str, Any]:
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "x.txt").write_text("linked")
    (here / "raw").mkdir()
    (here / "raw" / "link").symlink_to(here / "elsewhere")
    (here / "raw" / "nowhere.txt").symlink_to(here / "gone")
    (here / "raw" / "a.txt").write_text("text")
    return {"source": here / "raw", "read": read, "follow_symlinks": True, "on_error": "quarantine"}


def with_names_of_any_bytes(here: Path) -> dict[str, Any]:
    raw = here / "raw"
    raw.mkdir()
    for name in (b"\xff.txt", b"\xff\xfe.txt", "é.txt".encode(), b"a b.txt"):
        (Path(bytes(raw).decode()) / name.decode(errors="surrogateescape")).write_text("text")
    return {"source": raw, "read": read}


KINDS = {
    "joined, inner": joined("inner"),
    "joined, outer": joined("outer"),
    "rolled up": rolled_up,
    "in batches": in_batches,
    "by workers": by_workers,
    "by name": by_name,
    "pinned": pinned,
    "with links": followed,
    "names of any bytes": with_names_of_any_bytes,
}


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_shards_make_what_the_stage_alone_makes(kind: Made, shards: int, tmp_path: Path) -> None:
    given = kind(tmp_path)
    alone, together = (
        Stage(target=tmp_path / "out" / name, codec="text", stage="s", version="1", **given)
        for name in ("alone", "together")
    )
    wanted, made = run(alone), run_sharded(together, shards)
    assert (made.outcome, made.counts, made.digest) == (wanted.outcome, wanted.counts, wanted.digest)
    assert contents(tmp_path / "out" / "together") == contents(tmp_path / "out" / "alone")
    assert attempts_left(tmp_path / "out" / "together") == []
    assert run_sharded(together, shards).outcome == run(alone).outcome == "unchanged"
