"""How data flows between stages, as their manifests tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dirops.core import Chain, errors, read_chain, read_directory, transform_directory
from airflow_dirops.core.stage.partitions import Partitions
from tests.text_files import read_text, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def chain_of_four(root: Path) -> list[Path]:
    """Raw days, read; made upper, joined with a folder of no day, and rolled up."""
    write(root / "raw/names", a="a")
    targets = [root / "interim/names"]
    read_directory(source=root / "raw/names", target=targets[0], read=read_text, codec="text", stage="names")
    for day in DAYS:
        write(root / "raw/days" / day, a=day, b="b")
        read, upper = root / "interim/days" / day, root / "final/days" / day
        source = root / "raw/days" / day
        read_directory(source=source, target=read, read=read_text, codec="text", stage="read", partition=day)
        transform_directory(
            source=[read, root / "interim/names"],
            target=upper,
            transform=lambda one, other: one + other,
            join="inner",
            codec="text",
            stage="joined",
            partition=day,
            run=f"scheduled__{day}",
        )
        targets += [read, upper]
    report = root / "final/report"
    days = Partitions(root / "final/days/{partition}", DAYS)
    transform_directory(
        source=days, target=report, aggregate=lambda records: str(len([*records])), codec="text", stage="report"
    )
    return [*targets, report]


def test_stages_come_after_what_they_read(tmp_path: Path) -> None:
    chain = read_chain(reversed(chain_of_four(tmp_path)))
    assert list(chain.stages) == ["names", "read", "joined", "report"]
    assert {name: stage.reads for name, stage in chain.stages.items()} == {
        "names": (f"{tmp_path}/raw/names",),
        "read": (f"{tmp_path}/raw/days/{{partition}}",),
        "joined": ("names", "read"),
        "report": ("joined",),
    }
    assert chain.folders == [f"{tmp_path}/raw/days/{{partition}}", f"{tmp_path}/raw/names"]
    assert chain.layers()["report"] == 3


def test_what_the_targets_of_a_stage_hold_together(tmp_path: Path) -> None:
    read = read_chain(chain_of_four(tmp_path)).stages["read"]
    assert (read.targets, read.first, read.last, read.entries) == (3, DAYS[0], DAYS[-1], 6)
    assert read.target == f"{tmp_path}/interim/days/{{partition}}"
    assert read_chain([tmp_path / "interim/names"]).stages["names"].first is None


def test_stages_that_read_each_other_end(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="a")
    one, other = tmp_path / "one", tmp_path / "other"
    read_directory(source=tmp_path / "raw", target=one, read=read_text, codec="text", stage="one")
    transform_directory(source=one, target=other, transform=str.upper, codec="text", stage="other")
    transform_directory(source=other, target=one, transform=str.lower, codec="text", stage="one")
    chain = read_chain([one, other])
    assert {name: stage.reads for name, stage in chain.stages.items()} == {"one": ("other",), "other": ("one",)}
    assert sorted(chain.layers()) == ["one", "other"]


def test_nothing_is_an_empty_chain_and_no_target_is_an_error(tmp_path: Path) -> None:
    assert read_chain([]) == Chain()
    assert Chain().layers() == {}
    with pytest.raises(errors.ManifestMissing):
        read_chain([tmp_path])
