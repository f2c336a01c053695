"""Arguments of operators: from ``default_args`` and ``.partial()``, through Airflow's serialization, and refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization

from airflow_dirops import DirectoryReadOperator, Retention, StagedTransformOperator
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.runtime import settings
from tests.cli.calls import dirops_process
from tests.doors.airflow_runs import Runs
from tests.text_files import damage, read_text, values, write

DAY = "2026-11-01"
SHARED = {
    "codec": "text",
    "on_error": "quarantine",
    "max_failures": 1,
    "redo": "damaged",
    "retention": Retention(keep_snapshots=3),
    "retries": 2,
    "partition": DAY,
}


def read(path: str) -> str:
    if path.endswith("bad.txt"):
        raise ValueError(path)
    return read_text(path)


def serialized(dag: DAG) -> Any:
    """As the DAG processor stores it, and the scheduler reads it."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def test_default_args_reach_operators_decorators_and_mapped_tasks(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="a", bad="b")
    with DAG("shared", schedule=None, default_args=SHARED) as dag:
        texts = DirectoryReadOperator(
            task_id="texts", source="raw/{partition}", target="texts/{partition}", read=read, workers=2
        )

        @task.staged_transform(source=texts.output, target="upper/{partition}")
        def upper(text: str) -> str:
            return text.upper()

        upper()
        DirectoryReadOperator.partial(task_id="mapped", read=read).expand_kwargs(
            [{"source": "raw/{partition}", "target": f"mapped/{name}/{{partition}}"} for name in "ab"]
        )
    for each in ("texts", "upper"):
        assert {name: getattr(dag.get_task(each), name) for name in SHARED} == SHARED
    assert serialized(dag).task_ids == dag.task_ids
    for quarantined in (1, 1):
        run = runs(dag)
        assert run.output("texts")["counts"]["quarantined"] == quarantined
        assert values(root / "upper" / DAY) == {"one": "A"}
        assert values(root / "mapped" / "b" / DAY) == {"one": "a"}
        damage(root / "texts" / DAY / "one.txt")
    runs(dag)
    assert values(root / "texts" / DAY) == {"one": "a"}


def test_what_an_operator_says_goes_before_default_args() -> None:
    with DAG("own", schedule=None, default_args=SHARED):
        own = DirectoryReadOperator(task_id="own", source="raw", target="texts", read=read, redo="all", codec="bytes")
    assert (own.redo, own.codec, own.retention) == ("all", "bytes", Retention(keep_snapshots=3))


@pytest.mark.parametrize("kind", [DirectoryReadOperator, StagedTransformOperator])
@pytest.mark.parametrize("retention", [3, {"keep_snapshots": 3}, "1 day"])
def test_a_retention_that_is_none_is_refused_when_the_dag_is_parsed(kind: Any, retention: Any) -> None:
    with DAG("wrong", schedule=None), pytest.raises(ArgumentRefused, match=r"retention=Retention\(keep_snapshots=3\)"):
        kind(task_id="wrong", source="raw", target="texts", retention=retention, **{_role(kind): read})
    with DAG("mapped", schedule=None), pytest.raises(ArgumentRefused, match="no Retention"):
        kind.partial(task_id="wrong", target="texts", retention=retention, **{_role(kind): read})


@pytest.mark.parametrize(
    "wrong",
    [
        {"redo": "full"},
        {"empty": "ignore"},
        {"on_error": "skip"},
        {"on_conflict": "win"},
        {"durability": "safe"},
        {"workers": 0},
        {"workers": "4"},
        {"file_retries": -1},
        {"file_timeout": -1},
        {"max_failures": "five"},
        {"max_removed": 1.5},
        {"pattern": "/x"},
        {"pattern": ""},
        {"pattern": ["a", "../b"]},
    ],
    ids=str,
)
def test_what_is_no_value_of_an_option_is_refused_when_the_dag_is_read(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    fields: dict[str, Any] = {"task_id": "t", "target": "b", "read": read}
    for make in (
        lambda: DirectoryReadOperator(source="a", **fields, **wrong),
        lambda: DirectoryReadOperator.partial(**fields, **wrong).expand(source=["a"]),
        lambda: DirectoryReadOperator.partial(**fields).expand_kwargs([{"source": "a", name: value}]),
        lambda: StagedTransformOperator(task_id="t", source="a", target="b", transform=read, **wrong),
    ):
        with DAG("wrong", schedule=None), pytest.raises(ArgumentRefused, match=rf"(?s)task 't': .*{name}"):
            make()
    with (
        DAG("defaults", schedule=None, default_args=wrong),
        pytest.raises(ArgumentRefused, match=rf"(?s)task 't': .*{name}"),
    ):
        DirectoryReadOperator(source="a", **fields)


@pytest.mark.parametrize(
    "bounds",
    [
        *({"keep_snapshots": wrong} for wrong in (-1, 1.5, True)),
        *({"keep_hours": wrong} for wrong in (-1, float("nan"), "24")),
    ],
)
def test_bounds_that_are_no_such_numbers_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(ArgumentRefused, match=f"{next(iter(bounds))}=.* is no (count|number)"):
        Retention(**bounds)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("keep_snapshots", said) for said in ("-1", "1.5", "few")),
        *(("keep_hours", said) for said in ("-1", "nan", "a day")),
    ],
)
def test_bounds_in_the_configuration_are_refused_by_their_setting_and_the_advice_works(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW__DIROPS__{name.upper()}", said)
    with pytest.raises(ArgumentRefused, match=rf"\[dirops\] {name} is '{said}'") as refused:
        settings.retention(None)
    ((advised, variable),) = re.findall(r"such as (\d+), or to 0, .* in (AIRFLOW\w+)", str(refused.value))
    for number in (advised, "0"):
        monkeypatch.setenv(variable, number)
        assert getattr(settings.retention(None), name) == int(number)


def _role(kind: Any) -> str:
    return "read" if kind is DirectoryReadOperator else "transform"


@pytest.mark.parametrize("what", ["another stage", "no stage"])
def test_what_a_task_is_refused_can_be_typed_and_then_it_runs(
    runs: Runs, root: Path, what: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(root / "raw" / DAY, one="a")
    write(root / "texts" / DAY, mine="by hand")
    if what == "another stage":
        with DAG("before", schedule=None, default_args=SHARED) as before:
            DirectoryReadOperator(task_id="texts", source="raw/{partition}", target="texts/{partition}", read=read)
        (root / "texts" / DAY / "mine.txt").unlink()
        runs(before)
    with DAG("now", schedule=None, default_args=SHARED) as dag:
        DirectoryReadOperator(task_id="texts", source="raw/{partition}", target="texts/{partition}", read=read)
    assert runs(dag).state("texts") == "failed"
    (command,) = set(
        re.findall(r"once.*: (dirops adopt \S+ --stage=now\.texts)$", capfd.readouterr().out, re.MULTILINE)
    )
    done = dirops_process(*shlex.split(command)[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    asked = dirops_process("show", root / "texts" / DAY, cwd=tmp_path)
    assert "stage 'now.texts' may " in asked.stdout + asked.stderr
    assert runs(dag).state("texts") == "success"
    assert values(root / "texts" / DAY) == {"one": "a"}
    assert "now.texts' may" not in dirops_process("show", root / "texts" / DAY, cwd=tmp_path).stdout
