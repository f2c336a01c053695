"""``dirops``, with all its commands."""

from airflow_dirops.cli import chain, commands, decisions, diff, failures, plan, plan_dags, status, trace, watch
from airflow_dirops.cli.app import app

__all__ = ["app", "chain", "commands", "decisions", "diff", "failures", "plan", "plan_dags", "status", "trace", "watch"]
