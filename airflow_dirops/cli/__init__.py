"""The ``dirops`` command: the core's upkeep functions for a person at a terminal."""
