"""The core alone: where Airflow cannot be imported, and without what a stage does not need."""

from __future__ import annotations

from pathlib import Path

from tests.core.children import run_python

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"airflow", "fastapi", "sqlalchemy"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from pathlib import Path
import numpy
from airflow_dirops.core import open_snapshot, read_directory, transform_directory

here = Path(sys.argv[1])
(here / "raw").mkdir()
(here / "raw/a.txt").write_text("text")
outcome = read_directory(source=here / "raw", target=here / "interim", read=lambda path: numpy.arange(3), codec="npy")
transform_directory(source=outcome.to_dict(), target=here / "final", transform=lambda values: values[:2].tolist(),
                    codec="json")
with open_snapshot(here / "final", verify=True) as snapshot:
    print([(record.key, record.value) for record in snapshot])
try:
    import airflow
except ImportError as error:
    print(error)
"""


def test_a_chain_where_airflow_cannot_be_imported(tmp_path: Path) -> None:
    said = run_python(BLOCKED, tmp_path).stdout.splitlines()
    assert said == ["[('a', [0, 1])]", "airflow is blocked"]


def test_what_importing_the_core_imports() -> None:
    script = "import sys, airflow_dirops.core; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    imported = set(run_python(script).stdout.split())
    assert "airflow_dirops" in imported
    assert imported.isdisjoint({"airflow", "skimage", "numpy", "PIL", "pandas", "pendulum", "sqlalchemy", "fastapi"})


def test_a_stage_over_text_needs_no_numpy(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.txt").write_text("text")
    script = (
        "import sys; from airflow_dirops.core import read_directory\n"
        "read_directory(source=sys.argv[1], target=sys.argv[2], read=lambda path: 'x', codec='text')\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    imported = set(run_python(script, tmp_path / "raw", tmp_path / "out").stdout.split())
    assert imported.isdisjoint({"airflow", "skimage", "numpy", "PIL", "pandas"})
