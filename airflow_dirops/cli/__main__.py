"""``python -m airflow_dirops.cli``, where the ``dirops`` script is not on the path."""

from airflow_dirops.cli.commands import app

app()
