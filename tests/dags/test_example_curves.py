"""The DAG ``example_curves``: its figures, compared with golden ones."""

# [START golden]
from pathlib import Path

from airflow_dirops.testing.golden import assert_same_snapshot

CURVE = "s,bar,celsius\n0.0,1.0,80.1\n0.5,9.5,80.4\n1.0,10.0,81.0\n1.5,4.0,80.9\n"
GOLDEN = Path(__file__).parent / "golden/features"


def test_the_figures_of_a_day_are_as_they_were(dags):
    dags.write("raw/curves/2026-11-01", {"a.csv": CURVE, "press/b.csv": CURVE.replace("10.0", "12.5")})
    run = dags.run("dags/example_curves.py", partition="2026-11-01")
    assert_same_snapshot(run.stage("features"), GOLDEN, tolerance=1e-9)


# [END golden]
