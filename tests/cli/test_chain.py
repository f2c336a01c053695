"""``dirops chain``: what was executed below a root, told and drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from airflow_dirops.core import read_directory, transform_directory
from tests.cli.calls import dirops, parsed
from tests.core.upkeep.test_chain import DAYS, chain_of_four
from tests.text_files import read_text, write

SVG = "{http://www.w3.org/2000/svg}"


def test_a_root_is_told_stage_by_stage(tmp_path: Path) -> None:
    chain_of_four(tmp_path)
    done = dirops("chain", ".", cwd=tmp_path)
    assert done.returncode == 0
    assert "4 stages, 8 targets" in done.stdout
    stages = {each["stage"]: each for each in parsed("chain", tmp_path, cwd=tmp_path)["stages"]}
    assert stages["joined"]["run"] == f"scheduled__{DAYS[-1]}"
    assert stages["joined"]["reads"] == ["names", "read"]
    assert stages["report"]["entries"] == 1


def test_the_drawing_has_a_box_for_each_and_an_arrow_for_each_reading(tmp_path: Path) -> None:
    chain_of_four(tmp_path)
    assert dirops("chain", ".", "--svg", "chain.svg", cwd=tmp_path).returncode == 0
    drawn = ElementTree.parse(tmp_path / "chain.svg").getroot()
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"names", "read", "joined", "report"} <= set(texts)
    assert f"3 × 6 files: {DAYS[0]} – {DAYS[-1]}" in texts
    boxes = [(float(box.get("x", 0)), float(box.get("y", 0))) for box in drawn.iterfind(f"{SVG}g/{SVG}rect")]
    assert len(boxes) == len(set(boxes)) == 6
    assert len(list(drawn.iterfind(f"{SVG}path"))) == 5


@pytest.mark.parametrize("name", ["<b>&\"'", "n" * 300, "line\nbreak \u202e", "naïve – stage"])
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    write(tmp_path / "raw", a="a")
    read_directory(source=tmp_path / "raw", target=tmp_path / "out", read=read_text, codec="text", stage=name)
    assert dirops("chain", ".", "--svg", "chain.svg", cwd=tmp_path).returncode == 0
    drawn = ElementTree.parse(tmp_path / "chain.svg").getroot()
    assert all(len(text.text or "") <= 39 for text in drawn.iter(f"{SVG}text"))
    assert "\u202e" not in (tmp_path / "chain.svg").read_text()


def test_a_damaged_target_is_told_and_the_rest_is_drawn(tmp_path: Path) -> None:
    targets = chain_of_four(tmp_path)
    header = targets[0] / "_dirops/manifest.json"
    header.chmod(0o644)
    header.write_text("{")
    done = dirops("chain", ".", "--svg", "chain.svg", cwd=tmp_path)
    assert done.returncode == 2
    assert "interim/names" in done.stderr
    assert "3 stages, 7 targets" in done.stdout
    assert "report" in (tmp_path / "chain.svg").read_text()


@pytest.mark.parametrize("folder", ["nowhere", "", "raw", "/dev/null", "https://x/y"])
def test_a_folder_without_targets_is_an_error(tmp_path: Path, folder: str) -> None:
    write(tmp_path / "raw", a="a")
    done = dirops("chain", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("note: ")


def test_a_drawing_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    chain_of_four(tmp_path)
    done = dirops("chain", ".", "--svg", "nowhere/chain.svg", cwd=tmp_path)
    assert done.returncode == 2
    assert "writing the drawing 'nowhere/chain.svg' failed" in done.stderr


def test_a_wide_chain_has_no_box_on_another(tmp_path: Path) -> None:
    write(tmp_path / "raw", a="a")
    read_directory(source=tmp_path / "raw", target=tmp_path / "in/all", read=read_text, codec="text", stage="all")
    for number in range(12):
        out = tmp_path / f"out/{number}"
        transform_directory(
            source=tmp_path / "in/all", target=out, transform=len, codec="json", stage=f"stage {number}"
        )
    assert dirops("chain", ".", "--svg", "chain.svg", cwd=tmp_path).returncode == 0
    drawn = ElementTree.parse(tmp_path / "chain.svg").getroot()
    boxes = {(box.get("x"), box.get("y")) for box in drawn.iterfind(f"{SVG}g/{SVG}rect")}
    assert len(boxes) == 14
