"""The places where targets are kept, each behind the seam in :mod:`airflow_dirops.core.place`."""
