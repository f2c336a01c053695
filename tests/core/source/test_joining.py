"""Several sources matched by key: an image and its mask go into the function together."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, iter_plan, open_snapshot, read_directory, transform_directory
from tests.core.directories import assert_whole, header_of, lines_of, nothing_lost, values_of, write_texts


def read_text(path: str) -> str:
    return Path(path).read_text()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_texts(tmp_path / "images", a="image a", b="image b", c="image c")
    return tmp_path / "images"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    write_texts(tmp_path / "masks", b="mask b", c="mask c", d="mask d")
    return tmp_path / "masks"


def both(image: str | None, mask: str | None) -> str:
    return f"{image}+{mask}"


@pytest.fixture
def run(images: Path, masks: Path, target: Path) -> Any:
    return partial(
        transform_directory,
        source=[images, masks],
        target=target,
        read=read_text,
        transform=both,
        join="inner",
        codec="text",
        stage="both",
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("inner", {"b": "image b+mask b", "c": "image c+mask c"}),
        (
            "outer",
            {"a": "image a+None", "b": "image b+mask b", "c": "image c+mask c", "d": "None+mask d"},
        ),
    ],
)
def test_what_is_matched(run: Any, target: Path, join: str, expected: dict[str, str], workers: int) -> None:
    outcome = run(join=join, workers=workers)
    assert values_of(target) == expected
    assert outcome.counts["ignored"] == (2 if join == "inner" else 0)
    assert_whole(target)


class TestLeftOut:
    def test_is_listed_with_the_reason(self, run: Any, target: Path, caplog: pytest.LogCaptureFixture) -> None:
        outcome = run()
        listed = {line["path"]: line["reason"] for line in lines_of(target, "skipped.jsonl")}
        assert listed == {"a.txt": "no match in '../masks'", "d.txt": "no match in '../images'"}
        assert (outcome.counts["unmatched"], outcome.counts["skipped"], outcome.counts["inputs"]) == (2, 0, 2)
        (told,) = [message for message in caplog.messages if "left out" in message]
        assert told.startswith("2 keys are not in every source, and left out: 'a' is missing in ")

    def test_beside_what_gave_nothing(self, run: Any, target: Path) -> None:
        outcome = run(transform=lambda image, mask: None if image == "image b" else image)
        listed = [(line["path"], "reason" in line) for line in lines_of(target, "skipped.jsonl")]
        assert listed == [("a.txt", True), ("b.txt", False), ("d.txt", True)]
        assert (outcome.counts["unmatched"], outcome.counts["skipped"]) == (2, 1)
        assert run(transform=lambda image, mask: None if image == "image b" else image).outcome == "unchanged"
        assert_whole(target)

    def test_of_more_than_two(self, run: Any, images: Path, masks: Path, tmp_path: Path, target: Path) -> None:
        third = write_texts(tmp_path / "third", a="a", c="c", e="e")
        run(source=[images, masks, third], transform=lambda one, two, three: one)
        listed = {line["path"]: line["reason"] for line in lines_of(target, "skipped.jsonl")}
        assert listed == {
            "a.txt": "no match in '../masks'",
            "b.txt": "no match in '../third'",
            "d.txt": "no match in '../images' and '../third'",
            "e.txt": "no match in '../images' and '../masks'",
        }

    @pytest.mark.parametrize("join", ["outer", "strict"])
    def test_nothing_else_is(self, run: Any, images: Path, masks: Path, target: Path, join: str) -> None:
        run(source=[images, images], join=join)
        assert (lines_of(target, "skipped.jsonl"), "unmatched" in header_of(target)["counts"]) == ([], False)

    def test_does_not_count_as_seen(self, run: Any, images: Path, masks: Path, target: Path) -> None:
        run()
        write_texts(masks, a="mask a")
        assert dict(iter_fates(run)) == {"a.txt": "new", "b.txt": "carried", "c.txt": "carried"}
        outcome = run()
        assert (outcome.counts["computed"], outcome.counts["unmatched"]) == (1, 1)
        assert [line["path"] for line in lines_of(target, "skipped.jsonl")] == ["d.txt"]
        assert "mask a" in values_of(target)["a"]

    def test_is_not_removed_when_it_goes(self, run: Any, images: Path, masks: Path, target: Path) -> None:
        run(max_removed=0)
        (images / "a.txt").unlink()
        write_texts(masks, z="mask z")
        assert set(dict(iter_fates(run)).values()) == {"carried"}
        with nothing_lost(target):  # which keys are left out is written at the next change
            assert run(max_removed=0).outcome == "unchanged"
        write_texts(masks, b="other")
        run(max_removed=0)
        assert [line["path"] for line in lines_of(target, "skipped.jsonl")] == ["d.txt", "z.txt"]

    def test_is_in_the_list_when_its_partner_goes(self, run: Any, masks: Path, target: Path) -> None:
        run()
        (masks / "b.txt").unlink()
        assert dict(iter_fates(run))["b.txt"] == "removed"
        assert run().counts["unmatched"] == 3
        assert sorted(values_of(target)) == ["c"]
        assert run().outcome == "unchanged"

    def test_of_an_aggregate(self, run: Any, target: Path) -> None:
        options = {"transform": None, "aggregate": lambda records: "".join(record.key for record in records)}
        assert run(**options).counts["unmatched"] == 2
        assert len(lines_of(target, "skipped.jsonl")) == 2
        assert run(**options).outcome == "unchanged"

    def test_of_snapshots(self, images: Path, masks: Path, tmp_path: Path, run: Any, target: Path) -> None:
        for name, source in (("one", images), ("two", masks)):
            read_directory(source=source, target=tmp_path / name, read=read_text, codec="text")
        options = {"source": [tmp_path / "one", tmp_path / "two"], "read": None}
        assert run(**options).counts["unmatched"] == 2
        assert run(**options).outcome == "unchanged"

    def test_many_are_told_in_a_line(
        self, run: Any, images: Path, target: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_texts(images, **{f"x{number}": "x" for number in range(200)})
        assert run().counts["unmatched"] == 202
        (told,) = [message for message in caplog.messages if "left out" in message]
        assert "202 keys" in told
        assert told.endswith(" and 197 more")


def iter_fates(run: Any) -> Any:
    """What the stage would do with each input."""
    return iter_plan(**run.keywords)


def test_strict_names_what_has_no_match(run: Any, target: Path, images: Path, masks: Path) -> None:
    with pytest.raises(errors.KeyMissing, match="2 inputs have no match") as caught:
        run(join="strict")
    assert caught.value.findings == (f"'a' is missing in {masks}", f"'d' is missing in {images}")
    assert not target.exists()
    (images / "a.txt").unlink()
    (masks / "d.txt").unlink()
    assert run(join="strict").counts["entries"] == 2


def test_the_manifest_says_what_each_was_made_from(run: Any, target: Path) -> None:
    run(join="outer")
    header = header_of(target)
    assert header["join"] == "outer"
    assert [source["location"] for source in header["sources"]] == ["../images", "../masks"]
    inputs = {
        line["path"]: [(i["path"], i.get("source", 0)) for i in line["inputs"]]
        for line in lines_of(target, "files.jsonl")
    }
    assert inputs["b.txt"] == [("b.txt", 0), ("b.txt", 1)]
    assert inputs["d.txt"] == [("d.txt", 1)]


class TestAgain:
    def test_nothing_new(self, run: Any, target: Path) -> None:
        run()
        with nothing_lost(target):
            assert run().outcome == "unchanged"

    @pytest.mark.parametrize("side", ["images", "masks"])
    def test_a_change_on_either_side(self, run: Any, tmp_path: Path, target: Path, side: str) -> None:
        run()
        write_texts(tmp_path / side, b="other")
        outcome = run()
        assert (outcome.counts["computed"], outcome.counts["carried"]) == (1, 1)
        assert "other" in values_of(target)["b"]
        assert run().outcome == "unchanged"

    def test_a_match_that_comes_later(self, run: Any, masks: Path, target: Path) -> None:
        run()
        write_texts(masks, a="mask a")
        assert run().counts["computed"] == 1
        assert values_of(target)["a"] == "image a+mask a"

    def test_a_match_that_comes_later_to_an_outer_join(self, run: Any, masks: Path, target: Path) -> None:
        run(join="outer")
        write_texts(masks, a="mask a")
        assert run(join="outer").counts["computed"] == 1
        assert values_of(target)["a"] == "image a+mask a"

    def test_what_gave_nothing_or_failed_is_known(self, run: Any) -> None:
        def picky(image: str, mask: str) -> str | None:
            if image == "image c":
                raise ValueError(mask)
            return None

        first = run(transform=picky, on_error="quarantine", empty="commit")
        assert (first.counts["skipped"], first.counts["quarantined"]) == (1, 1)
        assert run(transform=picky, on_error="quarantine").outcome == "unchanged"


def test_snapshots_and_pinned_ones(images: Path, masks: Path, tmp_path: Path, target: Path) -> None:
    pinned = read_directory(source=images, target=tmp_path / "one", read=read_text, codec="text").to_dict()
    read_directory(source=masks, target=tmp_path / "two", read=read_text, codec="text")
    write_texts(images, b="newer")
    read_directory(source=images, target=tmp_path / "one", read=read_text, codec="text")

    def note(image: str, mask: str, *, key: str, path: list[str], record: list[Any]) -> str:
        assert [os.path.basename(one) for one in path] == [f"{key}.txt"] * 2
        assert [one.value for one in record] == [image, mask]
        return both(image, mask)

    transform_directory(
        source=[pinned, tmp_path / "two"], target=target, transform=note, join="inner", codec="text", stage="both"
    )
    assert values_of(target)["b"] == "image b+mask b"
    assert header_of(target)["sources"][0]["snapshot"] == pinned["snapshot"]


def test_an_aggregate_over_matches(run: Any, target: Path) -> None:
    run(transform=None, aggregate=lambda records: [[r.key, *r.value] for r in records], codec="json")
    with open_snapshot(target) as snapshot:
        (record,) = snapshot
        assert record.value == [["b", "image b", "mask b"], ["c", "image c", "mask c"]]


def test_a_file_of_two_that_fails_names_both(run: Any, images: Path, masks: Path) -> None:
    def never(image: str, mask: str) -> None:
        raise ValueError(image)

    with pytest.raises(errors.RecordFailed) as caught:
        run(transform=never)
    assert f"{images}/b.txt and {masks}/b.txt" in str(caught.value)


def test_two_files_of_one_source_that_share_a_key(run: Any, images: Path) -> None:
    (images / "b.jpg").write_text("another b")
    with pytest.raises(errors.KeyRefused, match="have the same key"):
        run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"join": None}, "a list of sources needs join='inner', 'outer' or 'strict'"),
        ({"source": "/data"}, "and a single one none"),
        ({"source": ["/data"]}, "at least two"),
        ({"join": "left"}, "join='left' is none of 'inner', 'outer', 'strict'"),
        ({"transform": lambda image: image}, "takes 1 positional arguments, and gets 2"),
        ({"batch_size": 2}, "do not go together"),
        ({"source": ["/data", ""]}, "source= must be the path of a directory"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        run(**options)


def test_a_target_in_any_of_the_sources_is_refused(run: Any, masks: Path) -> None:
    with pytest.raises(errors.TargetRefused, match="lies inside the source"):
        run(target=masks / "inside")
