"""What Airflow's processes load of this package by themselves: the timetable, so that the scheduler can read it."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_dirops.timetables import PartitionTimetable


class DiropsPlugin(AirflowPlugin):
    """Makes known to Airflow what a DAG may contain."""

    name = "airflow_dirops"
    timetables = [PartitionTimetable]  # noqa: RUF012 - Airflow's own declaration
