"""The pages: each a route that reads, and a template that shows."""

from airflow_dirops.web.pages import (
    diff,
    failures,
    files,
    history,
    home,
    progress,
    sheet,
    snapshot,
    static,
    trace,
)

_PAGES = (home, snapshot, files, sheet, failures, diff, history, trace, progress, static)
ROUTERS = [each.router for each in _PAGES]
