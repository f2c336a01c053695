"""``python -m airflow_dirops``, where the ``dirops`` script is not on the path."""

from airflow_dirops.cli.main import app

app(prog_name="dirops")
