"""What authors of extensions test their own code with; needs pytest.

- :class:`airflow_dirops.testing.codecs.CodecTests`: what every codec must do.
- :class:`airflow_dirops.testing.places.suite.PlaceTests`: what every place must do where targets are kept.
"""
