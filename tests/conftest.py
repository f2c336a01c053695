"""For all tests: Airflow reads its home when it is first imported, whichever module happens to do that."""

from __future__ import annotations

from airflow_dirops.testing.airflow_home import isolated_home

isolated_home()
