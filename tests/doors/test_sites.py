"""Sites, cameras, presses: folders named by more than a partition, and no two of them in one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Param, task, task_group

from airflow_dirops import (
    DirectoryReadOperator,
    DirectorySensor,
    ManifestSensor,
    StagedTransformOperator,
    dirops_params,
    partitions,
)
from airflow_dirops.core import read_manifest
from airflow_dirops.core.errors import ArgumentRefused
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"
SITES = ("berlin", "hamburg", "munich")
PATHS = {"source": "raw/{site}/{partition}", "target": "interim/{site}/{partition}"}
RAW = {"source": [PATHS["source"]]}
READ: dict[str, Any] = {"read": read_text, "codec": "text"}

UNUSABLE = [
    "../x",
    "",
    " ",
    "a/b",
    "/a",
    ".",
    "..",
    ".hidden",
    "a\0b",
    "a\nb",
    "~",
    "~root",
    "x" * 300,
    "ä" * 150,
    " a",
    "None",
    "_dirops",
    "a\udcff",
    "$HOME",
    "${HOME}",
    "a*b",
    "%Y",
    "nan",
    "{x}",
    3,
    None,
    ["a"],
    b"a",
]


@pytest.fixture
def raw(root: Path) -> Path:
    for site in SITES:
        write(root / "raw" / site / DAY, image=site)
    return root


def chain(site: Any) -> None:
    read = DirectoryReadOperator(task_id="read", **PATHS, dimensions={"site": site}, **READ)
    StagedTransformOperator(
        task_id="upper", source=read.output, target="final/{site}/{partition}", transform=str.upper, codec="text"
    )


def test_one_failing_site_leaves_the_others_alone_in_a_group_over_what_a_task_listed(runs: Runs, raw: Path) -> None:
    with DAG("listed", schedule=None) as dag:

        @task
        def sites() -> list[str]:
            return sorted(path.name for path in (raw / "raw").iterdir())

        task_group(group_id="each")(chain).expand(site=sites())
    write(raw / "raw/absent", stray="no day here")
    run = runs(dag, key=DAY)
    assert [run.state("each.read", index) for index in range(4)] == ["failed", "success", "success", "success"]
    assert [run.state("each.upper", index) for index in range(1, 4)] == ["success"] * 3
    for index, site in enumerate(SITES, 1):
        assert values(raw / "final" / site / DAY) == {"image": site.upper()}
        assert read_manifest(raw / "final" / site / DAY).dimensions == {"site": site}
        assert run.output("each.upper", index)["dimensions"] == {"site": site}
        assert run.task("each.upper", index).rendered_map_index == f"{site}, {DAY}"
        assert run.task("each.read", index).rendered_map_index == f"{site}, {DAY}"


def test_one_operator_is_mapped_over_sites_and_the_next_over_its_outputs(runs: Runs, raw: Path) -> None:
    with DAG("mapped", schedule=None) as dag:
        read = DirectoryReadOperator.partial(task_id="read", **PATHS, **READ).expand(
            dimensions=[{"site": site} for site in SITES]
        )
        StagedTransformOperator.partial(
            task_id="upper", target="final/{site}/{partition}", transform=str.upper, codec="text"
        ).expand(source=read.output)
    run = runs(dag, key=DAY)
    assert [run.state("upper", index) for index in range(3)] == ["success"] * 3
    assert [values(raw / "final" / site / DAY) for site in SITES] == [{"image": site.upper()} for site in SITES]


def test_the_asset_event_and_the_function_know_the_site(runs: Runs, raw: Path) -> None:
    from airflow.sdk import Asset

    with DAG("told", schedule=None) as dag:
        DirectoryReadOperator(
            task_id="read",
            **PATHS,
            dimensions={"site": "berlin"},
            read=lambda path, *, dimensions: dimensions["site"],
            codec="text",
            outlets=[Asset("told")],
        )
    run = runs(dag, key=DAY)
    assert values(raw / "interim/berlin" / DAY) == {"image": "berlin"}
    ((_, extra),) = run.events("read")
    assert extra["dimensions"] == {"site": "berlin"}


def test_the_trigger_form_can_ask_for_the_site(runs: Runs, raw: Path) -> None:
    with DAG("asked", schedule=None, params={"site": Param("berlin", type="string")}) as dag:
        DirectoryReadOperator(task_id="read", **PATHS, **READ)
    assert runs(dag, key=DAY, conf={"site": "munich"}).state("read") == "success"
    assert read_manifest(raw / "interim/munich" / DAY).dimensions == {"site": "munich"}
    assert runs(dag, key=DAY, conf={"site": "../../x"}).state("read") == "failed"


def test_what_the_form_says_must_not_contradict_the_mapped_site(
    runs: Runs, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG("contradicted", schedule=None, params={"site": Param(None, type=["null", "string"])}) as dag:
        DirectoryReadOperator.partial(task_id="read", **PATHS, **READ).expand(
            dimensions=[{"site": "berlin"}, {"site": "munich"}]
        )
    run = runs(dag, key=DAY, conf={"site": "berlin"})
    assert [run.state("read", index) for index in range(2)] == ["success", "failed"]
    assert "params say site='berlin'" in "".join(capfd.readouterr())


def test_names_are_filled_in_of_patterns_sensors_and_roll_ups(runs: Runs, root: Path) -> None:
    write(root / "raw/all" / DAY, **{"a[1]_x": "1", "a1_x": "2", "b_x": "3"})
    write(root / "raw/marked/a[1]" / DAY, x="4")
    (root / "raw/marked/a[1]" / DAY / "a[1].done").touch()
    with DAG("patterns", schedule=None) as dag:
        named = {"dimensions": {"camera": "a[1]"}}
        here = {"target": "interim/{camera}/{partition}", **READ}
        shared = DirectoryReadOperator(
            task_id="shared", source="raw/all/{partition}", pattern="{camera}_*", **named, **here
        )
        arrived = DirectorySensor(
            task_id="arrived", directory="raw/marked/{camera}/{partition}", marker="{camera}.done", **named
        )
        marked = DirectoryReadOperator(
            task_id="marked", source=arrived.output, **(here | {"target": "marked/{camera}/{partition}"})
        )
        wait = ManifestSensor(task_id="wait", target="interim/{camera}/{partition}", **named)
        again = StagedTransformOperator(
            task_id="again", source=wait.output, target="again/{camera}/{partition}", transform=str.upper, codec="text"
        )
        week = StagedTransformOperator(
            task_id="week",
            source=partitions("interim/{camera}/{partition}", last=1),
            target="final/{camera}/week",
            transform=str.upper,
            codec="text",
            **named,
        )
        [shared >> arrived, marked >> wait, again >> week]
    run = runs(dag, key=DAY)
    assert {run.state(each) for each in ("shared", "marked", "again", "week")} == {"success"}
    assert values(root / "interim/a[1]" / DAY) == {"a[1]_x": "1"}
    assert values(root / "marked/a[1]" / DAY) == {"x": "4"}
    assert values(root / "again/a[1]" / DAY) == {"a[1]_x": "1"}
    assert read_manifest(root / "final/a[1]/week").dimensions == {"camera": "a[1]"}


def test_a_name_that_nothing_answers_is_refused_while_the_dag_is_read_and_the_advice_works(
    runs: Runs, raw: Path
) -> None:
    with DAG("unanswered", schedule=None), pytest.raises(ArgumentRefused, match=r"'read'.*\{site\}") as refused:
        DirectoryReadOperator(task_id="read", **PATHS, **READ)
    given = re.search(r"dimensions=(\{.*?\})", str(refused.value))
    mapped = re.search(r"expand\(dimensions=(\[.*?\])\)", str(refused.value))
    params = re.search(r"params=(\{.*?\)\})", str(refused.value))
    assert given
    assert mapped
    assert params
    with DAG("advised", schedule=None) as dag:
        DirectoryReadOperator(task_id="one", **PATHS, dimensions=eval(given[1]), **READ)
        DirectoryReadOperator.partial(
            task_id="each", source=PATHS["source"], target="mapped/{site}/{partition}", **READ
        ).expand(dimensions=eval(mapped[1]))
    run = runs(dag, key=DAY)
    assert [run.state("one"), run.state("each", 0), run.state("each", 1)] == ["success"] * 3
    with DAG("asked_as_advised", schedule=None, params=eval(params[1])) as dag:
        DirectoryReadOperator(task_id="one", source=PATHS["source"], target="asked/{site}/{partition}", **READ)
    assert runs(dag, key=DAY).state("one") == "success"


@pytest.mark.parametrize(
    "mapped",
    [
        pytest.param(lambda partial: partial.expand(source=["raw/{site}"]), id="nothing says it"),
        pytest.param(
            lambda partial: partial.expand(source=[PATHS["source"]], dimensions=[{"site": "a"}, {"camera": "b"}]),
            id="one lacks it",
        ),
        pytest.param(lambda partial: partial.expand(dimensions=[{"site": "a"}, {"site": "../b"}]), id="leads out"),
        pytest.param(lambda partial: partial.expand(dimensions=["a", "b"]), id="no dicts"),
        pytest.param(lambda partial: partial.expand_kwargs([{"dimensions": {"site": 3}}]), id="a number"),
        pytest.param(lambda partial: partial.expand_kwargs([{"source": PATHS["source"]}]), id="no dimensions"),
    ],
)
def test_mapped_sites_are_checked_while_the_dag_is_read(mapped: Any) -> None:
    with DAG("mapped_badly", schedule=None):
        partial = DirectoryReadOperator.partial(task_id="read", target=PATHS["target"], **READ)
        partial._expand_called = True  # it warns when it is never mapped
        with pytest.raises(ArgumentRefused, match=r"'read'.*(placeholder|dimensions)"):
            mapped(partial)


@pytest.mark.parametrize("value", UNUSABLE, ids=lambda value: repr(value)[:12])
def test_what_cannot_be_a_folder_is_no_site(value: Any) -> None:
    for make in (
        lambda: DirectoryReadOperator(task_id="read", **PATHS, dimensions={"site": value}, **READ),
        lambda: DirectorySensor(task_id="wait", directory="raw/{site}", marker="m", dimensions={"site": value}),
        lambda: ManifestSensor(task_id="wait", target="raw/{site}", dimensions={"site": value}),
    ):
        with (
            DAG("unusable", schedule=None),
            pytest.raises(ArgumentRefused, match="these dimensions cannot name") as error,
        ):
            make()
        assert all(line.isprintable() for line in str(error.value).split("\n"))


@pytest.mark.parametrize("name", ["partition", "a b", "", "ä/", "3", 3, "{site}"], ids=repr)
def test_what_cannot_stand_in_braces_is_no_name(name: Any) -> None:
    with DAG("unusable", schedule=None), pytest.raises(ArgumentRefused, match="these dimensions cannot name"):
        DirectoryReadOperator(task_id="read", source="raw", target="out", dimensions={name: "a"}, **READ)


@pytest.mark.parametrize(
    "value",
    [value for value in UNUSABLE if isinstance(value, str | None | int) and value != "a\udcff"],
    ids=lambda value: repr(value)[:12],
)
def test_nor_where_only_the_run_knows_it(runs: Runs, raw: Path, value: Any) -> None:
    with DAG("unusable_at_run_time", schedule=None) as dag:

        @task
        def sites() -> list[Any]:
            return [value, "berlin"]

        task_group(group_id="each")(chain).expand(site=sites())
    run = runs(dag, key=DAY)
    assert [run.state("each.read", index) for index in range(2)] == ["failed", "success"]
    assert sorted(path.name for path in raw.iterdir()) == ["final", "interim", "raw"]
    assert sorted(path.name for path in (raw / "interim").iterdir()) == ["berlin"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("raw/{site}/{partition}", "interim/{partition}"),
        ("raw/{site}", "interim"),
        ("raw/{site}/{partition}", "interim/berlin/{partition}"),
        (partitions("raw/{site}/{partition}", last=2), "interim/{partition}"),
    ],
)
@pytest.mark.parametrize("role", ["transform", "aggregate"])
def test_a_target_that_leaves_the_site_out_is_refused(source: Any, target: str, role: str) -> None:
    fields = {"source": source, "target": target, role: list, "read": read_text}
    with DAG("left_out", schedule=None), pytest.raises(ArgumentRefused, match=r"put \{site\} into target"):
        StagedTransformOperator(task_id="t", **fields, dimensions={"site": "berlin"})
    with DAG("left_out", schedule=None):
        partial = StagedTransformOperator.partial(task_id="t", **fields)
    partial._expand_called = True
    with pytest.raises(ArgumentRefused, match=r"put \{site\} into target"):
        partial.expand(dimensions=[{"site": "berlin"}])


def test_nor_may_a_target_leave_out_what_the_pattern_asks_for() -> None:
    fields: dict[str, Any] = {"task_id": "t", "source": "raw", "pattern": "{site}_*", **READ}
    with DAG("left_out", schedule=None), pytest.raises(ArgumentRefused, match=r"pattern=.*put \{site\} into target"):
        DirectoryReadOperator(target="interim", dimensions={"site": "berlin"}, **fields)
    with DAG("left_out", schedule=None):
        partial = DirectoryReadOperator.partial(target="interim", **fields)
    partial._expand_called = True
    with pytest.raises(ArgumentRefused, match=r"put \{site\} into target"):
        partial.expand(dimensions=[{"site": "berlin"}])
    with DAG("as_advised", schedule=None):
        DirectoryReadOperator(target="interim/{site}", dimensions={"site": "berlin"}, **fields)


def test_nor_may_a_stage_behind_it_leave_it_out(runs: Runs, raw: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("left_out_later", schedule=None) as dag:
        read = DirectoryReadOperator.partial(task_id="read", **PATHS, **READ).expand(
            dimensions=[{"site": "berlin"}, {"site": "munich"}]
        )
        partial = StagedTransformOperator.partial(
            task_id="all", target="final/{partition}", transform=len, codec="json"
        )
        partial.expand(source=read.output)
    run = runs(dag, key=DAY)
    assert [run.state("all", index) for index in range(2)] == ["failed", "failed"]
    assert "put {site} into target" in "".join(capfd.readouterr())


def test_sources_of_two_sites_are_not_one(runs: Runs, raw: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("two_sites", schedule=None) as dag:
        one, other = (
            DirectoryReadOperator(task_id=site, **PATHS, stage="read", dimensions={"site": site}, **READ)
            for site in ("berlin", "munich")
        )
        StagedTransformOperator(
            task_id="join",
            source=[one.output, other.output],
            target="final/{site}/{partition}",
            join="inner",
            transform=lambda a, b: a + b,
            codec="text",
        )
    assert runs(dag, key=DAY).state("join") == "failed"
    assert "site='munich'" in "".join(capfd.readouterr())


def test_two_sites_that_a_file_system_takes_for_one_never_replace_each_other(
    runs: Runs, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # What a folding file system does with these names, a link does on any.
    write(raw / "raw/Berlin" / DAY, image="Berlin")
    (raw / "interim").mkdir()
    (raw / "interim/Berlin").mkdir()
    (raw / "interim/berlin").symlink_to("Berlin")
    with DAG("folded", schedule=None, params={"site": Param("Berlin", type="string")}) as dag:
        DirectoryReadOperator(task_id="read", **PATHS, on_conflict="last", **READ)
    assert runs(dag, key=DAY).state("read") == "success"
    assert runs(dag, key=DAY, conf={"site": "berlin"}).state("read") == "failed"
    assert "holds the snapshot of site='Berlin'" in "".join(capfd.readouterr())
    assert values(raw / "interim/Berlin" / DAY) == {"image": "Berlin"}


def test_a_name_that_the_form_has_is_no_param_and_the_advice_leaves_that_out() -> None:
    fields: dict[str, Any] = {"source": "raw/{limit}", "target": "interim/{limit}", **READ}
    for params in ({}, dirops_params()):
        with DAG("taken", schedule=None, params=params), pytest.raises(ArgumentRefused) as refused:
            DirectoryReadOperator(task_id="read", **fields)
        assert "{limit} in it, a placeholder that nothing fills in" in str(refused.value)
        assert "Param(" not in str(refused.value)
        given = re.search(r"dimensions=(\{.*?\})", str(refused.value))
        assert given
        with DAG("advised", schedule=None, params=params):
            DirectoryReadOperator(task_id="read", dimensions=eval(given[1]), **fields)


@pytest.mark.parametrize("name", ["$HOME", "a*b", "%Y", "nan", "{x}"])
def test_nor_is_it_the_name_of_a_partition(name: str) -> None:
    fields: dict[str, Any] = {"source": "raw/{partition}", "target": "interim/{partition}", "partition_format": None}
    with DAG("named", schedule=None):
        if "{" not in name:
            with pytest.raises(ArgumentRefused, match="cannot name a partition: it holds"):
                DirectoryReadOperator(task_id="read", partition=name, **fields, **READ)
        with pytest.raises(ArgumentRefused, match="cannot be a folder: it holds"):
            partitions("raw/{partition}", names=[name])


def test_a_name_that_was_misspelled_is_told_with_the_one_that_is_meant() -> None:
    paths = {"source": "raw/{sites}/{partition}", "target": PATHS["target"]}
    with DAG("sites", schedule=None), pytest.raises(ArgumentRefused, match=r"; or \{site\} may be meant$"):
        DirectoryReadOperator(task_id="read", **paths, dimensions={"site": "berlin"}, **READ)
    with DAG("sites", schedule=None):
        DirectoryReadOperator(task_id="read", **PATHS, dimensions={"site": "berlin"}, **READ)
