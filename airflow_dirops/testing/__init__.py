"""What authors of DAGs and of extensions test their own code with; needs pytest.

- :class:`airflow_dirops.testing.stages.Stages`: runs a stage on what a test has in memory.
- :func:`airflow_dirops.testing.golden.assert_same_snapshot`: compares a snapshot with values, or with a golden folder.
- :class:`airflow_dirops.testing.dags.Dags`: runs a DAG of a DAG file without a scheduler, in a home of its own.
- :mod:`airflow_dirops.testing.plugin`: the fixtures ``stages`` and ``dags``, for those who ask for them.
- :class:`airflow_dirops.testing.codecs.CodecTests`: what every codec must do.
- :class:`airflow_dirops.testing.places.suite.PlaceTests`: what every place must do where targets are kept.
"""
