"""Pressure and temperature of a press, a CSV file a cycle: to arrays, then to a few figures as JSON."""

from airflow.sdk import DAG

from airflow_dirops import DirectoryReadOperator, StagedTransformOperator, daily_partitions, dirops_params


def read_curve(path):
    import numpy as np  # here, and not above: Airflow reads this file every few seconds

    return np.loadtxt(path, delimiter=",", skiprows=1)


def features(curve):
    seconds, bar, celsius = curve.T
    return {
        "peak_bar": bar.max(),
        "peak_after_s": seconds[bar.argmax()],
        "held_s": seconds[bar > 0.9 * bar.max()].size * (seconds[1] - seconds[0]),
        "mean_celsius": celsius.mean(),
    }


with DAG("example_curves", schedule=daily_partitions("0 2 * * *"), params=dirops_params(), doc_md=__doc__):
    curves = DirectoryReadOperator(
        task_id="curves",
        source="raw/curves/{partition}",
        target="interim/curves/{partition}",
        pattern="**/*.csv",
        read=read_curve,
        on_error="quarantine",
        max_failures=3,
    )
    StagedTransformOperator(
        task_id="features",
        source=curves.output,
        target="final/features/{partition}",
        transform=features,
        codec="json",
    )
