"""What every place must do, as tests to subclass; and a place in memory where accidents can be played.

- :class:`~airflow_dirops.testing.places.suite.PlaceTests`: the tests; they need pytest.
- :class:`~airflow_dirops.testing.places.memory.MemoryPlace`: a place in memory, with faults at the seam.
"""
