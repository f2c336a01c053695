"""The pages: each a route that reads, and a template that shows."""

from airflow_dirops.web.pages import files, home, snapshot, static

ROUTERS = [home.router, snapshot.router, files.router, static.router]
