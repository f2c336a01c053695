"""What authors of extensions test their own code with; needs pytest.

- :class:`airflow_dirops.testing.codecs.CodecTests`: what every codec must do.
"""
