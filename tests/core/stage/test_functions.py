"""Every kind of function that a user might hand over, called the way it asks to be."""

from __future__ import annotations

import asyncio
import json
import operator
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, read_directory, transform_directory
from tests.core.conftest import Run
from tests.core.directories import assert_whole, header_of, lines_of, values_of
from tests.core.seed import read_text


async def fetched(value: str) -> str:
    return value


async def all_fetched(value: str) -> AsyncIterator[tuple[str, str]]:
    yield value, value


class Fetch:
    async def __call__(self, value: str) -> str:
        return value


class Prefix:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, text: str) -> str:
        return self.prefix + text

    def method(self, text: str) -> str:
        return self.prefix + text


def prefixed(text: str, prefix: str) -> str:
    return prefix + text


def closure(prefix: str) -> Any:
    def inner(text: str) -> str:
        return prefix + text

    return inner


class TestKinds:
    @pytest.fixture
    def source(self, run: Run) -> dict[str, Any]:
        return run().to_dict()

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (lambda text: "lambda " + text, "lambda alpha"),
            (closure("closure "), "closure alpha"),
            (partial(prefixed, prefix="partial "), "partial alpha"),
            (partial(partial(prefixed), prefix="twice "), "twice alpha"),
            (partial(operator.add, "positional "), "positional alpha"),
            (Prefix("object "), "object alpha"),
            (Prefix("method ").method, "method alpha"),
            (str.upper, "ALPHA"),
            (operator.methodcaller("title"), "Alpha"),
            (operator.itemgetter(slice(2)), "al"),
            (str, "alpha"),
            (json.dumps, '"alpha"'),
            (lambda *values: "".join(values), "alpha"),
        ],
    )
    def test_of_callables(self, source: dict[str, Any], tmp_path: Path, function: Any, expected: str) -> None:
        transform_directory(source=source, target=tmp_path / "x", transform=function, codec="text")
        assert values_of(tmp_path / "x")["a"] == expected
        assert transform_directory(source=source, target=tmp_path / "x", transform=function, codec="text").outcome == (
            "unchanged"
        )

    def test_one_written_in_c_over_arrays(self, source: dict[str, Any], tmp_path: Path) -> None:
        import numpy as np

        transform_directory(source=source, target=tmp_path / "1", transform=len, codec="npy")
        transform_directory(source=tmp_path / "1", target=tmp_path / "2", transform=np.square)
        assert {key: value.item() for key, value in values_of(tmp_path / "2").items()} == {"a": 25, "b": 16, "c": 25}

    @pytest.mark.parametrize("function", [fetched, all_fetched, partial(fetched), Fetch()])
    def test_async_ones_are_refused(self, run: Run, function: Any) -> None:
        """Nobody awaits them: what they return is no result."""
        with pytest.raises(errors.ArgumentRefused, match=r"is an async function, .* calls it with asyncio\.run\(\)$"):
            run(read=function)

    def test_what_calls_an_async_one_is_plain(self, run: Run) -> None:
        assert run(read=lambda path: asyncio.run(fetched(path))).counts["entries"] == 3

    @pytest.mark.parametrize("function", [None, 7, "read", [len]])
    def test_what_cannot_be_called(self, texts: Path, target: Path, function: Any) -> None:
        with pytest.raises(errors.ArgumentRefused):
            read_directory(source=texts, target=target, read=function)

    @pytest.mark.parametrize(
        ("function", "why"),
        [
            (lambda: None, "it takes no argument"),
            (lambda **named: None, "it takes no argument"),
            (lambda path, threshold: None, "nothing gives it threshold"),
            (lambda path, *, a, key, b: None, "nothing gives it a, b"),
            (partial(prefixed, "text", "prefix"), "it takes no argument"),
        ],
    )
    def test_what_nobody_can_call(self, texts: Path, target: Path, function: Any, why: str) -> None:
        with pytest.raises(errors.ArgumentRefused, match=why):
            read_directory(source=texts, target=target, read=function)
        assert not target.parent.exists()


