"""The seam: the place where a target is kept, as everything above it sees it.

A directory is the first place; an object store can be another. So the seam speaks of names, and not of paths. Whoever
implements its protocols is tried by :mod:`airflow_dirops.testing.places`.
"""
