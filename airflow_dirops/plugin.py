"""What Airflow's processes load of this package by themselves: the timetable, what names the runs, and the page."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_dirops.calendar.timetables import PartitionTimetable
from airflow_dirops.runtime import run_names
from airflow_dirops.runtime.links import PREFIX, ROUTE
from airflow_dirops.web.mount import LazyPage


class DiropsPlugin(AirflowPlugin):
    """Makes known to Airflow what a DAG may contain, and where the page is."""

    name = "airflow_dirops"
    timetables = [PartitionTimetable]  # noqa: RUF012 - Airflow's own declaration
    listeners = [run_names]  # noqa: RUF012
    fastapi_apps = [{"app": LazyPage(), "url_prefix": PREFIX, "name": "airflow-dirops"}]  # noqa: RUF012
    # A destination that this version of Airflow does not know would take the whole plugin out of its web UI.
    external_views = [  # noqa: RUF012
        {
            "name": "Targets",
            "href": f"{PREFIX.lstrip('/')}/",
            "url_route": ROUTE,
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Targets",
            "href": f"{PREFIX.lstrip('/')}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "url_route": f"{ROUTE}-run",
            "destination": "dag_run",
        },
    ]
