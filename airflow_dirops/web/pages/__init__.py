"""The pages: each a route that reads, and a template that shows."""

from airflow_dirops.web.pages import (
    diff,
    failures,
    files,
    history,
    home,
    progress,
    run,
    sheet,
    snapshot,
    static,
    trace,
)

_PAGES = (home, snapshot, files, sheet, failures, diff, history, trace, progress, run, static)
ROUTERS = [each.router for each in _PAGES]
