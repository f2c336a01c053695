"""What Airflow's processes load of this package by themselves: the timetable, and what names the runs."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_dirops.calendar.timetables import PartitionTimetable
from airflow_dirops.runtime import run_names


class DiropsPlugin(AirflowPlugin):
    """Makes known to Airflow what a DAG may contain."""

    name = "airflow_dirops"
    timetables = [PartitionTimetable]  # noqa: RUF012 - Airflow's own declaration
    listeners = [run_names]  # noqa: RUF012
