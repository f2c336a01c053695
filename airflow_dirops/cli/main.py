"""``dirops``, with all its commands."""

from airflow_dirops.cli import commands, plan
from airflow_dirops.cli.app import app

__all__ = ["app", "commands", "plan"]
