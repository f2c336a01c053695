"""What the stages of a run committed, or failed at: by what they told Airflow, which the browser asks for."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from airflow_dirops.web.rendering import render

router = APIRouter()


@router.get("/run")
def run(dag_id: str = "", run_id: str = "") -> HTMLResponse:
    """The targets of a run. Nothing is read here: Airflow's API answers those alone who may see the run.

    :param dag_id: of the run.
    :param run_id: which one of the DAG's.
    """
    return render("run.html", dag_id=dag_id, run_id=run_id)
