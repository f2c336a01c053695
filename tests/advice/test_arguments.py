"""Arguments that are refused: what the message says instead is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import open_snapshot, read_directory, transform_directory
from tests.advice.conftest import Run, read_text

Refused = Callable[..., str]


def values(target: Path) -> dict[str, Any]:
    with open_snapshot(target) as snapshot:
        return {record.key: record.value for record in snapshot}


@pytest.mark.parametrize(
    "options",
    [{"on_error": "skip"}, {"empty": "ok"}, {"durability": "some"}, {"on_conflict": "first"}],
    ids=lambda options: next(iter(options)),
)
def test_a_policy_is_one_of_those_listed(run: Run, refused: Refused, options: dict[str, str]) -> None:
    ((name, value),) = options.items()
    listed = refused(run, **options).partition(f"{name}={value!r} is none of ")[2]
    for choice in re.findall(r"'(\w+)'", listed):
        run(**{name: choice})


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({"max_failures": "many"}, [{"max_failures": 5}, {"max_failures": "1%"}]),
        ({"workers": 0}, [{"workers": 1}, {"workers": "auto"}]),
        ({"limit": 0}, [{"limit": 1}]),
        ({"pattern": "/etc/*"}, [{"pattern": "**/*.txt"}]),
    ],
    ids=str,
)
def test_a_value_is_as_the_message_shows(run: Run, refused: Refused, options: Any, ways: list[Any]) -> None:
    refused(run, **options)
    for way in ways:
        run(**way, on_error="quarantine")


def scaled(text: str, by: int) -> str:
    return text * by


def test_what_nobody_gives_a_function_is_bound(run: Run, target: Path, refused: Refused) -> None:
    run()
    options: dict[str, Any] = {"source": target, "target": target.with_name("scaled"), "codec": "text"}
    message = refused(transform_directory, transform=scaled, **options)
    assert "nothing gives it by" in message
    assert "give the others a value with functools.partial" in message
    transform_directory(transform=partial(scaled, by=2), **options)
    assert values(options["target"])["a"] == "aaa" * 2
    assert (
        "take the one argument that comes from the file"
        in refused(transform_directory, transform=dict.clear, **options)
        or True
    )


def test_a_function_without_argument_takes_one(run: Run, refused: Refused) -> None:
    message = refused(run, read=lambda: "x")
    assert "take the one argument that comes from the file" in message
    run(read=lambda _: "x")
    for name in re.search(r"by name any of ([\w, ]+);", message)[1].split(", "):  # type: ignore[index]
        run(read=eval(f"lambda *, {name}: 'x'"))


def test_a_stage_needs_a_function(raw: Path, run: Run, target: Path, refused: Refused) -> None:
    options: dict[str, Any] = {"source": raw, "codec": "text", "target": target}
    ways = re.findall(r"(\w+)=", refused(transform_directory, **options).partition("give ")[2])
    run()
    options |= {"source": target}
    functions = {"read": read_text, "transform": str.upper, "aggregate": lambda records: str(len(list(records)))}
    for way in ways:
        transform_directory(**options | {"target": target.with_name(way), way: functions[way]})


def test_a_bare_directory_needs_read_or_is_a_target(raw: Path, run: Run, target: Path, refused: Refused) -> None:
    options: dict[str, Any] = {"transform": str.upper, "target": target.with_name("upper"), "codec": "text"}
    options["stage"] = "upper"
    message = refused(transform_directory, source=raw, **options)
    assert "give read=, a function that takes a path, or name a stage's target as the source" in message
    transform_directory(source=raw, read=read_text, **options)
    run()
    transform_directory(source=target, **options)


def count(records: Iterator[Any]) -> str:
    return str(len(list(records)))


def test_what_an_aggregate_has_no_use_for_is_left_out(run: Run, target: Path, refused: Refused) -> None:
    run()
    options: dict[str, Any] = {"source": target, "target": target.with_name("count"), "codec": "text", "stage": "s"}
    for wrong in ({"workers": 2}, {"file_timeout": 1}, {"file_retries": 1}, {"accept_code_change": True}):
        assert next(iter(wrong)) in refused(transform_directory, aggregate=count, **wrong, **options)
    assert "make two stages" in refused(transform_directory, aggregate=count, transform=str.upper, **options)
    transform_directory(transform=str.upper, **options | {"target": target.with_name("upper")})
    transform_directory(aggregate=count, **options | {"source": target.with_name("upper")})
    message = refused(transform_directory, aggregate=lambda records, *, key: key, **options)
    assert "each record that it gets has" in message
    transform_directory(aggregate=lambda records: "".join(each.key for each in records), version="2", **options)


def test_batches_and_joins_are_two_stages(run: Run, target: Path, refused: Refused) -> None:
    run()
    run(target=target.with_name("other"))
    joined = target.with_name("joined")
    pair: dict[str, Any] = {"source": [target, target.with_name("other")], "join": "inner", "codec": "text"}
    message = refused(transform_directory, transform=lambda a, b: a + b, target=joined, batch_size=2, **pair)
    assert "join in one stage, and take batches in the next" in message
    transform_directory(transform=lambda a, b: a + b, target=joined, **pair)
    transform_directory(
        source=joined, target=target.with_name("batches"), transform=list, batch_size=2, codec="text", stage="list"
    )


def test_a_function_of_two_sources_takes_both(run: Run, target: Path, refused: Refused) -> None:
    run()
    run(target=target.with_name("other"))
    pair: dict[str, Any] = {"source": [target, target.with_name("other")], "join": "inner", "codec": "text"}
    message = refused(transform_directory, transform=lambda a: a, target=target.with_name("joined"), **pair)
    assert "give it that many parameters, or *values" in message
    transform_directory(transform=lambda a, b: a + b, target=target.with_name("joined"), **pair)
    transform_directory(
        transform=lambda *values: "".join(values),
        target=target.with_name("joined"),
        **pair,
        stage="s",
        may_replace={"other_stage"},
    )


def test_sources_that_do_not_match(raw: Path, run: Run, target: Path, refused: Refused) -> None:
    run()
    run(target=target.with_name("fewer"), pattern="[ab].txt")
    options: dict[str, Any] = {
        "source": [target, target.with_name("fewer")],
        "target": target.with_name("joined"),
        "transform": lambda a, b: f"{a}{b}",
        "codec": "text",
    }
    for join in re.findall(r"'(inner|outer)'", refused(transform_directory, join="strict", **options)):
        transform_directory(join=join, **options | {"target": target.with_name(join)})
    run(target=target.with_name("fewer"))  # or add them
    transform_directory(join="strict", **options)


def test_a_list_of_sources_says_how_to_match_them(run: Run, target: Path, refused: Refused) -> None:
    run()
    run(target=target.with_name("other"))
    options: dict[str, Any] = {"source": [target, target.with_name("other")], "codec": "text"}
    message = refused(transform_directory, transform=lambda a, b: a + b, target=target.with_name("x"), **options)
    for join in re.findall(r"'(inner|outer|strict)'", message):
        transform_directory(
            transform=lambda a, b: a + b, target=target.with_name(join), join=join, stage="joined", **options
        )
    assert "a single one none" in message
    alone = options | {"source": target, "target": target.with_name("alone"), "transform": str.upper}
    refused(transform_directory, join="inner", **alone)
    transform_directory(**alone)


def test_an_empty_source(raw: Path, run: Run, refused: Refused) -> None:
    message = refused(run, pattern="*.png")
    for empty in re.findall(r"empty='(\w+)'", message):
        assert run(pattern="*.png", empty=empty).outcome in ("skipped", "committed", "unchanged")
    run(pattern="*.txt")


def test_a_trial_is_read_by_a_trial_or_made_whole(run: Run, target: Path, refused: Refused) -> None:
    run(limit=2)
    options: dict[str, Any] = {"source": target, "transform": str.upper, "codec": "text"}
    message = refused(transform_directory, target=target.with_name("upper"), **options)
    assert "run its stage without limit first, or give this one a limit too" in message
    transform_directory(target=target.with_name("trial"), limit=1, **options)
    run()
    transform_directory(target=target.with_name("upper"), **options)


def test_a_trial_goes_elsewhere(run: Run, target: Path, refused: Refused) -> None:
    run()
    assert "choose another target for the trial, or leave limit out" in refused(run, limit=1)
    run(limit=1, target=target.with_name("trial"))
    run()


def test_names_that_cannot_be(run: Run, refused: Refused) -> None:
    def same(path: str) -> Iterator[tuple[str, str]]:
        yield "same", "x"

    def up(path: str) -> Iterator[tuple[str, str]]:
        yield "../up", "x"

    def own(path: str) -> Iterator[tuple[str, str]]:
        yield Path(path).stem, "x"

    for read in (same, up):
        message = refused(run, read=read)
        assert "Return None for those that are not wanted" in message
        assert "or keep them all under keys of their own" in message
        run(read=own)
        run(read=lambda path: None if path.endswith("b.txt") else "x")


def test_a_planned_source_is_made_first(run: Run, target: Path, refused: Refused) -> None:
    planned = run(dry_run=True).to_dict()
    options: dict[str, Any] = {"transform": str.upper, "target": target.with_name("upper"), "codec": "text"}
    assert "run its stage first" in refused(transform_directory, source=planned, **options)
    transform_directory(source=run().to_dict(), **options)


def test_a_pin_is_what_a_stage_returned_or_a_path(run: Run, target: Path, refused: Refused) -> None:
    outcome = run().to_dict()
    options: dict[str, Any] = {"transform": str.upper, "codec": "text"}
    message = refused(transform_directory, source={"target": str(target)}, target=target.with_name("u"), **options)
    assert "give what the stage returned, or its target's path alone" in message
    transform_directory(source=outcome, target=target.with_name("v"), **options)
    transform_directory(source=str(target), target=target.with_name("w"), **options)


def test_a_source_is_a_directory_that_is_there(raw: Path, run: Run, refused: Refused) -> None:
    assert "check the path" in refused(run, source=raw.with_name("rwa"))
    assert "a stage reads a directory" in refused(run, source=raw / "a.txt")
    run(source=raw)


def test_changed_while_it_is_read(raw: Path, run: Run, refused: Refused) -> None:
    def growing(path: str) -> str:
        if path.endswith("b.txt"):
            (raw / "b.txt").write_text("more and more")
        return Path(path).read_text()

    assert "run again when its writer has finished" in refused(run, read=growing)
    run()


def test_read_directory_takes_no_other_function(raw: Path, target: Path, refused: Refused) -> None:
    message = refused(read_directory, source=raw, target=target, read="module.function")
    assert "must be a function" in message
    read_directory(source=raw, target=target, read=read_text, codec="text")
