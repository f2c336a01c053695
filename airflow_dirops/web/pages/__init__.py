"""The pages: each a route that reads, and a template that shows."""

from airflow_dirops.web.pages import failures, files, history, home, progress, sheet, snapshot, static, trace

ROUTERS = [each.router for each in (home, snapshot, files, sheet, failures, history, trace, progress, static)]