class TestByName:
    def test_a_reader_of_a_bare_directory(self, run: Run, texts: Path, target: Path) -> None:
        def read(where: str, key: str, path: str, record: Any, params: Any, partition: str) -> list[Any]:
            return [where, key, path, record.key, record.path, record.entry.size, params, partition]

        run(read=read, codec="json", params={"n": 1}, partition="p")
        path = str(texts / "a.txt")
        assert values_of(target)["a"] == [path, "a", path, "a", path, 5, {"n": 1}, "p"]

    def test_a_transform_of_a_snapshot(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()

        def transform(text: str, *, key: str, path: str, record: Any, params: Any, partition: None) -> list[Any]:
            assert Path(path).read_text() == Path(record.path).read_text() == record.value == text
            return [text, key, record.key, params, partition]

        transform_directory(source=target, target=tmp_path / "x", transform=transform, codec="json")
        assert values_of(tmp_path / "x")["a"] == ["alpha", "a", "a", {}, None]

    @pytest.mark.parametrize(
        "read",
        [
            lambda *, key: key,
            lambda path, /, key: key,
            lambda path, key="default": key,
            lambda path, *, key, **rest: key,
            lambda path, *rest, key: key,
        ],
    )
    def test_any_way_of_asking(self, run: Run, target: Path, read: Any) -> None:
        run(read=read)
        assert values_of(target) == {key: key for key in "abc"}

    def test_what_a_partial_has_bound_stays_bound(self, run: Run, target: Path) -> None:
        def read(path: str, params: Any, key: str) -> str:
            return f"{params} {key}"

        run(read=partial(read, params="mine"), params={"not": "mine"})
        assert values_of(target)["a"] == "mine a"

    def test_params_cannot_be_changed_for_the_next_file(self, run: Run, target: Path) -> None:
        def read(path: str, params: dict[str, int]) -> str:
            params["n"] += 1
            return str(params["n"])

        run(read=read, params={"n": 0})
        assert values_of(target) == {"a": "1", "b": "1", "c": "1"}


class TestResults:
    def test_none_is_skipped_and_counted(self, run: Run, target: Path) -> None:
        outcome = run(read=lambda path: None if "b.txt" in path else "text")
        assert (outcome.counts["entries"], outcome.counts["skipped"]) == (2, 1)
        assert [line["path"] for line in lines_of(target, "skipped.jsonl")] == ["b.txt"]
        assert_whole(target)

    def test_all_skipped_is_a_snapshot_on_request(self, run: Run, target: Path) -> None:
        assert run(read=lambda path: None, empty="commit").outcome == "committed"
        assert values_of(target) == {}
        assert run(read=lambda path: None).outcome == "unchanged"
        assert_whole(target)

    def test_a_transform_skips_as_well(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        transform_directory(source=target, target=tmp_path / "x", codec="text", transform=only_beta)
        assert values_of(tmp_path / "x") == {"b": "beta"}

    def test_one_to_many(self, run: Run, texts: Path, target: Path) -> None:
        def letters(path: str) -> Iterator[tuple[str, str]]:
            for number, letter in enumerate(Path(path).read_text()):
                yield f"{Path(path).stem}/{number}", letter

        assert run(read=letters).counts["entries"] == 14
        assert values_of(target)["b/3"] == "a"
        assert {line["inputs"][0]["path"] for line in lines_of(target)} == {"a.txt", "b.txt", "c.txt"}
        assert_whole(target)
        (texts / "b.txt").write_text("be")
        outcome = run(read=letters)
        assert (outcome.counts["entries"], outcome.counts["carried"], outcome.counts["computed"]) == (12, 2, 1)
        assert_whole(target)
        assert run(read=letters).outcome == "unchanged"

    def test_a_generator_may_give_nothing(self, run: Run, target: Path) -> None:
        assert run(read=lambda path: (pair for pair in ()), empty="commit").counts["skipped"] == 3

    @pytest.mark.parametrize(
        "value", [["elsewhere", 1], ["a", "b", "c"], [1, 2]], ids=["another path", "a triple", "a pair"]
    )
    def test_other_tuples_are_values(self, run: Run, target: Path, value: list[Any]) -> None:
        run(read=lambda path: tuple(value), codec="json")
        assert values_of(target)["a"] == value

    def test_a_path_with_nothing_is_skipped(self, run: Run) -> None:
        assert run(read=lambda path: (path, None), empty="commit").counts["skipped"] == 3

    @pytest.mark.parametrize("value", ["", 0, False, [], {}])
    def test_nothing_but_none_is_nothing(self, run: Run, target: Path, value: Any) -> None:
        run(read=lambda path: value, codec="json")
        assert values_of(target)["a"] == value


def only_beta(text: str) -> str | None:
    return text if text == "beta" else None


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (read_text, "read_text"),
        (partial(read_text), "read_text"),
        (Prefix("x"), "Prefix"),
        (closure("x"), "closure.<locals>.inner"),
        (str.upper, "str.upper"),
    ],
)
def test_a_stage_is_named_after_its_function(texts: Path, target: Path, function: Any, name: str) -> None:
    read_directory(source=texts, target=target, read=function, codec="text")
    header = header_of(target)
    assert (header["stage"], header["function"]["name"]) == (name, name)
