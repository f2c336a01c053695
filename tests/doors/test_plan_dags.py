"""``dirops plan-dags``: what a change of DAG files would make anew, found out with two revisions of a repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dirops.testing.airflow_home import isolated_home, use_database
from airflow_dirops.testing.dags import Dags
from tests.cli.calls import dirops
from tests.doors.airflow_runs import Runs
from tests.text_files import write

DAYS = ("2026-11-01", "2026-11-02")
DAG_FILE = """
from airflow.sdk import DAG, task

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator
from words import read_text

def shout(text):
    return text.upper()

def count(text, *, params):
    return len(text) * params["factor"]

print("DAG files may print")
with DAG("texts", schedule=None, params={"factor": 2}) as dag:
    read = DirectoryReadOperator(
        task_id="read", source="raw/{partition}", target="interim/{partition}", read=read_text, codec="text"
    )
    StagedTransformOperator(
        task_id="loud", source=read.output, target="final/{partition}", transform=shout, codec="text"
    )
    StagedTransformOperator.sharded(
        2, task_id="long", source=read.output, target="long/{partition}", transform=count, codec="json"
    )

    @task.staged_transform(source=read.output, target="ends/{partition}", codec="text")
    def ends(text, mark):
        return text + mark

    ends(mark="!")

    @task.staged_transform(target="late/{partition}", source=read.output, codec="text")
    def late(text, day):
        return text + day

    late(day="{{ run_id }}")
"""
LIBRARY = """
from pathlib import Path

def read_text(path):
    return Path(path).read_text()
"""


def git(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A repository with DAG files and a library beside them; and a root, with two days that its DAG has made."""
    folder, root = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("root")
    (folder / "dags").mkdir()
    (folder / "dags/texts.py").write_text(DAG_FILE)
    (folder / "library").mkdir()
    (folder / "library/words.py").write_text(LIBRARY)
    git(folder, "init", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    use_database(airflow_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DIROPS__ROOT", str(root))
        patch.syspath_prepend(folder / "library")
        for day in DAYS:
            write(root / "raw" / day, a=day, b="b")
            run = Runs(Dags(root), isolated_home() / "dags").file("texts", DAG_FILE, key=day)
            assert run.dag_run.state == "success"
    sys.modules.pop("words", None)
    return folder, root


@pytest.fixture
def root(made: tuple[Path, Path]) -> Path:
    return made[1]


@pytest.fixture
def repository(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """One to be changed."""
    return Path(shutil.copytree(made[0], tmp_path / "repository"))


def plan_dags(repository: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "airflow_dirops", "plan-dags", *(arguments or ("dags", "--base", "main"))],
        cwd=repository,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(repository / "library")]),
            "AIRFLOW_HOME": str(isolated_home()),
            "AIRFLOW__DIROPS__ROOT": str(root),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_stages_make_otherwise_is_made_anew_whatever_form_they_have(repository: Path, root: Path) -> None:
    for old, new in {
        "text.upper()": "text.title()",
        '"factor": 2': '"factor": 3',  # which the stage in shards asks for
        'mark="!"': 'mark="?"',
        "def late(": "def later(",
        "late(day": "later(day",
    }.items():
        replace(repository / "dags/texts.py", old, new)
    done = plan_dags(repository, root, "dags", "--base", "main", "--json")
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    told = {each["stage"]: (each["cause"], each["partitions"], each["cost"]["files"]) for each in found["stages"]}
    days = ("code", [*DAYS], 4)
    assert told == {"texts.loud": days, "texts.long": days, "texts.ends": days}
    assert "shout" in str(found["stages"])
    assert found["cost"]["seconds"] > 0
    assert (found["new"], found["removed"]) == (["texts.later"], ["texts.late"])
    assert {*found["unknown"].values()} == {"its argument day is known in a run only"}


def test_a_module_beside_the_dags_reaches_all_that_follows_and_a_budget_fails_it(repository: Path, root: Path) -> None:
    replace(repository / "library/words.py", "read_text()", "read_text().strip()")
    done = plan_dags(repository, root, "dags/texts.py", "--base", "main", "--budget", "0s")
    assert done.returncode == 1
    assert "9 partitions of 5 stages would be made anew" in done.stdout
    assert "2026-11-01 to 2026-11-02 (2)" in done.stdout
    assert "what it is made from changes" in done.stdout
    assert "more than the budget of 0s" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dags", "--base", "no-such-branch"), "no-such-branch"),
        (("nowhere", "--base", "main"), "there is no"),
        (("/", "--base", "main"), "not a git repository"),
        (("dags", "--base", "main", "--budget", "soon"), "90min"),
        (("dags", "--base", "--upload-pack=touch x"), "--upload-pack"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: tuple[str, ...], said: str, repository: Path) -> None:
    done = dirops("plan-dags", *arguments, cwd=repository)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dag_file_that_cannot_be_imported_is_named(repository: Path, root: Path) -> None:
    (repository / "dags/broken.py").write_text("from airflow.sdk import DAG\nraise ValueError('half written')\n")
    done = plan_dags(repository, root)
    assert done.returncode == 2
    assert "broken.py" in done.stderr
    assert "half written" in done.stderr
