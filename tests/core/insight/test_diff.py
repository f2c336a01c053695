"""What differs between two snapshots: which files, and by how much."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dirops.core import Comparison, Diff, diff, errors, list_snapshots, read_directory, to_plain
from tests.text_files import read_text, write

TEXTS = st.dictionaries(st.text("ab-_", min_size=1, max_size=6).map("x{}".format), st.sampled_from("12"), max_size=8)
DAY, NEXT = "2026-11-01", "2026-11-02"


def read(root: Path, name: str = DAY, function: Any = read_text, codec: str = "text", **options: Any) -> Path:
    target = root / "interim" / name
    read_directory(
        source=root / "raw" / name,
        target=target,
        read=function,
        **{"codec": codec, "stage": "read", "partition": name, **options},
    )
    return target


def told(found: Diff) -> list[tuple[str, str]]:
    return [(each.how, each.path) for each in found.entries]


def counts(found: Diff) -> tuple[int, int, int, int]:
    return found.added, found.removed, found.changed, found.same


def test_a_target_and_what_it_replaced(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="a", b="b", c="c")
    target = read(tmp_path)
    write(tmp_path / "raw" / DAY, a="changed", d="d")
    (tmp_path / "raw" / DAY / "b.txt").unlink()
    read(tmp_path)
    found = diff(target)
    assert told(found) == [("changed", "a.txt"), ("removed", "b.txt"), ("added", "d.txt")]
    assert counts(found) == (1, 1, 1, 1)
    assert not found.is_same
    assert (found.entries[0].size_before, found.entries[0].size_after) == (1, 7)
    amount = found.entries[0].amount
    assert amount
    assert amount.text == "from 0 on, of 7 and 1: 'changed' instead of 'a'"
    old, new = [kept.manifest.snapshot for kept in list_snapshots(target)][::-1]
    assert (found.before.snapshot, found.after.snapshot) == (old, new)
    again = diff({"target": str(target), "snapshot": new}, {"target": str(target), "snapshot": old})
    assert told(again) == [("changed", "a.txt"), ("added", "b.txt"), ("removed", "d.txt")]
    assert json.loads(json.dumps(to_plain(again)))["added"] == 1


def test_two_partitions_by_key_whatever_their_codecs(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="a", b="b")
    write(tmp_path / "raw" / NEXT, a="a", c="c")
    found = diff(read(tmp_path), read(tmp_path, NEXT))
    assert told(found) == [("removed", "b.txt"), ("added", "c.txt")]
    assert diff(read(tmp_path), read(tmp_path)).is_same
    found = diff(read(tmp_path), read(tmp_path, NEXT, codec="json"))
    assert told(found)[0] == ("changed", "a.json")


def test_how_much_arrays_and_images_have_changed(tmp_path: Path) -> None:
    arrays = {"one": np.zeros((4, 5)), "grown": np.zeros(3), "same": np.ones(2), "nan": np.array([np.nan, 1])}

    def of_name(path: str) -> Any:
        return arrays[Path(path).stem]

    write(tmp_path / "raw" / DAY, **dict.fromkeys(arrays, "x"))
    target = read(tmp_path, function=of_name, codec="npy")
    arrays["one"] = np.zeros((4, 5))
    arrays["one"][1, 2:4] = (1, -3)
    arrays["grown"] = np.zeros(4)
    arrays["nan"] = np.array([np.nan, 2])
    read(tmp_path, function=of_name, codec="npy", redo="all")
    amounts = {each.path: each.amount for each in diff(target).entries}
    one = amounts["one.npy"]
    assert one
    assert (one.differing, one.elements, one.largest, one.mean) == (2, 20, 3.0, pytest.approx(4 / 20))
    assert (one.shape_before, one.dtype_after) == ((4, 5), "float64")
    assert one.text.startswith("2 of 20 elements differ by up to 3, first [1, 2]: 1.0 instead of 0.0")
    grown = amounts["grown.npy"]
    assert grown
    assert (grown.differing, grown.shape_before, grown.shape_after) == (None, (3,), (4,))
    nan = amounts["nan.npy"]
    assert nan
    assert (nan.differing, nan.largest) == (1, 1.0)
    assert "same.npy" not in amounts


def test_images(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    write(tmp_path / "raw" / DAY, a="x")
    target = read(tmp_path, function=lambda _: image, codec="image")
    image[0, 0] = 255
    read(tmp_path, function=lambda _: image, codec="image", redo="all")
    amount = diff(target).entries[0].amount
    assert amount
    assert (amount.differing, amount.elements, amount.largest) == (3, 192, 255.0)


def test_what_is_not_decoded_says_why(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="1")
    values: list[Any] = [{"a": 1}]
    target = read(tmp_path, function=lambda _: values[-1], codec="pickle")
    values.append({"a": 2})
    read(tmp_path, function=lambda _: values[-1], codec="pickle", redo="all")
    amount = diff(target).entries[0].amount
    assert amount
    assert amount.text.startswith("not compared: the values in ")
    assert diff(target, values=0).entries[0].amount is None


@pytest.mark.parametrize("bomb", ["png", "npz"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, bomb: str) -> None:
    codec, suffix = ("image", ".png") if bomb == "png" else ("npz", ".npz")
    made: list[Any] = [np.zeros((2, 2), np.uint8)]
    write(tmp_path / "raw" / DAY, a="x")

    def function(_: str) -> Any:
        return made[-1] if bomb == "png" else {"a": made[-1]}

    target = read(tmp_path, function=function, codec=codec)
    made.append(np.ones((2, 2), np.uint8))
    read(tmp_path, function=function, codec=codec, redo="all")
    path = target / f"a{suffix}"
    content = bytearray(path.read_bytes())
    path.chmod(0o644)
    if bomb == "png":
        content[16:24] = (60_000).to_bytes(4, "big") * 2
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", bytes(70 << 20))
    amount = diff(target).entries[0].amount
    assert amount
    assert "not compared" in amount.text
    assert "no more than" in amount.text


def test_a_file_that_goes_away_or_a_damaged_list(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="a", b="b")
    target = read(tmp_path)
    write(tmp_path / "raw" / DAY, a="changed")
    read(tmp_path)
    target.chmod(0o755)
    (target / "a.txt").unlink()
    amount = diff(target).entries[0].amount
    assert amount
    assert amount.text.startswith("not compared: ")
    (target / "_dirops/files.jsonl").write_text("{}\n")
    with pytest.raises(errors.ManifestDamaged):
        diff(target)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="a")
    target = read(tmp_path)
    with pytest.raises(errors.ArgumentRefused, match="is the first"):
        diff(target)
    with pytest.raises(errors.ManifestMissing):
        diff(target, tmp_path / "raw")
    with pytest.raises(errors.SnapshotExpired):
        diff({"target": str(target), "snapshot": "01a21e0d-afd5-7477-8f93-40d079403a82"}, target)


def test_many_files_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, **{f"f{number:03}": "1" for number in range(50)})
    write(tmp_path / "raw" / NEXT, none="x")
    found = diff(read(tmp_path), read(tmp_path, NEXT), most=5)
    assert (len(found.entries), found.more, found.removed, found.added) == (5, 46, 50, 1)
    with Comparison(tmp_path / "interim" / DAY, tmp_path / "interim" / NEXT) as comparison:
        assert sum(1 for _ in comparison) == sum(1 for _ in comparison) == 51


def test_code_that_made_the_difference_is_named(tmp_path: Path) -> None:
    write(tmp_path / "raw" / DAY, a="a")
    target = read(tmp_path, version="1")
    read(tmp_path, version="2", function=str.upper, redo="all")
    assert diff(target).code_changes == ("version 1 -> 2",)


@settings(max_examples=25, deadline=None)
@given(one=TEXTS, other=TEXTS)
def test_it_is_what_a_comparison_of_two_dictionaries_gives(
    one: dict[str, str], other: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("pair", numbered=True)
    for name, texts in ((DAY, one), (NEXT, other)):
        write(root / "raw" / name, **texts)
        read(root, name, empty="commit", durability="process")
    found = diff(root / "interim" / DAY, root / "interim" / NEXT)
    wanted = {
        ("added" if key not in one else "removed" if key not in other else "changed", f"{key}.txt")
        for key in one.keys() | other.keys()
        if one.get(key) != other.get(key)
    }
    assert {*told(found)} == wanted
    assert found.same == sum(one[key] == other.get(key) for key in one)
