"""What tasks that are no stages know of the partition: in their templates, and in their functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, task
from jinja2 import UndefinedError

from airflow_dirops import DirectoryReadOperator, current_partition, daily_partitions, dirops_params, open_snapshot
from airflow_dirops.core.errors import ArgumentRefused, ManifestMissing
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, values, write

DAY = "2026-11-01"


class Said(BaseOperator):
    """Any operator."""

    template_fields = ("text",)

    def __init__(self, *, text: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def execute(self, context: Any) -> Any:
        return self.text


def stage(**fields: Any) -> DirectoryReadOperator:
    paths = {"source": "raw/{partition}", "target": "interim/{partition}"} | fields
    return DirectoryReadOperator(task_id="read", **paths, read=read_text, codec="text")


@pytest.mark.parametrize(
    ("run", "says"),
    [
        pytest.param({"key": DAY}, DAY, id="a partition key"),
        pytest.param({"conf": {"partition": DAY}}, DAY, id="the form"),
    ],
)
@pytest.mark.parametrize("text", ["{{ dirops.partition }}", "{{ dirops }}"])
def test_any_operator_of_the_dag_has_the_partition(
    runs: Runs, root: Path, run: dict[str, Any], says: str, text: str
) -> None:
    write(root / "raw" / DAY, one="1")
    with DAG("said", schedule=daily_partitions("0 2 * * *"), params=dirops_params()) as dag:
        Said(task_id="before", text=text) >> stage() >> Said(task_id="after", text={"deep": [f"rm {text}/x"]})
        Said.partial(task_id="mapped").expand(text=[text])
    done = runs(dag, **run)
    assert done.output("before") == says
    assert done.output("after") == {"deep": [f"rm {says}/x"]}
    assert done.output("mapped", 0) == says
    assert done.output("read")["partition"] == says


def test_it_is_what_the_stages_take_as_the_schedule_names_it(runs: Runs, root: Path) -> None:
    write(root / "raw/2026/11/01", one="1")
    with DAG("named", schedule=daily_partitions("0 2 * * *", partition_format="%Y/%m/%d")) as dag:
        stage() >> Said(task_id="said", text="{{ dirops.partition }}")
    assert runs(dag, key="2026/11/01").output("said") == "2026/11/01"


def test_where_the_run_names_none_it_says_so(runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("refused", schedule=daily_partitions("0 2 * * *")) as dag:
        Said(task_id="said", text="{{ dirops.partition }}") >> stage()
    assert runs(dag, key="../x").state("said") == "failed"
    assert "cannot name a partition" in "".join(capfd.readouterr())


def test_a_stage_s_own_path_may_have_it(runs: Runs, root: Path) -> None:
    write(root / "raw" / DAY, one="1")
    with DAG("own", schedule=daily_partitions("0 2 * * *")) as dag:
        stage(source="raw/{{ dirops.partition }}", target="interim/{{ dirops.partition }}")
    run = runs(dag, key=DAY)
    assert values(root / "interim" / DAY) == {"one": "1"}
    assert run.output("read")["partition"] == DAY


@pytest.mark.parametrize("name", ["ds", "ts_nodash", "logical_date", "data_interval_start"])
def test_a_date_that_a_partitioned_run_lacks_is_an_error_with_a_hint(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    with DAG("dated", schedule=daily_partitions("0 2 * * *")) as dag:
        Said(task_id="said", text=f"{{{{ {name} }}}}") >> stage()
        Said(task_id="otherwise", text=f"{{{{ {name} | default('none') }}}}{{{{ {name} is defined }}}}")
    run = runs(dag, key=DAY)
    assert run.state("said") == "failed"
    assert "{{ dirops.partition }}, which every run has" in "".join(capfd.readouterr())
    assert run.output("otherwise") == "noneFalse"


def test_other_names_are_undefined_as_before() -> None:
    with DAG("plain", schedule=None) as dag:
        stage()
    template = dag.get_template_env().from_string
    with pytest.raises(UndefinedError, match="'foo' is undefined"):
        template("{{ foo }}").render(ds="2026-11-01")
    assert template("{% do [] %}{{ ds }}").render(ds="2026-11-01") == "2026-11-01"


def test_what_the_dag_says_of_jinja_stays() -> None:
    own = {"extensions": ["jinja2.ext.loopcontrols"], "trim_blocks": True}
    with DAG("own_jinja", schedule=None, jinja_environment_kwargs=own) as dag:
        stage()
        DirectoryReadOperator(task_id="second", source="raw", target="other", read=read_text)
    env = dag.get_template_env()
    assert env.trim_blocks
    assert env.from_string("{% for x in [1, 2] %}{% break %}{% endfor %}").render() == ""
    assert own == {"extensions": ["jinja2.ext.loopcontrols"], "trim_blocks": True}


def test_functions_of_tasks_ask_for_the_partition_and_open_snapshots(runs: Runs, root: Path) -> None:
    write(root / "raw/berlin" / DAY, one="1")
    with DAG("functions", schedule=daily_partitions("0 2 * * *")) as dag:
        read = stage(
            source="raw/{site}/{partition}", target="interim/{site}/{partition}", dimensions={"site": "berlin"}
        )

        @task
        def look(made: Any) -> list[Any]:
            paths = ["interim/{site}/{partition}", root / "interim/berlin" / current_partition(), made]
            seen = []
            for path in paths:
                with open_snapshot(path, dimensions={"site": "berlin"}) as snapshot:
                    seen += [[record.key, record.value] for record in snapshot]
            return [current_partition(), *seen]

        @task
        def fail() -> list[str]:
            said = []
            asked = {"site": "../x"}
            jinja = "interim/{{ dirops.partition }}"
            for path, dimensions in (
                ("interim/{site}", None),
                ("../x", None),
                ("interim/{site}", asked),
                (jinja, None),
            ):
                with pytest.raises(ArgumentRefused) as refused:
                    open_snapshot(path, dimensions=dimensions)
                said.append(str(refused.value))
            with pytest.raises(ManifestMissing, match=r"\[dirops\] root"):
                open_snapshot("interim/elsewhere")
            return said

        look(read.output)
        fail()
    run = runs(dag, key=DAY)
    assert run.output("look") == [DAY, *[["one", "1"]] * 3]
    unnamed, out, bad, unrendered = run.output("fail")
    assert "which nothing renders in a function; write {partition}" in unrendered
    assert "{site}" in unnamed
    assert "leads out of the root" in out
    assert "cannot name folders" in bad


def test_outside_a_task_they_say_where_they_work() -> None:
    with pytest.raises(ArgumentRefused, match="only a task of Airflow"):
        current_partition()
    with pytest.raises(ArgumentRefused, match=r"airflow_dirops\.core\.open_snapshot"):
        open_snapshot("interim/{partition}")


def weekly_stage(how: str) -> None:
    if how == "mapped":
        partial = DirectoryReadOperator.partial(
            task_id="read", target="interim/{partition}", partition_format="%G-W%V", read=read_text, codec="text"
        )
        partial.expand(source=["raw/{partition}"])
    elif how == "mapped, default_args":
        partial = DirectoryReadOperator.partial(
            task_id="read", target="interim/{partition}", read=read_text, codec="text"
        )
        partial.expand(source=["raw/{partition}"])
    elif how == "default_args":
        stage()
    else:
        stage(partition_format="%G-W%V")


@pytest.mark.parametrize("how", ["mapped", "mapped, default_args", "default_args", "alone"])
def test_it_is_what_the_stages_take_as_they_name_it_themselves(runs: Runs, root: Path, how: str) -> None:
    write(root / "raw/2026-W44", one="1")
    defaults = {"partition_format": "%G-W%V"} if "default_args" in how else {}
    with DAG("own_names", schedule=None, default_args=defaults) as dag:
        weekly_stage(how)
        DirectoryReadOperator(task_id="elsewhere", source="raw", target="fixed", read=read_text, codec="text")
        Said(task_id="said", text="{{ dirops.partition }}")

        @task
        def ask() -> str:
            return current_partition()

        ask()
    run = runs(dag, key="2026-W44")
    assert (run.output("said"), run.output("ask")) == ("2026-W44", "2026-W44")
    by_hand = runs(dag)
    assert by_hand.output("said").count("-W") == 1


def test_any_name_that_a_stage_takes(runs: Runs, root: Path) -> None:
    write(root / "raw/batch7", one="1")
    with DAG("any_name", schedule=None, params=dirops_params()) as dag:
        stage(partition_format=None) >> Said(task_id="said", text="{{ dirops.partition }}")
    assert runs(dag, conf={"partition": "batch7"}).output("said") == "batch7"


def test_where_stages_disagree_it_is_asked_of_one_of_them(
    runs: Runs, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(root / "raw", unread="1")
    advice = "{{ ti.xcom_pull('read')['partition'] }}"
    with DAG("two_names", schedule=None) as dag:
        weekly = stage(partition_format="%G-W%V", empty="commit")
        stage_of_days = DirectoryReadOperator(
            task_id="days", source="raw/{partition}", target="days/{partition}", read=read_text, empty="commit"
        )
        [weekly, stage_of_days] >> Said(task_id="advised", text=advice)
        Said(task_id="said", text="{{ dirops.partition }}")
    assert runs(dag, key="2026-W44").output("said") == "2026-W44"  # which cannot be a day
    run = runs(dag)
    assert run.state("said") == "failed"
    assert advice.replace("read", "its_task_id") in "".join(capfd.readouterr())
    assert run.output("advised") == run.output("read")["partition"]


def test_an_import_without_the_run_says_how_to_import(
    runs: Runs, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(root / "raw" / DAY, one="1")
    (tmp_path / "paths.j2").write_text(
        "{% macro out() %}out/{{ dirops.partition }}{% endmacro %}{% macro of(day) %}out/{{ day }}{% endmacro %}"
    )
    with DAG("imports", schedule=daily_partitions("0 2 * * *"), template_searchpath=str(tmp_path)) as dag:
        stage()
        Said(task_id="lost", text="{% import 'paths.j2' as paths %}{{ paths.out() }}")
        Said(task_id="told", text="{% import 'paths.j2' as paths with context %}{{ paths.out() }}")
        Said(task_id="handed", text="{% import 'paths.j2' as paths %}{{ paths.of(dirops.partition) }}")
    run = runs(dag, key=DAY)
    assert run.state("lost") == "failed"
    said = "".join(capfd.readouterr())
    assert "the template 'paths.j2', which was not told of any run" in said
    assert "{% import 'paths.j2' as paths with context %}" in said
    assert run.output("told") == run.output("handed") == f"out/{DAY}"
